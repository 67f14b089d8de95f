"""Tables that pipelines make, read by everyone else. usage: main.py WORK WEIR none|VERSION:PYTHON [SCENARIO…]. VERSION is that of Spark, PYTHON
has it. A weir serves WORK/weir at AWS_ENDPOINT_URL."""

import os
import sys
import time
import traceback
import urllib.request

import events  # noqa: F401  which finds the modules of the round trips
from peers import DeltaRS, Spark, Work
from readers import DuckDB, Weir
from scenarios import SCENARIOS
from tables import Failed


class Lake:
    """The place of all tables, and who reads and writes them."""

    def __init__(self, folder, weir, spark):
        self.folder, self.weir, self.started = folder, weir, time.time()
        self.work = Work(folder)
        self.peers = {"weir": Weir(self.work, weir), "duckdb": DuckDB(self.work), "delta-rs": DeltaRS(self.work)}
        self.writers = ["weir", "delta-rs"]
        for bucket in ("lake", "out"):
            urllib.request.urlopen(urllib.request.Request(f"{os.environ['AWS_ENDPOINT_URL']}/{bucket}", method="PUT")).close()
        if spark != "none":
            version, python = spark.split(":", 1)
            self.peers["spark"] = Spark(self.work, python, version)
            self.writers.append("spark")


def main():
    folder, weir, spark, *chosen = sys.argv[1:]
    lake, failed = Lake(folder, weir, spark), []
    for name in chosen or SCENARIOS:
        start = time.monotonic()
        print(name, flush=True)
        try:
            SCENARIOS[name](lake)
        except Failed as e:
            print("  FAILED", e, flush=True)
            failed.append(name)
        except Exception:
            print("  FAILED", traceback.format_exc(), flush=True)
            failed.append(name)
        print(f"  {time.monotonic() - start:.1f} s", flush=True)
    for p in lake.peers.values():
        p.close()
    if failed:
        raise SystemExit(f"pipeline tables: {', '.join(failed)} failed")


if __name__ == "__main__":
    main()
