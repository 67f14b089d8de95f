"""Round trips of tables between weir, Spark with delta-spark, and delta-rs. One table at a time is created by one of them and then
changed by all in turn. After each step every one of them reads it: rows and schema must be those of the model, which is a
dict in this program. usage: round_trips.py WORK PEER SPARK_PYTHON [SCENARIO…]"""

import glob
import json
import os
import sys
import time

import rows as r
from peers import DeltaRS, Refused, Spark, Weir, Work, sql_type


ROUNDS = int(os.environ.get("ROUNDS", "1"))


class Failed(Exception):
    """A reader saw something else than it should, or an operation was refused."""


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
        raise Failed(f"{self.name}: after {what}:\n{why}")

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
    t.keep("weir", "optimize", "vacuum", "checkpoint")


def alternate(t, creator, by, properties=None):
    """A table that all three change in turn, twice."""
    t.create(creator, by, properties)
    t.append(creator, 0, 50)
    for base in range(100, 100 + 1000 * ROUNDS, 1000):
        changes_of_spark(t, base)
        t.forget_commits()
        changes_of_weir(t, base + 100)
        t.forget_commits()
        changes_of_delta_rs(t, base + 200)
        t.forget_commits()
    changes_of_weir(t, 5000)


def two(t, properties, by=(), creator="spark"):
    """A table with features that delta-rs does not write: changed by Spark and weir in turn."""
    t.create(creator, by, properties)
    t.append(creator, 0, 50)
    changes_of_weir(t, 100)
    t.forget_commits()
    changes_of_spark(t, 200)
    t.forget_commits()
    changes_of_weir(t, 300)


def mapped(t, creator):
    """Column mapping: all three write, but delta-rs does not compact such tables."""
    two(t, {"delta.columnMapping.mode": "name", **({"delta.minReaderVersion": "2", "delta.minWriterVersion": "5"} if creator == "spark" else {})},
        ["slot"], creator)
    t.append("delta-rs", 400, 440)
    t.merge("delta-rs", 420, 460, 2)
    t.delete("delta-rs", 11, 5)
    t.keep("delta-rs", "vacuum", "checkpoint")
    t.forget_commits()
    changes_of_weir(t, 500)


def with_changes(t, creator):
    """Change data feed: weir and Spark read the same changes, whoever wrote them."""
    t.create(creator, ["region"], {"delta.enableChangeDataFeed": "true"})
    t.append(creator, 0, 50)
    for base, peer in ((100, "spark"), (200, "weir"), (300, "delta-rs")):
        t.append(peer, base, base + 20)
        t.merge(peer, base + 10, base + 30, 4)
        t.delete(peer, 7, base // 100)
        t.update(peer, 5, base // 100, f"{peer} was here")
    theirs, ours = (
        r.digest([{k: v for k, v in row.items() if k != "_commit_timestamp"} for row in t.peers[p].changes(t.name, 1)])[0] for p in ("spark", "weir"))
    if theirs != ours:
        t.fail("all", f"the changes differ: only Spark reads {sample(set(theirs) - set(ours))} and only weir {sample(set(ours) - set(theirs))}")
    print(f"  the same {len(ours)} changes read by both")


def with_rules(t):
    """Constraints and a generated column: what Spark demands of rows, weir demands too."""
    t.peers["spark"].create_generated(t.name, r.SCHEMA, "twice", "bigint", "id * 2")
    t.peers["spark"].sql(t.name, "ALTER TABLE {t} ADD CONSTRAINT small_id CHECK (id < 50000)")
    schema = json.loads(r.SCHEMA)
    schema["fields"].append(r.field("twice", "long"))
    t.schema = json.dumps(schema)
    t.expected = lambda: [{**x, "twice": x["id"] * 2} for x in t.model.values()]
    t.step("spark creates")
    t.append("weir", 0, 50)
    t.merge("weir", 30, 80, 1)
    t.update("weir", 9, 4, "weir was here")
    try:
        t.peers["weir"].append(t.name, r.table([r.row(50001)]))
    except Refused:
        t.step("weir refuses a row")
    else:
        t.fail("weir appends", "a row that breaks the constraint was taken")
    t.delete("spark", 3, 1)
    t.keep("weir", "optimize", "checkpoint")


def tracked(t):
    """Row tracking: rows that weir appends get ids of their own, and rows that it deletes by vector leave the others theirs."""
    t.create("spark", [], {"delta.enableRowTracking": "true", **VECTORS})
    t.append("spark", 0, 50)
    t.append("weir", 50, 100)
    t.merge("spark", 80, 120, 1)
    t.delete("weir", 7, 1)
    t.append("weir", 120, 150)
    t.keep("weir", "checkpoint")
    t.forget_commits()
    t.keep("spark", "optimize", "vacuum")
    ids = t.peers["spark"].sql(t.name, "SELECT count(*) AS n, count(DISTINCT _metadata.row_id) AS ids FROM {t}")[0]
    if ids != {"n": len(t.model), "ids": len(t.model)}:
        t.fail("all", f"row ids: {ids}, for {len(t.model)} rows")


def only_read(t, clause, feature):
    """A table with a feature that weir reads, and refuses to write by its name."""
    t.schema = r.SCHEMA
    columns = ", ".join(f"`{f['name']}` {sql_type(f['type'])}" for f in json.loads(r.SCHEMA)["fields"])
    t.peers["spark"].sql(t.name, f"CREATE TABLE {{t}} ({columns}) USING delta {clause}")
    t.step("spark creates")
    changes_of_spark(t, 0)
    t.forget_commits()
    t.append("spark", 200, 250)
    try:
        t.peers["weir"].append(t.name, r.table([r.row(1000)]))
    except Refused as e:
        if feature not in str(e):
            t.fail("weir appends", f"refused, but not for {feature}: {e}")
        t.step("weir refuses to write")
    else:
        t.fail("weir appends", f"a table with {feature} was written to")


def widened(t):
    """Columns whose types Spark widened after weir and Spark had written to them."""
    t.create("spark", [], {"delta.enableTypeWidening": "true"})
    t.append("spark", 0, 50)
    t.append("weir", 50, 100)
    schema = json.loads(t.schema)
    for name, to in (("tiny", "short"), ("small", "integer"), ("num", "long"), ("tiny", "integer")):
        if t.peers["spark"].sql(t.name, f"ALTER TABLE {{t}} CHANGE COLUMN {name} TYPE {sql_type(to)}"):
            pass
        next(f for f in schema["fields"] if f["name"] == name)["type"] = to
        t.schema = json.dumps(schema)
        t.step(f"spark widens {name} to {to}")
    t.keep("spark", "checkpoint")
    t.forget_commits()
    t.append("weir", 100, 150)
    t.delete("weir", 7, 1)
    t.keep("weir", "optimize", "checkpoint")
    t.append("spark", 150, 160)


VECTORS = {"delta.enableDeletionVectors": "true"}
SCENARIOS = {
    "of_weir": lambda t: alternate(t, "weir", []),
    "of_weir_by_region_and_slot": lambda t: alternate(t, "weir", ["region", "slot"]),
    "of_spark_by_slot_and_region": lambda t: alternate(t, "spark", ["slot", "region"]),
    "of_delta_rs": lambda t: alternate(t, "delta-rs", ["region"]),
    "deletion_vectors": lambda t: two(t, VECTORS),
    "deletion_vectors_by_region": lambda t: two(t, VECTORS, ["region"]),
    "vectors_of_weir": lambda t: two(t, VECTORS, ["slot"], "weir"),
    "mapped_by_spark": lambda t: mapped(t, "spark"),
    "mapped_by_weir": lambda t: mapped(t, "weir"),
    "v2_checkpoint": lambda t: alternate(t, "spark", [], {"delta.checkpointPolicy": "v2"}),
    "v2_checkpoint_of_weir": lambda t: alternate(t, "weir", [], {"delta.checkpointPolicy": "v2"}),
    "v2_checkpoint_with_vectors": lambda t: two(t, {"delta.checkpointPolicy": "v2", **VECTORS}),
    "in_commit_timestamps": lambda t: only_read(t, "TBLPROPERTIES ('delta.enableInCommitTimestamps-preview' = 'true')", "inCommitTimestamp-preview"),
    "row_tracking": tracked,
    "clustered": lambda t: only_read(t, "CLUSTER BY (id, day)", "clustering"),
    "changes_of_spark": lambda t: with_changes(t, "spark"),
    "changes_of_weir": lambda t: with_changes(t, "weir"),
    "rules": with_rules,
    "type_widening": widened,
}
# Readers that say that they do not know a feature of the scenario's tables.
WITHOUT = {name: ("delta-rs",) for name in ("deletion_vectors", "deletion_vectors_by_region", "vectors_of_weir", "v2_checkpoint_with_vectors",
                                            "row_tracking", "type_widening", "in_commit_timestamps_of_weir", "clustered")}


def main():
    work = Work(sys.argv[1])
    chosen = sys.argv[4:] or list(SCENARIOS)
    peers = {"weir": Weir(work, sys.argv[2]), "spark": Spark(work, sys.argv[3]), "delta-rs": DeltaRS(work)}
    steps, failed = 0, []
    for name in chosen:
        start = time.monotonic()
        print(name, flush=True)
        t = Table(peers, name, WITHOUT.get(name, ()))
        try:
            SCENARIOS[name](t)
        except (Failed, Refused) as e:
            print(f"  FAILED {e}", flush=True)
            failed.append(name)
        steps += t.steps
        print(f"  {t.steps} steps in {time.monotonic() - start:.0f} s", flush=True)
    for p in peers.values():
        p.close()
    if failed:
        raise SystemExit(f"delta interop: {len(failed)} of {len(chosen)} tables failed: {', '.join(failed)}")
    print(f"delta interop: {len(chosen)} tables, {steps} steps: all readers agree after each")


if __name__ == "__main__":
    main()
