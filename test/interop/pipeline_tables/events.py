"""The records that go into the pipelines' sources, and the rows that the tables must have of them."""

import base64
import datetime
import decimal
import json
import math
import os
import sys

import pyarrow as pa

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "delta"))
import rows as r  # noqa: E402

UTC = datetime.timezone.utc
MORE = [  # columns beyond those of the round trips
    ("wall", "timestamp_ntz", pa.timestamp("us")),
    ("deep", {"type": "array", "containsNull": True, "elementType": {"type": "struct", "fields": [
        r.field("k", "string"), r.field("v", {"type": "array", "elementType": "decimal(9,2)", "containsNull": True}),
        r.field("m", {"type": "map", "keyType": "string", "valueType": {"type": "struct", "fields": [r.field("x", "double")]}, "valueContainsNull": True})]}},
     pa.list_(pa.struct([("k", pa.string()), ("v", pa.list_(pa.decimal128(9, 2))), ("m", pa.map_(pa.string(), pa.struct([("x", pa.float64())])))]))),
]
TYPES = r.TYPES + MORE
HOURS = [(name, "long", pa.int64()) for name in ("year", "month", "day_of_month", "hour")]

# Values of partition columns: each row takes one of each, by its id.
ODD = {
    "s": ("string", pa.string(), ["a b/c=d%e", "süd ☃ 😀", "", None, "'\"\\*?#&+~{}[]^`|<>", " ", "a:b", "__HIVE_DEFAULT_PARTITION__", ".", "..", "a\nb\tc", "x" * 80]),
    "t": ("timestamp", pa.timestamp("us", "UTC"), [datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), datetime.datetime(2024, 2, 29, tzinfo=UTC), None,
                                                   datetime.datetime(2024, 2, 29, 1, 2, 3, 40000, UTC), datetime.datetime(1582, 10, 4, 1, tzinfo=UTC)]),
    "n": ("timestamp_ntz", pa.timestamp("us"), [datetime.datetime(1600, 1, 1), datetime.datetime(2024, 2, 29, 1, 2, 3, 4), None]),
    "d": ("date", pa.date32(), [datetime.date(99, 1, 1), datetime.date(9999, 12, 31), None, datetime.date(2024, 2, 29)]),
    "x": ("decimal(10,3)", pa.decimal128(10, 3), [decimal.Decimal("-0.001"), decimal.Decimal("1234567.891"), None, decimal.Decimal("0.000"), decimal.Decimal("5.100")]),
    "o": ("boolean", pa.bool_(), [True, False, None]),
    "i": ("byte", pa.int8(), [-128, 127, None, 0]),
}


def row(i, generation=0):
    """A row of every type that schemas of pipelines name."""
    g = i + 1000 * generation
    out = r.row(i, generation)
    if g % 17 == 0:
        out["dbl"], out["single"] = math.nan, math.inf
    if g % 19 == 0:
        out["dbl"] = -math.inf
    out["wall"] = datetime.datetime(1899, 12, 31, 23, 59, 59, 999999) + datetime.timedelta(microseconds=g % 5000 * 7654321098765) if g % 8 else None
    out["deep"] = [{"k": r.WORDS[g % 7], "v": [decimal.Decimal(g).scaleb(-2), None], "m": [("ä b", {"x": g / 4}), ("n", None)]}, None][: g % 3] if g % 6 else None
    return out


def odd_row(i):
    out = {"id": i}
    for n, (name, (_, _, values)) in enumerate(ODD.items()):
        out[name] = values[(i + n) % len(values)]
    return out


def with_hours(row):
    at = row["at"]
    return {**row, "year": at.year, "month": at.month, "day_of_month": at.day, "hour": at.hour}


def written(v):
    """A value as JSON has it."""
    if isinstance(v, dict):
        return {k: written(x) for k, x in v.items()}
    if isinstance(v, list):
        if v and all(isinstance(x, tuple) for x in v):
            return {k: written(x) for k, x in v}
        return [written(x) for x in v]
    if isinstance(v, bytes):
        return base64.b64encode(v).decode()
    if isinstance(v, decimal.Decimal):
        return format(v, "f")
    if isinstance(v, datetime.datetime):
        return v.replace(tzinfo=None).isoformat() + ("Z" if v.tzinfo else "")
    if isinstance(v, datetime.date):
        return v.isoformat()
    return v


def record(row):
    maps = [k for k in row if k == "counts" and row[k] == []]  # of no entries, which the model has as a list too
    return json.dumps({**{k: written(v) for k, v in row.items()}, **{k: {} for k in maps}}, ensure_ascii=False)


def struct(types):
    """A StructType in JSON."""
    return json.dumps({"type": "struct", "fields": [r.field(name, t) for name, t, _ in types]})


def arrow(types, rows):
    schema = pa.schema([(name, t) for name, _, t in types])
    return pa.Table.from_pylist([{n: row.get(n) for n in schema.names} for row in rows], schema=schema)


def spec(types):
    """The schema of a pipeline's source."""
    return {name: r.sql_type(t).replace(": ", ":").replace(", ", ",") for name, t, _ in types}
