"""What the round trips do to a table: a scenario each, of which some need a newer Spark than others."""

import collections
import json
import os

import rows as r

Scenario = collections.namedtuple("Scenario", "run spark without", defaults=("3.5", ()))
VECTORS = {"delta.enableDeletionVectors": "true"}


def changes(t, peer, n, generation, delete, update):
    """All kinds of changes by one peer. delete and update are a modulus and a rest each."""
    t.append(peer, n, n + 40)
    t.merge(peer, n + 20, n + 60, generation)
    t.delete(peer, *delete)
    t.update(peer, *update, f"{peer} was here")


def changes_of_spark(t, n, *upkeep):
    changes(t, "spark", n, 1, (7, 3), (5, 1))
    t.keep("spark", *(upkeep or ("optimize", "vacuum", "checkpoint")))


def changes_of_delta_rs(t, n, *upkeep):
    changes(t, "delta-rs", n, 2, (11, 5), (6, 2))
    t.keep("delta-rs", *(upkeep or ("optimize", "vacuum", "checkpoint")))


def changes_of_weir(t, n, *upkeep):
    changes(t, "weir", n, 3, (13, 2), (9, 4))
    t.keep("weir", *(upkeep or ("optimize", "vacuum", "checkpoint")))


def alternate(t, creator, by, properties=None):
    """A table that all three change in turn, and weir again."""
    t.create(creator, by, properties)
    t.append(creator, 0, 50)
    changes_of_spark(t, 100)
    t.forget_commits()
    changes_of_weir(t, 200)
    t.forget_commits()
    changes_of_delta_rs(t, 300)
    t.forget_commits()
    t.merge("weir", 350, 400, 3)


def two(t, properties, by=(), creator="spark", **more):
    """A table with features that delta-rs does not write: changed by Spark and weir in turn."""
    t.create(creator, by, properties, **more)
    t.append(creator, 0, 50)
    changes_of_weir(t, 100)
    t.forget_commits()
    changes_of_spark(t, 200)
    t.forget_commits()
    t.merge("weir", 250, 300, 3)


def mapped(t, creator):
    """Column mapping by name: all three write, but delta-rs does not compact such tables."""
    old = {"delta.minReaderVersion": "2", "delta.minWriterVersion": "5"} if creator == "spark" else {}
    two(t, {"delta.columnMapping.mode": "name", **old}, ["slot"], creator)
    t.append("delta-rs", 400, 440)
    t.merge("delta-rs", 420, 460, 2)
    t.delete("delta-rs", 11, 5)
    t.keep("delta-rs", "vacuum", "checkpoint")
    t.forget_commits()
    changes_of_weir(t, 500)


def mapped_by_id(t):
    """Column mapping by id."""
    two(t, {"delta.columnMapping.mode": "id", "delta.minReaderVersion": "2", "delta.minWriterVersion": "5"}, ["slot"])


def renamed(t):
    """Columns that Spark and weir rename and drop, in a table that got its mapping later."""
    t.create("spark", ["slot"])
    t.append("spark", 0, 50)
    t.append("weir", 50, 100)
    t.do("weir", "alter", properties={"delta.columnMapping.mode": "name"})
    t.step("weir maps columns")
    rename(t, "spark", "word", "wort", lambda: t.peers["spark"].sql(t.name, "ALTER TABLE {t} RENAME COLUMN word TO wort"))
    t.delete("weir", 7, 1)
    rename(t, "weir", "slot", "fach", lambda: t.do("weir", "alter", rename={"slot": "fach"}))
    t.delete("spark", 7, 2)
    drop(t, "weir", "tiny", lambda: t.do("weir", "alter", drop=["tiny"]))
    drop(t, "spark", "raw", lambda: t.peers["spark"].sql(t.name, "ALTER TABLE {t} DROP COLUMN raw"))
    t.travel(2, 4, 6, 8)
    t.keep("weir", "optimize", "checkpoint")
    t.forget_commits()
    t.delete("spark", 7, 3)
    t.keep("spark", "optimize", "vacuum")


def rename(t, peer, name, to, do):
    do()
    schema = json.loads(t.schema)
    next(f for f in schema["fields"] if f["name"] == name)["name"] = to
    t.schema = json.dumps(schema)
    t.model = {i: {to if k == name else k: v for k, v in x.items()} for i, x in t.model.items()}
    t.step(f"{peer} renames {name}")


def drop(t, peer, name, do):
    do()
    schema = json.loads(t.schema)
    schema["fields"] = [f for f in schema["fields"] if f["name"] != name]
    t.schema = json.dumps(schema)
    t.model = {i: {k: v for k, v in x.items() if k != name} for i, x in t.model.items()}
    t.step(f"{peer} drops {name}")


def grown(t):
    """Columns that come with rows: all three merge schemas, in turn."""
    few = ["id", "word", "region"]
    fields = {f["name"]: f for f in json.loads(r.SCHEMA)["fields"]}
    t.create("weir", schema=json.dumps({"type": "struct", "fields": [fields[n] for n in few]}))
    first = 0
    for peer, name in (("weir", "price"), ("spark", "pair"), ("delta-rs", "at"), ("weir", "list"), ("spark", "num"), ("delta-rs", "counts"), ("weir", "raw")):
        few.append(name)
        new = [{n: x[n] for n in few} for x in map(r.row, range(first, first + 30))]
        t.do(peer, "append", r.table(new, few), grow=True)
        t.model = {**{i: {**x, name: None} for i, x in t.model.items()}, **{x["id"]: x for x in new}}
        t.schema = json.dumps({"type": "struct", "fields": [fields[n] for n in few]})
        t.step(f"{peer} adds {name}")
        first += 30
    t.keep("weir", "optimize", "checkpoint")


def with_changes(t, creator):
    """Change data feed: all read the same changes, whoever wrote them. (delta-rs finds no files of changes whose paths have escapes.)"""
    t.create(creator, ["slot"], {"delta.enableChangeDataFeed": "true"})
    t.append(creator, 0, 50)
    for n, peer in ((1, "spark"), (2, "weir"), (3, "delta-rs")):
        t.append(peer, 100 * n, 100 * n + 20)
        t.merge(peer, 100 * n + 10, 100 * n + 30, 4)
        t.delete(peer, 7, n)
        t.delete_slot(peer, r.row(n)["slot"])
        t.update(peer, 5, n, f"{peer} was here")
        t.keep(peer, "optimize")
    compare_changes(t)


def compare_changes(t):
    seen = {p: r.digest([{k: v for k, v in row.items() if k != "_commit_timestamp"} for row in t.do(p, "changes", 1)])[0] for p in t.readers}
    for peer, lines in seen.items():
        if lines != seen["spark"]:
            t.fail("all", f"the changes differ: only Spark reads {sorted(set(seen['spark']) - set(lines))[:3]}\n"
                   f"and only {peer} {sorted(set(lines) - set(seen['spark']))[:3]}")
    print(f"  the same {len(seen['spark'])} changes read by {', '.join(seen)}")


def with_rules(t):
    """Constraints: what Spark demands of rows, weir demands too, and the other way round."""
    t.create("spark", ["slot"])
    t.peers["spark"].sql(t.name, "ALTER TABLE {t} ADD CONSTRAINT small_id CHECK (id < 50000)")
    t.step("spark adds a constraint")
    t.append("weir", 0, 50)
    t.merge("weir", 30, 80, 1)
    t.update("weir", 9, 4, "weir was here")
    t.do("weir", "alter", properties={"delta.constraints.positive": "id >= 0 OR word <=> 'x'"})
    t.step("weir adds a constraint")
    for peer in ("weir", "spark"):
        t.refuses(peer, "small_id", "append", r.table([r.row(50001)]))
        t.refuses(peer, "positive", "append", r.table([r.row(-1)]))
    t.refuses("delta-rs", "1 rows failed validation", "append", r.table([r.row(50001)]))
    t.delete("spark", 3, 1)
    t.append("delta-rs", 100, 120)
    t.keep("weir", "optimize", "checkpoint")
    t.refuses("weir", "small_id", "update", "id", "60000", "id = 6")
    t.refuses("spark", "small_id", "update", "id", "60000", "id = 6")


def with_generated(t, creator):
    """Generated columns, of which one makes the partitions."""
    schema = json.loads(r.SCHEMA)
    schema["fields"] += [r.field("twice", "long"), r.field("month", "integer"), r.field("label", "string")]
    special = {"twice": "id * 2", "month": "month(at)", "label": "concat('n-', cast(id AS STRING))"}
    t.schema = json.dumps(schema)
    if creator == "spark":
        t.do("spark", "build", t.schema, ["month"], {}, special)
    else:
        for f in schema["fields"]:
            if f["name"] in special:
                f["metadata"]["delta.generationExpression"] = special[f["name"]]
        t.do("weir", "create", json.dumps(schema), ["month"], {})
    t.derived = {"twice": lambda x: x["id"] * 2, "month": lambda x: x["at"].month, "label": lambda x: f"n-{x['id']}"}
    t.step(f"{creator} creates")
    t.append("weir", 0, 50)
    t.append("spark", 50, 100)
    t.merge("weir", 80, 120, 1)
    t.merge("spark", 110, 140, 2)
    t.update("weir", 9, 4, "weir was here")
    t.update("spark", 9, 5, "spark was here")
    t.delete("weir", 7, 1)
    t.keep("weir", "optimize", "checkpoint")
    t.forget_commits()
    wrong = [{**r.row(900), "twice": 3}]
    t.refuses("weir", "twice", "append", r.table(wrong, extra=["twice"]))
    t.refuses("spark", "twice", "append", r.table(wrong, extra=["twice"]))


def with_identity(t):
    """Identity columns: numbers that nobody hands out twice."""
    schema = json.loads(r.SCHEMA)
    schema["fields"] += [r.field("up", "long"), r.field("down", "long")]
    t.schema, t.hidden = json.dumps(schema), ("up", "down")
    t.do("spark", "build", t.schema, ["slot"], {}, {"up": [1, 1], "down": [-10, -3]})
    t.step("spark creates")
    for n in range(0, 300, 100):
        t.append("spark", n, n + 40)
        t.append("weir", n + 40, n + 80)
        t.merge("weir", n + 60, n + 90, 1)
        t.merge("spark", n + 80, n + 100, 2)
        t.update("weir", 9, 4, "weir was here")
        t.delete("weir", 7, n // 100)
    t.keep("weir", "optimize", "checkpoint")
    t.forget_commits()
    t.append("weir", 300, 320)
    t.append("spark", 320, 340)
    if any(v < 1 for v in t.held["up"].values()) or any((v + 10) % 3 or v > -10 for v in t.held["down"].values()):
        t.fail("all", "identities that do not follow from start and step")


def with_defaults(t):
    """Columns that take a default if rows lack them."""
    t.create("spark", [], {"delta.feature.allowColumnDefaults": "supported"})
    t.peers["spark"].sql(t.name, "ALTER TABLE {t} ALTER COLUMN word SET DEFAULT 'it\\'s me'", "ALTER TABLE {t} ALTER COLUMN num SET DEFAULT 7 * 6")
    t.step("spark sets defaults")
    few = [n for n, _, _ in r.TYPES if n not in ("word", "num")]
    for peer, first in (("weir", 0), ("spark", 50)):
        new = [{**r.row(i), "word": "it's me", "num": 42} for i in range(first, first + 50)]
        if peer == "spark":
            t.peers["spark"].sql(t.name, f"INSERT INTO {{t}} ({', '.join(few)}) SELECT {', '.join(few)} FROM source", rows=r.table(new, few))
        else:
            t.do(peer, "append", r.table(new, few))
        t.model.update((x["id"], x) for x in new)
        t.step(f"{peer} appends without them")
    changes_of_weir(t, 100)
    changes_of_spark(t, 200)


def tracked(t, vectors):
    """Row tracking: rows keep their ids and the version that changed them last. weir refuses what would write rows anew."""
    t.create("spark", [], {"delta.enableRowTracking": "true", **vectors})
    ids = {}
    changed = lambda *rows: compare_ids(t, ids, rows)
    for n, peer in ((0, "spark"), (200, "weir"), (400, "spark")):
        t.append(peer, n, n + 50)
        changed(*range(n, n + 50))
        if vectors or peer == "spark":
            t.delete(peer, 7, n // 200)
            changed()
        if peer == "spark":
            t.merge(peer, n + 30, n + 80, 1)
            changed(*range(n + 30, n + 80))
            t.update(peer, 9, n // 200, f"{peer} was here")
            changed(*(i for i in t.model if i % 9 == n // 200))
            t.keep(peer, "optimize")
        else:
            t.refuses(peer, "rowTracking", "update", "word", "'x'", "id = 210")
            t.refuses(peer, "rowTracking", "merge", r.table([r.row(210)]))
        t.keep(peer, "vacuum", "checkpoint")
        t.forget_commits()
        changed()


def compare_ids(t, before, changed):
    """Row ids must be the same for both readers and stay what they were; other rows than those that changed keep their commit version."""
    seen = {peer: t.do(peer, "row_ids") for peer in ("spark", "weir")}
    if seen["spark"] != seen["weir"]:
        odd = sorted(i for i in seen["spark"] if seen["spark"][i] != seen["weir"].get(i))[:5]
        t.fail("all", "row ids and versions differ: " + ", ".join(f"row {i} {seen['spark'][i]} for Spark, {seen['weir'].get(i)} for weir" for i in odd))
    now = seen["spark"]
    if len({row for row, _ in now.values()}) != len(now) or set(now) != set(t.model):
        t.fail("all", "rows without an id of their own")
    for i, (row, version) in now.items():
        old = before.get(i)
        if old and (old[0] != row or (old[1] != version) != (i in changed and version == t.version)):
            t.fail("all", f"row {i} had id and version {old} and has {(row, version)} at version {t.version}; {'changed' if i in changed else 'not changed'}")
    before.clear()
    before.update(now)


def clustered(t):
    """Liquid clustering: weir keeps the columns and their statistics, Spark the order."""
    two(t, {}, clustered=("id", "day"))
    domains = [d for v, d in t.actions("domainMetadata") if d["domain"] == "delta.clustering"]
    for v, add in t.actions("add"):
        stats = json.loads(add["stats"])
        if stats["numRecords"] and not ("id" in stats["minValues"] and "day" in stats["maxValues"]):
            t.fail("all", f"a file of version {v} has no statistics of the clustering columns")
    t.peers["spark"].sql(t.name, "ALTER TABLE {t} CLUSTER BY (slot)")
    t.step("spark clusters by another column")
    changes_of_weir(t, 400)
    t.keep("spark", "optimize")
    return domains


def z_ordered(t):
    """Files in Z-order, by each of the three."""
    t.create("weir", ["region"])
    for n, peer in enumerate(("weir", "spark", "delta-rs")):
        t.append(peer, 100 * n, 100 * n + 60)
        t.append(peer, 100 * n + 60, 100 * n + 100)
        t.keep(peer, "zorder", by=["id", "day"])
        t.delete("weir", 17, n)
    t.keep("weir", "zorder", by=["price", "word"])
    t.keep("spark", "zorder", by=["num", "at"])
    t.keep("spark", "vacuum")


def in_commit_timestamps(t):
    """In-commit timestamps: all write them, and agree about the times of versions."""
    t.create("spark", ["slot"])
    t.append("weir", 0, 50)
    t.peers["spark"].sql(t.name, "ALTER TABLE {t} SET TBLPROPERTIES ('delta.enableInCommitTimestamps' = 'true')")
    t.step("spark asks for them")
    changes_of_weir(t, 100)
    changes_of_spark(t, 200)
    changes_of_weir(t, 300)
    written = {v: c["inCommitTimestamp"] for v, c in t.actions("commitInfo") if "inCommitTimestamp" in c}
    for peer in ("spark", "weir"):
        times = t.do(peer, "history")
        if not written or any(times[v] != ms for v, ms in written.items()):
            t.fail("all", f"{peer} has the times {times}, the commits {written}")
    times = [ms for _, ms in sorted(written.items())]
    if times != sorted(set(times)):
        t.fail("all", f"times that do not rise: {written}")


def restored(t):
    """Older versions read, and made the newest again, by all."""
    t.create("spark", ["slot"])
    t.append("spark", 0, 50)
    changes_of_weir(t, 100, "optimize", "checkpoint")
    changes_of_delta_rs(t, 200, "optimize", "checkpoint")
    changes_of_spark(t, 300, "optimize", "checkpoint")
    newest = t.version
    t.travel(*range(0, newest, 2))
    t.restore("weir", 3)
    t.append("spark", 400, 420)
    t.restore("spark", 7)
    t.append("delta-rs", 420, 440)
    t.restore("delta-rs", 10)
    t.restore("weir", newest)
    t.keep("weir", "vacuum")


def log_compactions(t):
    """Log compactions of all writers, read by all: the commits that they stand for are damaged."""
    t.create("spark", ["slot"], {"delta.checkpointInterval": "1000"})
    t.append("spark", 0, 50)
    for n, write in enumerate((lambda a, b: t.do("delta-rs", "compact_log", a, b), lambda a, b: t.do("spark", "compact_log", a, b), None)):
        if write is None:
            t.do("weir", "alter", properties={"weir.logCompactionInterval": "4"})
            t.step("weir compacts its log")
        first = t.version
        for i, peer in enumerate(("weir", "spark", "delta-rs")):
            rows = 1000 * n + 100 * i + 100
            t.append(peer, rows, rows + 20)
            t.delete(peer, 7, n)
            t.merge(peer, rows + 10, rows + 30, n)
        if write:
            write(first, t.version)
        t.append("spark", 1000 * n + 400, 1000 * n + 410)
        damage(t)
    compacted = [p for p in t.log("*.compacted.json")]
    used = [name for name in t.do("spark", "segment") if name.endswith(".compacted.json")]
    if len(compacted) < 4 or len(used) < 3:
        t.fail("all", f"compactions {compacted}, of which Spark reads {used}")
    t.keep("weir", "checkpoint")
    t.keep("spark", "vacuum")


def damage(t):
    """Commits that a log compaction stands for become unreadable, but for the newest, which says when and how it came about."""
    covered = set()
    for p in t.log("*.compacted.json"):
        first, last = (int(n) for n in os.path.basename(p).split(".")[:2])
        covered.update(range(first, last + 1))
    for p in t.commits():
        version = int(os.path.basename(p)[:20])
        if version in covered and version != t.version:
            with open(p, "w") as f:
                f.write("damaged\n")
    t.step("commits below it are damaged")


def sidecars(t, kind):
    """V2 checkpoints with several sidecars."""
    t.create("spark", ["region"], {"delta.checkpointPolicy": "v2"})
    conf = {"spark.databricks.delta.checkpoint.partSize": "3", "spark.databricks.delta.checkpointV2.topLevelFileFormat": kind}
    for n in range(2):
        changes(t, "spark", 1000 * n, 1, (7, 2 * n), (5, 1))
        t.keep("spark", "checkpoint", **conf)
        names = [p for p in t.log("_sidecars/*.parquet")]
        if len(names) < 2 or not t.log(f"*.checkpoint.*.{kind}"):
            t.fail("spark checkpoints", f"sidecars {names}")
        t.forget_commits()
        changes(t, "weir", 1000 * n + 200, 2, (7, 2 * n + 1), (5, 1))
        t.keep("weir", "checkpoint")
        t.forget_commits()


def multi_part(t):
    """Classic checkpoints of several parts."""
    t.create("spark", ["region"])
    for n in range(2):
        changes(t, "spark", 1000 * n, 1, (7, 2 * n), (5, 1))
        t.keep("spark", "checkpoint", **{"spark.databricks.delta.checkpoint.partSize": "3"})
        if len(t.log("*.checkpoint.*.*.parquet")) < 2:
            t.fail("spark checkpoints", "not in parts")
        t.forget_commits()
        changes(t, "weir", 1000 * n + 200, 2, (7, 2 * n + 1), (5, 1))


def widened(t, steps):
    """Columns whose types are widened after all had written to them."""
    t.create("spark", [], {"delta.enableTypeWidening": "true"})
    t.append("spark", 0, 50)
    t.append("weir", 50, 100)
    schema = json.loads(t.schema)
    for peer, name, to in steps:
        if peer == "spark":
            t.peers["spark"].sql(t.name, f"ALTER TABLE {{t}} CHANGE COLUMN {name} TYPE {r.sql_type(to)}")
        field = next(f for f in schema["fields"] if f["name"] == name)
        field["type"] = to
        if to == "double":
            t.derived[name] = lambda x, name=name: None if x[name] is None else float(x[name])
        t.schema = json.dumps(schema)
        if peer == "weir":
            t.do("weir", "alter", schema=t.schema)
        t.step(f"{peer} widens {name} to {to}")
    t.keep("spark", "checkpoint")
    t.forget_commits()
    t.append("weir", 100, 150)
    t.merge("weir", 140, 180, 1)
    t.delete("weir", 7, 1)
    t.keep("weir", "optimize", "checkpoint")
    t.forget_commits()
    t.append("spark", 180, 190)
    t.merge("spark", 150, 200, 2)
    t.keep("spark", "optimize")


def variant(t):
    """A type that weir does not have: refused by its name."""
    t.peers["spark"].sql(t.name, "CREATE TABLE {t} (id BIGINT, v VARIANT) USING delta", "INSERT INTO {t} SELECT 1, parse_json('{{\"a\": 1}}')")
    t.refuses("weir", "variantType", "read")
    t.refuses("weir", "variantType", "append", r.table([r.row(1)], ["id"]))


SCENARIOS = {
    "of_weir": Scenario(lambda t: alternate(t, "weir", [])),
    "of_weir_by_region_and_slot": Scenario(lambda t: alternate(t, "weir", ["region", "slot"])),
    "of_spark_by_slot_and_region": Scenario(lambda t: alternate(t, "spark", ["slot", "region"])),
    "of_delta_rs": Scenario(lambda t: alternate(t, "delta-rs", ["region"])),
    "deletion_vectors": Scenario(lambda t: two(t, VECTORS)),
    "deletion_vectors_by_region": Scenario(lambda t: two(t, VECTORS, ["region"])),
    "vectors_of_weir": Scenario(lambda t: two(t, VECTORS, ["slot"], "weir")),
    "mapped_by_spark": Scenario(lambda t: mapped(t, "spark")),
    "mapped_by_weir": Scenario(lambda t: mapped(t, "weir")),
    "mapped_by_id": Scenario(mapped_by_id),
    "renamed": Scenario(renamed),
    "grown": Scenario(grown),
    "v2_checkpoint": Scenario(lambda t: alternate(t, "spark", [], {"delta.checkpointPolicy": "v2"})),
    "v2_checkpoint_of_weir": Scenario(lambda t: alternate(t, "weir", [], {"delta.checkpointPolicy": "v2"})),
    "v2_checkpoint_with_vectors": Scenario(lambda t: two(t, {"delta.checkpointPolicy": "v2", **VECTORS})),
    "sidecars_json": Scenario(lambda t: sidecars(t, "json")),
    "sidecars_parquet": Scenario(lambda t: sidecars(t, "parquet")),
    "multi_part_checkpoint": Scenario(multi_part),
    "restored": Scenario(restored),
    "z_ordered": Scenario(z_ordered),
    "in_commit_timestamps_preview": Scenario(lambda t: two(t, {"delta.enableInCommitTimestamps-preview": "true"})),
    "clustered": Scenario(clustered),
    "changes_of_spark": Scenario(lambda t: with_changes(t, "spark")),
    "changes_of_weir": Scenario(lambda t: with_changes(t, "weir")),
    "rules": Scenario(with_rules),
    "defaults": Scenario(with_defaults, without=("delta-rs",)),
    "generated": Scenario(lambda t: with_generated(t, "spark")),
    "generated_of_weir": Scenario(lambda t: with_generated(t, "weir")),
    "type_widening_preview": Scenario(lambda t: widened(t, [("spark", "tiny", "short"), ("spark", "small", "integer"), ("spark", "tiny", "integer")]), without=("delta-rs",)),
    "of_spark_4": Scenario(lambda t: alternate(t, "spark", ["region"]), "4.0"),
    "vectors_of_spark_4": Scenario(lambda t: two(t, VECTORS, ["slot"]), "4.0"),
    "log_compactions": Scenario(log_compactions, "4.0"),
    "identity": Scenario(with_identity, "4.0"),
    "in_commit_timestamps": Scenario(in_commit_timestamps, "4.0"),
    "row_tracking": Scenario(lambda t: tracked(t, {}), "4.0"),
    "row_tracking_with_vectors": Scenario(lambda t: tracked(t, VECTORS), "4.0"),
    "type_widening": Scenario(lambda t: widened(t, [
        ("spark", "tiny", "short"), ("weir", "small", "integer"), ("spark", "num", "long"), ("weir", "tiny", "integer"), ("spark", "single", "double"),
        ("weir", "price", "decimal(20,5)"), ("spark", "price", "decimal(24,7)"), ("weir", "small", "double")]), "4.0", ("delta-rs",)),
    "clustered_by_spark_4": Scenario(clustered, "4.0"),
    "variant": Scenario(variant, "4.0"),
}
CORE = ["of_weir_by_region_and_slot", "deletion_vectors_by_region", "changes_of_weir"]
