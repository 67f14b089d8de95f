"""Measures weir's pipelines, Spark Structured Streaming and plain DuckDB on the same records, in turn, each in processes of its own. See
docs/benchmarks.md. usage: bench.py WORK WEIR LOAD SPARK_PYTHON DUCKDB_PYTHON [flags]"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time

import weir as weir_side
from machine import Watched, clean_environment
from weir import Weir

HERE = os.path.dirname(os.path.abspath(__file__))


class Bench:
    def __init__(self, args):
        self.args = args
        self.work = args.work
        self.results = []

    def path(self, *names):
        return os.path.join(self.work, *names)

    def say(self, what, who, **figures):
        """One measurement: printed, and kept for the end."""
        r = {"what": what, "who": who, **{k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}}
        self.results.append(r)
        print(json.dumps(r), flush=True)
        return r

    def python(self, python, script, *args, name):
        p = Watched([python, os.path.join(HERE, script), *map(str, args)], self.path(name), env=clean_environment() | {"PYTHONDONTWRITEBYTECODE": "1"})
        return p

    def files(self, *flags):
        """Files of records for those that read files."""
        folder = self.path("files")
        shutil.rmtree(folder, ignore_errors=True)
        out = subprocess.run([self.args.load, "files", folder, *flags], check=True, capture_output=True, text=True).stdout
        return folder, json.loads(out)

    def throughput(self, times):
        """Rides of a day that lie there already: all sides from a cold start."""
        n = self.args.rides
        flags = ["-n", str(n), "-times", times]
        what = "rides, 24 hours " + ("in order" if times == "order" else "mixed")
        w = Weir(self.path("throughput"), self.args.weir, self.args.load)
        os.makedirs(w.work, exist_ok=True)
        if "weir" in self.args.sides:
            self.weir_throughput(w, what, n, flags)
        folder, _ = self.files(*flags)
        if "limit" in self.args.sides:
            to = self.path("limit")
            p = self.python(self.args.duckdb, "limit.py", "rides", folder, to, name="limit")
            seconds = p.wait()
            assert p.said()["rows"] == n, p.said()
            self.say(what, "limit", cold=n / seconds, steady=n / p.said()["seconds"], seconds=seconds, peak=p.peak(), note="DuckDB " + p.said()["version"])
            shutil.rmtree(to)
        shutil.rmtree(folder)

    def weir_throughput(self, w, what, n, flags):
        w.serve()
        put = w.put(*flags)
        w.stop()
        self.say(what, "put", cold=put["records"] / put["seconds"], note="while the stream was filled, generator on the same cores")
        seconds, reports, p = w.run_once(weir_side.rides_pipeline("rides-run"))
        self.check(reports, n)
        self.say(what, "weir run", cold=n / seconds, steady=weir_side.rate(reports), seconds=seconds, peak=p.peak(), batches=len(reports))
        w.drop("rides-run")
        w.serve()
        began = time.monotonic()
        w.start(weir_side.rides_pipeline("rides-served", "available-now"))
        w.await_status("rides-served", lambda s: s["state"] == "done")
        seconds = time.monotonic() - began
        reports = w.reports("rides-served")
        self.check(reports, n)
        server = w.stop()
        self.say(what, "weir serve", cold=n / seconds, steady=weir_side.rate(reports), seconds=seconds, peak=server.peak(), peaks=server.peaks_by_name(), batches=len(reports))
        w.remove()

    @staticmethod
    def check(reports, n):
        got = [sum(r["numInputRows"] for r in reports), sum(r["sink"]["numOutputRows"] for r in reports)]
        if got != [n, n]:
            raise SystemExit("weir read and wrote %s records of %d" % (got, n))


def main():
    p = argparse.ArgumentParser()
    for name in ("work", "weir", "load", "spark", "duckdb"):
        p.add_argument(name)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--rides", type=int)
    p.add_argument("--only", default="throughput")
    p.add_argument("--sides", default="weir,limit,spark")
    p.add_argument("--times", default="order,mixed")
    p.add_argument("--json", default="pipeline-bench.json")
    args = p.parse_args()
    args.rides = args.rides or (300_000 if args.quick else 3_000_000)
    args.sides = args.sides.split(",")
    b = Bench(args)
    if "throughput" in args.only:
        for times in args.times.split(","):
            b.throughput(times)
    with open(args.json, "w") as f:
        json.dump({"load": os.getloadavg(), "cpus": os.cpu_count(), "results": b.results}, f, indent=1)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
