"""Scenarios about columns: their names, types and values, and what rows must fulfil."""

import json

import rows as r
from turns import changes_of_spark, changes_of_weir, two


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


def with_lengths(t):
    """Columns char(n) and varchar(n): blanks fill the one up, whoever wrote it, and no text is longer than it may be."""
    schema = json.loads(r.SCHEMA)
    for f in schema["fields"]:
        f["type"] = {"region": "char(10)", "word": "varchar(60)"}.get(f["name"], f["type"])
    t.do("spark", "create", json.dumps(schema), ["slot"], {})
    t.derived["region"] = lambda x: x["region"] and x["region"].ljust(10)
    t.schema, t.readers = r.SCHEMA, ["weir", "spark"]
    t.step("spark creates")
    for n, peer in enumerate(("weir", "spark", "delta-rs")):
        t.append(peer, 100 * n, 100 * n + 50)
        t.merge(peer, 100 * n + 40, 100 * n + 60, n)
        t.keep(peer, "optimize", "checkpoint")
    for peer, region in (("weir", "north"), ("spark", "süd   ")):
        t.do(peer, "delete", f"region = '{region}' AND id % 3 = 0")
        t.model = {i: x for i, x in t.model.items() if x["region"] != region.strip() or i % 3}
        t.step(f"{peer} deletes by region")
        t.refuses(peer, {"weir": "longer than", "spark": "LIMIT"}[peer], "append", r.table([{**r.row(1), "region": "x" * 11}]))
        t.refuses(peer, {"weir": "longer than", "spark": "LIMIT"}[peer], "update", "word", "'" + "x" * 61 + "'", "id = 1")
    changes_of_weir(t, 400)
    changes_of_spark(t, 500)


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
