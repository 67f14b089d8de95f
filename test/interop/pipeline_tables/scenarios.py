"""What pipelines and others do to tables: a scenario each."""

import decimal

import events as e
import pyarrow as pa
from folders import folder
from tables import Case, Running


def hours(lake):
    """Rows of every type, by hours; the pipeline is killed, and writes small files together."""
    c = Case(lake, "hours", e.TYPES, partition_by=["year", "month", "day_of_month", "hour"], columns=e.TYPES + e.HOURS,
             query="SELECT *, year(at) AS year, month(at) AS month, day(at) AS day_of_month, hour(at) AS hour FROM source WHERE id % 3 < 2")
    for n, fault in enumerate((None, "uploaded:1", "sink 0:1", "planned:1")):
        rows = [e.with_hours(x) for x in map(e.row, range(40 * n, 40 * n + 40)) if x["id"] % 3 < 2]
        c.put(map(e.row, range(40 * n, 40 * n + 40)))
        if fault:
            c.run(fault=fault)
        c.run()
        c.add(rows)
        c.check(f"a batch{' that died at ' + fault if fault else ''}")
    c.has_done("CREATE TABLE", "STREAMING UPDATE")


def flat(lake):
    """Rows of every type without partitions, and small files written together."""
    c = Case(lake, "flat", e.TYPES)
    for n in range(20):
        c.put(rows := [e.row(i) for i in range(10 * n, 10 * n + 10)])
        c.add(rows)
    c.run()
    c.check("20 batches")
    c.has_done("OPTIMIZE")


def odd_partitions(lake):
    """Partition values of every type with odd ones among them. An empty text is null."""
    types = [("id", "long", pa.int64())] + [(name, t, a) for name, (t, a, _) in e.ODD.items()]
    c = Case(lake, "odd_partitions", types, partition_by=list(e.ODD))
    for n in range(2):
        c.put(rows := [e.odd_row(i) for i in range(60 * n, 60 * n + 60)])
        c.run()
        c.add([{**x, "s": x["s"] or None} for x in rows])
        c.check("a batch")


SUMS = [("slot", "date", pa.date32()), ("id", "long", pa.int64()), ("n", "long", pa.int64()), ("total", "decimal(38,3)", pa.decimal128(38, 3)), ("newest", "timestamp", pa.timestamp("us", "UTC"))]
SUM = "SELECT slot, id % 40 AS id, count(*) AS n, sum(price) AS total, max(at) AS newest FROM source GROUP BY slot, id % 40"


class Summed(Case):
    """A pipeline that counts and sums by day and a number."""

    def __init__(self, lake, name, mode, **sink):
        super().__init__(lake, name, e.TYPES, query=SUM, columns=SUMS, key=("slot", "id"), mode=mode, **sink)
        self.groups = {}

    def take(self, rows):
        """Rows of a batch, and what the table has of them."""
        self.put(rows)
        changed = set()
        for x in rows:
            key = (x["slot"], x["id"] % 40)
            changed.add(key)
            g = self.groups.setdefault(key, {"slot": key[0], "id": key[1], "n": 0, "total": decimal.Decimal(0), "newest": x["at"]})
            g.update(n=g["n"] + 1, total=g["total"] + x["price"], newest=max(g["newest"], x["at"]))
        if self.spec["sink"]["mode"] == "complete":
            self.model = {k: dict(g) for k, g in self.groups.items()}
        else:
            self.model.update({k: dict(self.groups[k]) for k in changed})


def updated(lake, name, **sink):
    """Groups that are merged into the table; batches are killed on their way."""
    c = Summed(lake, name, "update", **sink)
    for n, fault in enumerate((None, "sink 0:1", "state:1")):
        c.take([e.row(i) for i in range(90 * n, 90 * n + 100)])
        if fault:
            c.run(fault=fault)
        c.run()
        c.check(f"a batch{' that died at ' + fault if fault else ''}")
    for n in range(34):  # after 32 small files are looked for
        c.take([e.row(i) for i in range(300 + 5 * n, 310 + 5 * n)])
    c.run()
    c.check("34 batches")
    c.has_done("MERGE", *(["OPTIMIZE"] if "deletion_vectors" in sink else []))


def complete(lake):
    c = Summed(lake, "complete", "complete")
    for n in range(3):
        c.take([e.row(i) for i in range(90 * n, 90 * n + 100)])
        c.run()
        c.check("a batch")
    c.has_done("STREAMING UPDATE")


def evolved(lake):
    """Fields that come on their way become columns, and fields of structs."""
    c = Case(lake, "evolved", [("id", "long", pa.int64()), ("pair", {"type": "struct", "fields": [e.r.field("a", "long")]}, None)])
    c.spec["source"]["evolve"] = True
    c.batch([{"id": i, "pair": {"a": i}} for i in range(10)])
    c.check("a batch")
    rows = [{"id": i, "pair": {"a": i, "b": "x"}, "more": i / 2, "list": [{"z": i}]} for i in range(10, 20)]
    c.put(rows)
    c.run()
    pair = {"type": "struct", "fields": [e.r.field("a", "long"), e.r.field("b", "string")]}
    item = {"type": "struct", "fields": [e.r.field("z", "long")]}
    c.columns = [c.types[0], ("pair", pair, None), ("more", "double", None), ("list", {"type": "array", "elementType": item, "containsNull": True}, None)]
    c.model = {k: {**x, "pair": {**x["pair"], "b": None}} for k, x in c.model.items()}
    c.add(rows)
    c.check("new fields")


def mapped(lake):
    """A table whose columns get other names in its files on the way."""
    c = Case(lake, "mapped", e.TYPES, partition_by=["region", "slot"])
    c.batch([e.row(i) for i in range(40)])
    lake.peers["weir"].run("table", "set", "lake.mapped", "delta.columnMapping.mode=name")
    c.check("columns are mapped")
    for n in range(1, 36):
        c.put(rows := [e.row(i) for i in range(40 * n, 40 * n + 40)])
        c.add(rows)
    c.run()
    c.check("35 batches")
    c.has_done("STREAMING UPDATE", "OPTIMIZE")


def others(lake, name, **sink):
    """Others append, delete, add columns, write small files together and clean up, while the pipeline rests and while it runs."""
    c = Case(lake, name, e.TYPES, **sink)
    c.batch(next_rows(c))
    for n, peer in enumerate(lake.writers):
        first = 10_000 * (n + 1)
        acts = {
            "appends": lambda: c.append(peer, [e.row(i) for i in range(first, first + 30)]), "deletes": lambda: c.delete(peer, 7, n),
            **({"adds a column": lambda: c.add_column(peer)} if peer != "weir" else {}), "compacts": lambda: c.other(peer, "optimize"), "cleans up": lambda: c.other(peer, "vacuum"),
        }
        for what, act in acts.items():
            act()
            c.batch(next_rows(c))
            c.check(f"{peer} {what}, and a batch")
    with Running(c) as pipeline:
        for n in range(4):
            for m, peer in enumerate(lake.writers):
                first = 100_000 + 10_000 * m + 1000 * n
                acts = [lambda: c.append(peer, [e.row(i) for i in range(first, first + 30)]), lambda: drop(c, peer, id=first + 1), lambda: c.other(peer, "optimize")]
                if n == 2 and peer != "weir":
                    acts.append(lambda: c.add_column(peer))
                for act in acts:
                    c.put(rows := next_rows(c))
                    c.add(rows)
                    act()
        pipeline.wait()
    c.check("others wrote beside the pipeline")


def others_merged(lake, name, **sink):
    """Others change a table into which a pipeline merges groups: what they delete comes back with the group's next change, what they add stays."""
    c = Summed(lake, name, "update", **sink)
    c.take([e.row(i) for i in range(200)])
    c.run()
    for n, peer in enumerate(lake.writers):
        c.append(peer, [group(1000 + n, e.row(i)["slot"]) for i in range(3)])
        c.take([e.row(i) for i in range(200 + 20 * n, 220 + 20 * n)])
        c.run()
        c.check(f"{peer} appends, and a batch")
        drop(c, peer, id=n)
        c.other(peer, "optimize")
        c.take([e.row(i) for i in range(300 + 20 * n, 310 + 20 * n)])
        c.run()
        c.check(f"{peer} deletes groups and compacts, and a batch")
    with Running(c) as pipeline:
        for n in range(3):
            for m, peer in enumerate(lake.writers):
                k = 2000 + 100 * m + n
                acts = [lambda: c.append(peer, [group(k, None), group(k + 50, None)]), lambda: drop(c, peer, id=k + 50)]
                if peer != "spark" or "deletion_vectors" not in sink:
                    # After a conflict Spark looks whether the files that it wrote anew are still there, and not whether rows of them were deleted
                    # by vectors meanwhile: such rows come back.
                    acts.append(lambda: c.other(peer, "optimize"))
                for act in acts:
                    c.take([e.row(i) for i in range(10 * c.batches, 10 * c.batches + 20)])
                    act()
        pipeline.wait()
    c.check("others wrote beside the pipeline")


def group(i, slot):
    return {"slot": slot, "id": i, "n": 1, "total": decimal.Decimal("0.125"), "newest": None}


def next_rows(c):
    return [e.row(i) for i in range(50 * c.batches, 50 * c.batches + 50)]


def drop(c, peer, id):
    c.other(peer, "delete", f"id = {id}")
    c.model = {k: x for k, x in c.model.items() if x["id"] != id}


SCENARIOS = {
    "flat": flat,
    "hours": hours,
    "odd_partitions": odd_partitions,
    "updated": lambda lake: updated(lake, "updated"),
    "updated_by_slot": lambda lake: updated(lake, "updated_by_slot", partition_by=["slot"]),
    "vectors": lambda lake: updated(lake, "vectors", deletion_vectors=True, partition_by=["slot"]),
    "complete": complete,
    "evolved": evolved,
    "mapped": mapped,
    "others": lambda lake: others(lake, "others", partition_by=["region"]),
    "others_merged": lambda lake: others_merged(lake, "others_merged"),
    "others_with_vectors": lambda lake: others_merged(lake, "others_with_vectors", deletion_vectors=True, partition_by=["slot"]),
    "folder": lambda lake: folder(lake, "folder", lake.folder + "/parquet"),
    "folder_in_bucket": lambda lake: folder(lake, "folder_in_bucket", "s3://lake/folder_in_bucket"),
}
