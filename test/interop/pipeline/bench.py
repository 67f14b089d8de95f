"""Measures weir's pipelines, Spark Structured Streaming and plain DuckDB on the same records, in turn, each in processes of its own. See
docs/benchmarks.md. usage: bench.py WORK WEIR LOAD SPARK_PYTHON DUCKDB_PYTHON [flags]"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import weir as weir_side
from machine import STOP_AFTER, Watched
from summary import tables
from weir import Weir

HERE = os.path.dirname(os.path.abspath(__file__))


class Bench:
    def __init__(self, args):
        self.args = args
        self.results = []
        self.count = 0

    def path(self, name):
        """A new place for files."""
        self.count += 1
        return os.path.join(self.args.work, "%03d-%s" % (self.count, name))

    def say(self, what, who, **figures):
        """One measurement: printed, and kept for the end."""
        r = {"what": what, "who": who, **{k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}}
        self.results.append(r)
        print(json.dumps(r), flush=True)

    def python(self, python, script, *args):
        return Watched([python, os.path.join(HERE, script), *map(str, args)], self.path(script))

    def new_weir(self):
        place = self.path("weir")
        os.makedirs(place)
        return Weir(place, self.args.weir, self.args.load)

    def files(self, *flags):
        """Files of records for those that read files."""
        folder = self.path("files")
        subprocess.run([self.args.load, "files", folder, *flags], check=True, stdout=subprocess.DEVNULL)
        return folder

    # What lies there already, from a cold start.

    def throughput(self, times):
        n = self.args.rides
        flags = ["-n", str(n), "-times", times]
        what = "rides of 24 hours, " + ("in order" if times == "order" else "mixed")
        if "weir" in self.args.sides:
            self.weir_backlog(what, n, flags, "rides", weir_side.rides_pipeline("rides-run"), weir_side.rides_pipeline("rides-served", "available-now"))
        self.on_files(what, n, flags, "rides", "rides")

    def windows(self):
        n = self.args.events
        flags = ["-shape", "events", "-n", str(n), "-span", "%dm" % self.args.minutes, "-keys", str(self.args.keys)]
        for mode in ("append", "update"):
            what = "windows of a minute, %s keys, %s" % (format(self.args.keys, ","), mode)
            if "weir" in self.args.sides:
                self.weir_backlog(what, n, flags, mode, weir_side.windows_pipeline("windows-run", mode))
            self.on_files(what, n, flags, "windows", mode)

    def on_files(self, what, n, flags, limit, spark):
        folder = self.files(*flags)
        if "limit" in self.args.sides:
            self.limit(what, n, limit, folder)
        if "spark" in self.args.sides:
            self.spark_backlog(what, n, spark, folder)
        shutil.rmtree(folder)

    def weir_backlog(self, what, n, flags, kind, run, served=None):
        w = self.new_weir()
        w.serve()
        put = w.put(*flags)
        w.stop()
        self.say(what, "put", cold=put["records"] / put["seconds"], note="while the stream was filled, generator on the same cores")
        seconds, reports, p = w.run_once(run)
        self.check(reports, n, kind, w.table(run["name"]))
        self.say(what, "weir run", cold=n / seconds, steady=weir_side.rate(reports), seconds=seconds, batches=len(reports), peak=p.peak(), peaks=p.peaks_by_name())
        w.drop(run["name"])
        if served:
            w.serve()
            began = time.monotonic()
            w.start(served)
            w.await_status(served["name"], lambda s: s["state"] == "done")
            seconds = time.monotonic() - began
            reports = w.reports(served["name"])
            self.check(reports, n, kind, w.table(served["name"]))
            server = w.stop()
            self.say(what, "weir serve", cold=n / seconds, steady=weir_side.rate(reports), seconds=seconds, batches=len(reports), peak=server.peak(), peaks=server.peaks_by_name())
        w.remove()

    def check(self, reports, n, kind, table):
        got = sum(r["numInputRows"] for r in reports)
        if got != n:
            raise SystemExit("%d records were read of %d" % (got, n))
        self.python(self.args.duckdb, "table.py", kind, table, n).wait()

    def limit(self, what, n, kind, folder):
        to = self.path("limit")
        p = self.python(self.args.duckdb, "limit.py", kind, folder, to)
        seconds = p.wait()
        self.say(what, "limit", cold=n / seconds, steady=n / p.said()["seconds"], seconds=seconds, peak=p.peak(), note="DuckDB " + p.said()["version"])
        shutil.rmtree(to) if os.path.isdir(to) else os.remove(to)

    def spark_backlog(self, what, n, kind, folder):
        table = self.path("spark-table")
        p = self.python(self.args.spark, "spark.py", kind, "once", folder, table, table + ".checkpoint")
        seconds = p.wait()
        reports = [r for r in map(json.loads, p.lines()) if "batchId" in r]
        self.check(reports, n, kind, table)
        some = [r for r in reports if r["numInputRows"] > 0]
        warm = some[len(some) // 2:]  # the JVM has compiled by then
        self.say(what, "spark", cold=n / seconds, steady=sum(r["numInputRows"] for r in warm) / sum(r["batchDuration"] for r in warm) * 1000,
                 seconds=seconds, batches=len(reports), peak=p.peak(), peaks=p.peaks_by_name())
        for folder in (table, table + ".checkpoint", table + ".checkpoint.local"):
            shutil.rmtree(folder, ignore_errors=True)

    # From the answer to a put until the row is in the table.

    def latency(self, rate):
        what = "latency, " + ("%s records/s" % format(rate, ",") if rate else "full rate")
        if "weir" in self.args.sides:
            self.weir_latency(what, rate)
        if "spark" in self.args.sides and rate:
            self.spark_latency(what, rate)

    def load_flags(self, rate, times):
        return ["-rate", str(rate), "-for", "%ds" % (self.args.seconds + self.args.warm_up), "-times", "now", "-log", times]

    def watch(self, table, versions):
        return Watched([self.args.load, "watch", table, "-log", versions], self.path("watch"))

    def weir_latency(self, what, rate):
        w = self.new_weir()
        w.serve()
        w.start(weir_side.rides_pipeline("rides"))
        w.await_status("rides", lambda s: s["state"] == "running")
        times, versions, table = self.path("times"), self.path("versions"), w.table("rides")
        watcher = self.watch(table, versions)
        put = w.put(*self.load_flags(rate, times))
        w.await_status("rides", lambda s: s["totals"]["records"] >= put["records"])
        watcher.stop(signal.SIGTERM)
        figures = self.measured(table, times, versions)
        server = w.stop()
        self.say(what, "weir serve", put=put["records"] / put["seconds"], **figures, peak=server.peak(), peaks=server.peaks_by_name())
        w.remove()

    def spark_latency(self, what, rate):
        folder, table = self.path("dropped"), self.path("spark-table")
        os.makedirs(folder)
        times, versions = self.path("times"), self.path("versions")
        p = self.python(self.args.spark, "spark.py", "rides", "live", folder, table, table + ".checkpoint")
        self.until(p, lambda lines: lines, "Spark to start")
        watcher = self.watch(table, versions)
        dropper = Watched([self.args.load, "drop", folder, *self.load_flags(rate, times)], self.path("drop"))
        dropper.wait()
        n = dropper.said()["records"]
        self.until(p, lambda lines: sum(json.loads(line).get("numInputRows", 0) for line in lines) >= n, "Spark to commit all records")
        p.stop(signal.SIGTERM)
        watcher.stop(signal.SIGTERM)
        self.say(what, "spark", put=n / dropper.said()["seconds"], **self.measured(table, times, versions), peak=p.peak(), peaks=p.peaks_by_name())
        for folder in (folder, table, table + ".checkpoint", table + ".checkpoint.local"):
            shutil.rmtree(folder, ignore_errors=True)

    @staticmethod
    def until(p, done, what):
        end = time.monotonic() + STOP_AFTER
        while not done([line for line in p.lines() if line.startswith("{") and line.endswith("}")]):
            if p.process.poll() is not None or time.monotonic() > end:
                raise SystemExit("waited for %s: %s" % (what, p.said_last()))
            time.sleep(0.1)

    def measured(self, table, times, versions):
        p = self.python(self.args.duckdb, "latency.py", table, times, versions, self.args.warm_up)
        p.wait()
        return p.said()


def arguments():
    p = argparse.ArgumentParser()
    for name in ("work", "weir", "load", "spark", "duckdb"):
        p.add_argument(name)
    p.add_argument("--quick", action="store_true", help="a tenth of everything, to try it out")
    p.add_argument("--only", default="throughput,latency,windows")
    p.add_argument("--sides", default="weir,limit,spark")
    p.add_argument("--rides", type=int, help="rides of throughput")
    p.add_argument("--times", default="order,mixed", help="how their event times lie in the day")
    p.add_argument("--rates", default="10000,100000,0", help="of latency; 0 is as fast as they are taken")
    p.add_argument("--seconds", type=int, help="that latency measures")
    p.add_argument("--warm-up", type=int, help="seconds before, which do not count")
    p.add_argument("--events", type=int, help="events of windows")
    p.add_argument("--keys", type=int, help="their keys")
    p.add_argument("--minutes", type=int, default=8, help="that they are spread over")
    p.add_argument("--json", default="pipeline-bench.json", help="file that gets all results")
    args = p.parse_args()
    usual = {"rides": (3_000_000, 300_000), "seconds": (20, 5), "warm_up": (20, 3), "events": (4_000_000, 400_000), "keys": (1_000_000, 100_000)}
    for name, (whole, quick) in usual.items():
        if getattr(args, name) is None:
            setattr(args, name, quick if args.quick else whole)
    return args


def main():
    args = arguments()
    b = Bench(args)
    load = os.getloadavg()[0]
    for part in args.only.split(","):
        if part == "throughput":
            for times in args.times.split(","):
                b.throughput(times)
        elif part == "latency":
            for rate in args.rates.split(","):
                b.latency(int(rate))
        elif part == "windows":
            b.windows()
        else:
            raise SystemExit("there is no part %r" % part)
        with open(args.json, "w") as f:
            json.dump({"load_at_the_start": load, "cpus": os.cpu_count(), "results": b.results}, f, indent=1)
    print("\n%d cores, load %.1f at the start" % (os.cpu_count(), load))
    print(tables(b.results))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
