"""Round trips of tables between weir, Spark with delta-spark, and delta-rs. One table at a time is created by one of them and then
changed by all in turn. After each step every one of them reads it: rows and schema must be those of the model, which is a
dict in this program. usage: round_trips.py WORK PEER SPARK_PYTHON [SCENARIO…]"""

import glob
import os
import sys
import time

import rows as r
from peers import DeltaRS, Refused, Spark, Weir, Work


class Table:
    """A table under test, and what it must hold."""

    def __init__(self, peers, name, without=()):
        self.peers, self.name = peers, name
        self.readers = [p for p in peers.values() if p.name not in without]
        self.model, self.generation = {}, {}
        self.steps = self.refused = 0
        self.schema = None

    def step(self, what):
        """Compares what every reader sees with the model."""
        want, digest = r.digest(self.expected())
        versions = {}
        for peer in self.readers:
            try:
                rows, schema, versions[peer.name] = peer.read(self.name)
            except Refused as e:
                self.fail(what, str(e))
            got, _ = r.digest(rows)
            if got != want:
                self.fail(what, f"{peer.name} reads {len(got)} rows, of which are not expected {sample(set(got) - set(want))}; "
                          f"there should be {len(want)}, of which it lacks {sample(set(want) - set(got))}")
            if r.plain_schema(schema) != r.plain_schema(self.schema):
                self.fail(what, f"{peer.name} reads the schema\n{r.plain_schema(schema)}\nand not\n{r.plain_schema(self.schema)}")
        if len(set(versions.values())) != 1:
            self.fail(what, f"versions {versions}")
        self.steps += 1
        print(f"  {what:42} version {versions.popitem()[1]:3}  {len(want):5} rows  {digest}", flush=True)

    def expected(self):
        return self.model.values()

    def fail(self, what, why):
        raise SystemExit(f"delta interop: {self.name}: after {what}:\n{why}")

    def do(self, peer, method, *args):
        try:
            getattr(self.peers[peer], method)(self.name, *args)
        except Refused as e:
            self.fail(f"{peer} {method}", str(e))

    # The steps. Each is done by one peer, and to the model.

    def create(self, peer, by=(), properties=None, schema=r.SCHEMA):
        self.schema = schema
        self.do(peer, "create", schema, list(by), properties or {})
        self.step(f"{peer} creates")

    def append(self, peer, first, last):
        new = [r.row(i) for i in range(first, last)]
        self.do(peer, "append", r.table(new))
        self.model.update((x["id"], x) for x in new)
        self.step(f"{peer} appends")

    def merge(self, peer, first, last, generation):
        new = [r.row(i, generation) for i in range(first, last)]
        self.do(peer, "merge", r.table(new))
        self.model.update((x["id"], x) for x in new)
        self.step(f"{peer} merges")

    def delete(self, peer, modulus, rest):
        self.do(peer, "delete", f"id % {modulus} = {rest}")
        self.model = {i: x for i, x in self.model.items() if i % modulus != rest}
        self.step(f"{peer} deletes")

    def delete_region(self, peer, region):
        self.do(peer, "delete", f"region = '{region}'")
        self.model = {i: x for i, x in self.model.items() if x["region"] != region}
        self.step(f"{peer} deletes a region")

    def update(self, peer, modulus, rest, word):
        self.do(peer, "update", "word", f"'{word}'", f"id % {modulus} = {rest}")
        for i, x in self.model.items():
            if i % modulus == rest:
                x["word"] = word
        self.step(f"{peer} updates")

    def keep(self, peer, *methods):
        """Steps after which the table holds the same rows."""
        for method in methods:
            self.do(peer, method)
            self.step(f"{peer} {method}s")

    def forget_commits(self):
        """Removes the commits before the newest checkpoint, so that it is what everybody reads."""
        log = os.path.join(self.peers["spark"].work.path(self.name), "_delta_log")
        newest = max(int(os.path.basename(p)[:20]) for p in glob.glob(os.path.join(log, "*.checkpoint*")))
        for p in glob.glob(os.path.join(log, "*.json")):
            name = os.path.basename(p)
            if name[:20].isdigit() and int(name[:20]) < newest and ".checkpoint." not in name:
                os.remove(p)
        self.step(f"commits below {newest} are gone")


def sample(lines):
    return "\n  ".join(["", *sorted(lines)[:3]]) + "\n"


def changes_of_spark(t, n):
    t.append("spark", n, n + 40)
    t.merge("spark", n + 20, n + 60, 1)
    t.delete("spark", 7, 3)
    t.update("spark", 5, 1, "spark was here")
    t.keep("spark", "optimize", "vacuum", "checkpoint")


def changes_of_delta_rs(t, n):
    t.append("delta-rs", n, n + 40)
    t.merge("delta-rs", n + 20, n + 60, 2)
    t.delete("delta-rs", 11, 5)
    t.update("delta-rs", 6, 2, "delta-rs was here")
    t.keep("delta-rs", "optimize", "vacuum", "checkpoint")


def changes_of_weir(t, n):
    t.append("weir", n, n + 40)
    t.merge("weir", n + 20, n + 60, 3)
    t.delete("weir", 13, 2)
    t.update("weir", 9, 4, "weir was here")
    t.keep("weir", "optimize", "checkpoint")


def alternate(t, creator, by, properties=None):
    """A table that all three change in turn, twice."""
    t.create(creator, by, properties)
    t.append(creator, 0, 50)
    for base in (100, 1000):
        changes_of_spark(t, base)
        t.forget_commits()
        changes_of_weir(t, base + 100)
        t.forget_commits()
        changes_of_delta_rs(t, base + 200)
        t.forget_commits()
    changes_of_weir(t, 2000)


SCENARIOS = {
    "of_weir": lambda t: alternate(t, "weir", []),
    "of_weir_by_region_and_slot": lambda t: alternate(t, "weir", ["region", "slot"]),
    "of_spark": lambda t: alternate(t, "spark", []),
    "of_spark_by_slot_and_region": lambda t: alternate(t, "spark", ["slot", "region"]),
    "of_delta_rs": lambda t: alternate(t, "delta-rs", ["region"]),
}
WITHOUT = {}  # readers that say that they do not know a scenario's features


def main():
    work = Work(sys.argv[1])
    chosen = sys.argv[4:] or list(SCENARIOS)
    peers = {"weir": Weir(work, sys.argv[2]), "spark": Spark(work, sys.argv[3]), "delta-rs": DeltaRS(work)}
    steps = 0
    for name in chosen:
        start = time.monotonic()
        print(name, flush=True)
        t = Table(peers, name, WITHOUT.get(name, ()))
        SCENARIOS[name](t)
        steps += t.steps
        print(f"  {t.steps} steps in {time.monotonic() - start:.0f} s", flush=True)
    for p in peers.values():
        p.close()
    print(f"delta interop: {len(chosen)} tables, {steps} steps: all readers agree after each")


if __name__ == "__main__":
    main()
