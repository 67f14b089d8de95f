"""Round trips of tables between weir, Spark with delta-spark, and delta-rs. One table at a time is created by one of them and then
changed by all in turn; see scenarios.py.

    round_trips.py WORK PEER SPARK_3_PYTHON SPARK_4_PYTHON [core | SCENARIO…]

PEER is weir's program. A Python that is not needed for the scenarios may be "-"."""

import sys
import time

from peers import DeltaRS, Refused, Spark, Weir, Work
from scenarios import CORE, SCENARIOS
from tables import Failed, Table


class Peers:
    """The implementations by name. A Spark is started when the first scenario asks for it, and the one before ends."""

    def __init__(self, folder, weir, sparks):
        self.work = Work(folder)
        self.sparks = sparks  # Python by version
        self.version = None
        self.of = {"weir": Weir(self.work, weir), "delta-rs": DeltaRS(self.work)}

    def with_spark(self, version):
        if version != self.version:
            if "spark" in self.of:
                self.of.pop("spark").close()
            self.of["spark"], self.version = Spark(self.work, self.sparks[version], version), version
        return self.of

    def close(self):
        for p in self.of.values():
            p.close()


def run(name, peers, spark):
    """Runs a scenario and says whether all went well."""
    scenario, start = SCENARIOS[name], time.monotonic()
    spark = spark or scenario.spark
    print(f"{name} (Spark {spark})", flush=True)
    t = Table(peers.with_spark(spark), name, scenario.without)
    failed = None
    try:
        scenario.run(t)
    except (Failed, Refused) as e:
        failed = e
        print(f"  FAILED {e}", flush=True)
    spent = ", ".join(f"{peer} {seconds:.0f}" for peer, seconds in t.spent.items())
    print(f"  {t.steps} steps in {time.monotonic() - start:.0f} s ({spent})", flush=True)
    return failed is None, t.steps


def main():
    folder, weir, spark3, spark4, *chosen = sys.argv[1:]
    core = chosen == ["core"]  # with one Spark, the newer one
    names = CORE if core else chosen or sorted(SCENARIOS, key=lambda n: SCENARIOS[n].spark)
    peers = Peers(folder, weir, {"3.5": spark3, "4.0": spark4})
    steps, failed = 0, []
    for name in names:
        ok, n = run(name, peers, "4.0" if core else None)
        steps += n
        if not ok:
            failed.append(name)
    peers.close()
    if failed:
        raise SystemExit(f"delta interop: {len(failed)} of {len(names)} tables failed: {', '.join(failed)}")
    print(f"delta interop: {len(names)} tables, {steps} steps: all readers agree after each")


if __name__ == "__main__":
    main()
