"""Rows of every type that the three implementations share, and the form in which rows and schemas are compared."""

import datetime
import decimal
import hashlib
import json
import math

import pyarrow as pa


def field(name, type):
    return {"name": name, "type": type, "nullable": True, "metadata": {}}


TYPES = [
    ("id", "long", pa.int64()),
    ("flag", "boolean", pa.bool_()),
    ("tiny", "byte", pa.int8()),
    ("small", "short", pa.int16()),
    ("num", "integer", pa.int32()),
    ("single", "float", pa.float32()),
    ("dbl", "double", pa.float64()),
    ("price", "decimal(12,3)", pa.decimal128(12, 3)),
    ("wide", "decimal(38,10)", pa.decimal128(38, 10)),
    ("word", "string", pa.string()),
    ("raw", "binary", pa.binary()),
    ("day", "date", pa.date32()),
    ("at", "timestamp", pa.timestamp("us", "UTC")),
    ("pair", {"type": "struct", "fields": [field("a", "integer"), field("b", "string")]}, pa.struct([("a", pa.int32()), ("b", pa.string())])),
    ("list", {"type": "array", "elementType": "string", "containsNull": True}, pa.list_(pa.string())),
    ("counts", {"type": "map", "keyType": "string", "valueType": "integer", "valueContainsNull": True}, pa.map_(pa.string(), pa.int32())),
    ("region", "string", pa.string()),
    ("slot", "date", pa.date32()),
]
SCHEMA = json.dumps({"type": "struct", "fields": [field(name, t) for name, t, _ in TYPES]})
ARROW = pa.schema([(name, t) for name, _, t in TYPES])

WORDS = ["Ann", "", "o'Neill", "naïve ☃ 😀", "a\tb\nc", "x" * 60, "%41=/:", None]
REGIONS = ["north", "a b/c=d%e", "süd", None]


def row(i, generation=0):
    """The i-th row; a later generation of it differs in some columns."""
    g = i + 1000 * generation
    return {
        "id": i, "flag": None if g % 5 == 0 else g % 2 == 0, "tiny": g % 256 - 128, "small": g * 7 % 65536 - 32768,
        "num": None if g % 11 == 0 else g * 1000003 % 2**32 - 2**31, "single": g / 8 if g % 9 else None,
        "dbl": [math.pi * g, -0.0, 1e300, None][g % 4], "price": decimal.Decimal(g * 12345 % 10**9).scaleb(-3),
        "wide": decimal.Decimal(g * 987654321987654321).scaleb(-10) if g % 6 else None, "word": WORDS[g % len(WORDS)],
        "raw": bytes([g % 256, 0, 255]) if g % 3 else None, "day": datetime.date(1969, 12, 20) + datetime.timedelta(days=g * 37 % 30000),
        "at": datetime.datetime(1999, 12, 31, 23, 59, 59, 999999, datetime.timezone.utc) + datetime.timedelta(microseconds=g * 1234567890123),
        "pair": {"a": g, "b": WORDS[g % 7]} if g % 4 else None, "list": [WORDS[g % 7], None][: g % 3] if g % 10 else None,
        "counts": [(f"k{g % 3}", g), ("none", None)][: g % 3] if g % 7 else None,
        "region": REGIONS[i % len(REGIONS)], "slot": datetime.date(2024, 2, 28) + datetime.timedelta(days=i % 3) if i % 13 else None,
    }


def table(rows, names=None, extra=()):
    """Rows as an Arrow table, of all columns or those of names, and extra ones of 64 bits."""
    schema = ARROW if names is None else pa.schema([ARROW.field(n) for n in names])
    for name in extra:
        schema = schema.append(pa.field(name, pa.int64()))
    return pa.Table.from_pylist([{n: r[n] for n in schema.names} for r in rows], schema=schema)


def plain(v):
    """A value in a form that does not depend on who read it."""
    if isinstance(v, dict):
        return {k.lower(): plain(x) for k, x in v.items()}
    if isinstance(v, (list, tuple)):
        if v and all(isinstance(x, tuple) for x in v):  # a map
            return sorted([plain(k), plain(x)] for k, x in v)
        return [plain(x) for x in v]
    if isinstance(v, bytes):
        return "0x" + v.hex()
    if isinstance(v, datetime.datetime):
        return v.astimezone(datetime.timezone.utc).replace(tzinfo=None).isoformat() if v.tzinfo else v.isoformat()
    if isinstance(v, (datetime.date, datetime.time)):
        return v.isoformat()
    if isinstance(v, decimal.Decimal):
        return format(v.normalize(), "f") if v else "0"
    if isinstance(v, float):
        return repr(v)
    return v


def digest(rows):
    """The sorted rows, and a short digest of them."""
    lines = sorted(json.dumps(plain(r), sort_keys=True, ensure_ascii=False) for r in rows)
    return lines, hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def plain_type(t):
    if isinstance(t, str):
        return t.replace(" ", "")
    if t["type"] == "struct":
        return ["struct", [[f["name"], plain_type(f["type"]), f["nullable"]] for f in t["fields"]]]
    if t["type"] == "array":
        return ["array", plain_type(t["elementType"]), t["containsNull"]]
    if t["type"] == "map":
        return ["map", plain_type(t["keyType"]), plain_type(t["valueType"]), t["valueContainsNull"]]
    return plain_type(t["type"])


def plain_schema(text):
    """Names, types and nullability of a StructType in JSON."""
    return json.dumps(plain_type(json.loads(text)), ensure_ascii=False)


def sql_type(t):
    """A type of a StructType in JSON as Spark's SQL has it."""
    if isinstance(t, str):
        return {"long": "bigint", "integer": "int", "short": "smallint", "byte": "tinyint"}.get(t, t)
    if t["type"] == "struct":
        return "struct<" + ", ".join(f"{f['name']}: {sql_type(f['type'])}" for f in t["fields"]) + ">"
    if t["type"] == "array":
        return f"array<{sql_type(t['elementType'])}>"
    return f"map<{sql_type(t['keyType'])}, {sql_type(t['valueType'])}>"
