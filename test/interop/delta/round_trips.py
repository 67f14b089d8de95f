"""Round trips of tables between weir, Spark with delta-spark, and delta-rs. One table at a time is created by one of them and then
changed by all in turn; see scenarios.py.

    round_trips.py WORK PEER SPARK_3_PYTHON SPARK_4_PYTHON [core | SCENARIO…]

PEER is weir's program. A Python that is not needed for the scenarios may be "-"."""

import collections
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


Outcome = collections.namedtuple("Outcome", "name spark steps seconds ok")


def run(name, peers, spark, done):
    """Runs a scenario and says what became of it. done counts what the peers did."""
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
    seconds = time.monotonic() - start
    print(f"  {t.steps} steps in {seconds:.0f} s ({spent})", flush=True)
    done.update(t.done)
    return Outcome(name, spark, t.steps, seconds, failed is None)


def summary(outcomes, done):
    """A row for each table, and one for each kind of change that says how often each peer made it."""
    print(f"\n{'table':32} {'Spark':5} {'steps':>5} {'seconds':>7}")
    for o in outcomes:
        print(f"{o.name:32} {o.spark:5} {o.steps:5} {o.seconds:7.0f}{'' if o.ok else '  FAILED'}")
    names = ("weir", "spark", "delta-rs")
    print(f"\n{'done by':32} " + " ".join(f"{name:>8}" for name in names))
    for method in sorted({m for _, m in done}):
        print(f"{method:32} " + " ".join(f"{done[name, method]:8}" for name in names))
    print(flush=True)


def main():
    folder, weir, spark3, spark4, *chosen = sys.argv[1:]
    core = chosen == ["core"]  # with one Spark, the newer one
    names = CORE if core else chosen or sorted(SCENARIOS, key=lambda n: SCENARIOS[n].spark)
    peers, done = Peers(folder, weir, {"3.5": spark3, "4.0": spark4}), collections.Counter()
    outcomes = [run(name, peers, "4.0" if core else None, done) for name in names]
    peers.close()
    summary(outcomes, done)
    failed = [o.name for o in outcomes if not o.ok]
    if failed:
        raise SystemExit(f"delta interop: {len(failed)} of {len(names)} tables failed: {', '.join(failed)}")
    print(f"delta interop: {len(names)} tables, {sum(o.steps for o in outcomes)} steps: all readers agree after each")


if __name__ == "__main__":
    main()
