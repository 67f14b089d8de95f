"""The queries that weir and Spark run over the same files, one file a micro-batch. Where the dialects differ, a case has one text for each."""

import json
import random

START = 1767225600  # 2026-01-01T00:00:00Z
EVENT = "id BIGINT, k STRING, g INT, v DOUBLE, d DECIMAL(10,2), ts TIMESTAMP, flag BOOLEAN, tags ARRAY<STRING>, s STRUCT<a:INT,b:STRING>, m MAP<STRING,INT>"


def iso(seconds):
    import datetime

    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def events(seed, batches=6, rows=30, step=900, late=2400):
    """Batches of events: event time goes on by step seconds a batch, some events are up to late seconds late, some fields are null,
    some events come twice."""
    rng = random.Random(seed)
    out, n = [], 0
    for b in range(batches):
        lines = []
        for _ in range(rows):
            t = START + b * step + rng.randrange(step)
            if rng.random() < 0.15:
                t -= rng.randrange(late)
            e = {
                "id": n, "k": rng.choice("abcd"), "g": rng.randrange(5), "v": rng.randrange(1000) / 8, "d": "%.2f" % (rng.randrange(100000) / 100),
                "ts": iso(t), "flag": rng.random() < 0.5, "tags": [rng.choice("xyz") for _ in range(rng.randrange(3))],
                "s": {"a": rng.randrange(9), "b": rng.choice(["p", "q"])}, "m": {rng.choice("uv"): rng.randrange(9)},
            }
            for f in ("k", "v", "flag", "tags", "s", "d"):
                if rng.random() < 0.07:
                    e[f] = None
            n += 1
            lines.append(json.dumps(e))
            if rng.random() < 0.08:
                lines.append(lines[rng.randrange(len(lines))])
        out.append(lines)
    return out


def source(seed=1, schema=EVENT, watermark=("ts", "10 minutes"), lines=None, **more):
    return dict(schema=schema, watermark=watermark, batches=lines if lines is not None else events(seed), **more)


CASES = []


def case(name, sql, mode="append", sources=None, spark=None, refused=False, **more):
    CASES.append(dict(name=name, sql=sql, spark=spark or sql, mode=mode, sources=sources or {"source": source()}, refused=refused, **more))


W10 = "window(ts, '10 minutes')"
W10S5 = "window(ts, '10 minutes', '5 minutes')"

# Row by row.
case("projection", "SELECT id, k, v * 2 AS v2 FROM source")
case("filter", "SELECT id FROM source WHERE v > 50 AND k = 'a'")
case("null-logic", "SELECT id, k IS NULL AS nk, coalesce(k, '?') AS k2, CASE WHEN flag THEN 1 ELSE 0 END AS f FROM source")
case("decimals", "SELECT id, d, d + CAST(1 AS DECIMAL(10,2)) AS e FROM source")
case("dates", "SELECT id, year(ts) AS y, month(ts) AS mo, day(ts) AS dd, hour(ts) AS h, minute(ts) AS mi FROM source")
case("nested", "SELECT id, s.a AS a, s.b AS b FROM source WHERE s.a > 3")
case("arrays", "SELECT id, cardinality(tags) AS n FROM source WHERE tags IS NOT NULL", spark="SELECT id, size(tags) AS n FROM source WHERE tags IS NOT NULL")
case("unnest", "SELECT id, t FROM source CROSS JOIN UNNEST(tags) AS u(t)", spark="SELECT id, t FROM source LATERAL VIEW explode(tags) u AS t")
case("text", "SELECT id, upper(k) AS u, concat(k, '-', CAST(g AS VARCHAR)) AS c FROM source", spark="SELECT id, upper(k) AS u, concat(k, '-', CAST(g AS STRING)) AS c FROM source")
case("in-list", "SELECT id FROM source WHERE k IN ('a', 'c') AND g BETWEEN 1 AND 3")
case("union", "SELECT id, k FROM source WHERE g = 1 UNION ALL SELECT id, k FROM source WHERE g = 2")
case("cte", "WITH x AS (SELECT id, v FROM source WHERE v IS NOT NULL) SELECT id, v FROM x WHERE v < 20")
case("whole-structs", "SELECT id, s, tags FROM source")
case("projection-update", "SELECT id, k FROM source", mode="update")

# Aggregates.
for mode in ("append", "update", "complete"):
    case("tumbling-count-" + mode, f"SELECT window, count(*) AS n FROM source GROUP BY {W10}", mode=mode)
    case("tumbling-by-key-" + mode, f"SELECT window, k, count(*) AS n, sum(v) AS sv, min(g) AS lo, max(g) AS hi FROM source GROUP BY {W10}, k", mode=mode)
    case("sliding-" + mode, f"SELECT window, count(*) AS n, avg(v) AS a FROM source GROUP BY {W10S5}", mode=mode)
case("hopping-with-gap", "SELECT window, count(*) AS n FROM source GROUP BY window(ts, '12 minutes', '4 minutes'), g")
case("offset-window", "SELECT window, count(*) AS n FROM source GROUP BY window(ts, '10 minutes', '10 minutes', '3 minutes')")
case("window-fields", f"SELECT window.start AS a, window.end AS b, sum(g) AS s FROM source GROUP BY {W10}", spark=f"SELECT window.start AS a, window.end AS b, sum(g) AS s FROM source GROUP BY {W10}")
case("count-column", f"SELECT window, count(k) AS n, count(flag) AS f FROM source GROUP BY {W10}")
case("sum-decimal", f"SELECT window, sum(d) AS sd FROM source GROUP BY {W10}", mode="update")
case("avg-by-key", f"SELECT window, g, avg(v) AS av FROM source GROUP BY {W10}, g", mode="update")
case("update-without-keys", f"SELECT window, avg(v) AS av FROM source GROUP BY {W10}, g", mode="update")
case("min-max-text", f"SELECT window, min(k) AS lo, max(k) AS hi FROM source GROUP BY {W10}")
case("min-max-time", f"SELECT window, min(ts) AS lo, max(ts) AS hi FROM source GROUP BY {W10}, flag")
case("variance", f"SELECT window, var_samp(v) AS vs, stddev_pop(v) AS sp FROM source GROUP BY {W10}", mode="update")
case("bool-agg", f"SELECT window, bool_and(flag) AS ba, bool_or(flag) AS bo FROM source GROUP BY {W10}, k")
case("filtered-agg", f"SELECT window, count(*) FILTER (WHERE v > 50) AS n FROM source GROUP BY {W10}", mode="update")
case("case-agg", f"SELECT window, sum(CASE WHEN flag THEN v ELSE 0 END) AS s FROM source GROUP BY {W10}")
case("having", f"SELECT window, k, count(*) AS n FROM source GROUP BY {W10}, k HAVING count(*) > 2")
case("where-agg", f"SELECT window, count(*) AS n FROM source WHERE k = 'b' GROUP BY {W10}")
case("expression-keys", f"SELECT window, g % 2 AS odd, count(*) AS n FROM source GROUP BY {W10}, g % 2")
case("expression-of-agg", f"SELECT window, sum(g) * 10 + count(*) AS x FROM source GROUP BY {W10}")
case("key-only-update", "SELECT k, count(*) AS n, sum(v) AS s FROM source GROUP BY k", mode="update")
case("key-only-complete", "SELECT k, count(*) AS n, max(v) AS s FROM source GROUP BY k", mode="complete")
case("no-keys-complete", "SELECT count(*) AS n, sum(g) AS s FROM source", mode="complete")
case("no-keys-update", "SELECT count(*) AS n FROM source", mode="update")
case("order-complete", "SELECT k, count(*) AS n FROM source GROUP BY k ORDER BY n DESC, k LIMIT 2", mode="complete")
case("two-keys-null", "SELECT k, flag, count(*) AS n FROM source GROUP BY k, flag", mode="complete")
case("max-by", f"SELECT window, max_by(id, id) AS x FROM source GROUP BY {W10}")
case("group-by-time", "SELECT ts, count(*) AS n FROM source GROUP BY ts")
case("no-watermark-update", f"SELECT window, count(*) AS n FROM source GROUP BY {W10}", mode="update", sources={"source": source(watermark=None)})
case("no-watermark-complete", f"SELECT window, count(*) AS n FROM source GROUP BY {W10}", mode="complete", sources={"source": source(watermark=None)})
case("zero-delay", f"SELECT window, count(*) AS n FROM source GROUP BY {W10}", sources={"source": source(watermark=("ts", "0 seconds"))})
case("long-delay", f"SELECT window, count(*) AS n FROM source GROUP BY {W10}", sources={"source": source(watermark=("ts", "1 hour"))})
case("very-late", f"SELECT window, count(*) AS n FROM source GROUP BY {W10}", sources={"source": source(lines=events(7, late=7200))})
case("empty-batches", f"SELECT window, count(*) AS n FROM source GROUP BY {W10}", sources={"source": source(lines=[events(3)[0], [""], events(3)[2], [""], events(3)[4]])})

# Sessions.
case("session", "SELECT session_window, count(*) AS n FROM source GROUP BY session_window(ts, '1 minute')")
case("session-by-key", "SELECT session_window, k, count(*) AS n, sum(g) AS s FROM source GROUP BY session_window(ts, '3 minutes'), k")
case("session-complete", "SELECT session_window, k, count(*) AS n FROM source GROUP BY session_window(ts, '3 minutes'), k", mode="complete")

# Distinct and duplicates.
case("distinct-update", "SELECT DISTINCT k, g FROM source", mode="update")
case("distinct-time", "SELECT DISTINCT ts, k FROM source")
case("dedup-event-time", "SELECT id, k, ts FROM source", sources={"source": source(deduplicate=dict(columns=["id", "ts"]))})
case("dedup-within", "SELECT id, ts FROM source", sources={"source": source(deduplicate=dict(columns=["id"], within_watermark=True))})
case("dedup-no-watermark", "SELECT id FROM source", sources={"source": source(watermark=None, deduplicate=dict(columns=["id"]))})
case("dedup-then-window", f"SELECT window, count(*) AS n FROM source GROUP BY {W10}", sources={"source": source(deduplicate=dict(columns=["id", "ts"]))})

# Joins of streams.
two = lambda: {"l": source(11), "r": source(12)}
BOUND = "l.g = r.g AND r.ts BETWEEN l.ts - INTERVAL '2' MINUTE AND l.ts + INTERVAL '3' MINUTE"
for kind in ("INNER", "LEFT", "RIGHT", "FULL"):
    case("join-" + kind.lower(), f"SELECT l.id AS a, r.id AS b FROM l {kind} JOIN r ON {BOUND}", sources=two())
case("join-keys-only", "SELECT l.id AS a, r.id AS b FROM l JOIN r ON l.id = r.id", sources={"l": source(11, watermark=None), "r": source(12, watermark=None)})
case("join-filter", f"SELECT l.id AS a, r.id AS b, l.v + r.v AS s FROM l JOIN r ON {BOUND} WHERE l.k = r.k", sources=two())
case("join-then-window", f"SELECT window(ts, '10 minutes') AS w, count(*) AS n FROM (SELECT l.ts AS ts FROM l JOIN r ON {BOUND}) GROUP BY window(ts, '10 minutes')",
     spark=f"SELECT window AS w, count(*) AS n FROM (SELECT l.ts AS ts FROM l JOIN r ON {BOUND}) GROUP BY window(ts, '10 minutes')", sources=two())

# Grouping sets.
case("rollup-complete", "SELECT k, flag, count(*) AS n, sum(g) AS s FROM source GROUP BY ROLLUP (k, flag)", mode="complete")
case("cube-update", "SELECT g, flag, grouping(g, flag) AS a, grouping(flag) AS b, max(v) AS m FROM source GROUP BY CUBE (g, flag)", mode="update",
     spark="SELECT g, flag, grouping_id(g, flag) AS a, grouping(flag) AS b, max(v) AS m FROM source GROUP BY CUBE (g, flag)")
case("grouping-sets-update", "SELECT k, g, grouping(k, g) AS s, count(*) AS n FROM source GROUP BY GROUPING SETS ((k, g), (k), ())", mode="update",
     spark="SELECT k, g, grouping_id(k, g) AS s, count(*) AS n FROM source GROUP BY GROUPING SETS ((k, g), (k), ())")
case("rollup-beside-window-complete", f"SELECT window, k, count(*) AS n FROM source GROUP BY {W10}, ROLLUP (k)", mode="complete")
case("rollup-beside-window-append", f"SELECT window, k, count(*) AS n FROM source GROUP BY {W10}, ROLLUP (k)")
case("rollup-having-complete", "SELECT g, count(k) AS n, avg(v) AS a FROM source GROUP BY ROLLUP (g) HAVING count(*) > 3", mode="complete")

# Tables beside a stream.
KINDS = {"lake.kinds": ("k STRING, name STRING, least INT", [{"k": "a", "name": "ant", "least": 2}, {"k": "b", "name": "bee", "least": 4}, {"k": "e", "name": "eel", "least": 0}])}
case("table-join", "SELECT id, name FROM source JOIN lake.kinds AS t ON source.k = t.k AND g >= least", tables=KINDS)
case("table-left-join", "SELECT id, name FROM source LEFT JOIN lake.kinds AS t ON source.k = t.k", tables=KINDS)
case("table-in", "SELECT id, k FROM source WHERE k IN (SELECT k FROM lake.kinds)", tables=KINDS)
case("table-not-in", "SELECT id, k FROM source WHERE k NOT IN (SELECT k FROM lake.kinds)", tables=KINDS)
case("table-exists", "SELECT id, k FROM source WHERE EXISTS (SELECT 1 FROM lake.kinds AS t WHERE t.k = source.k AND t.least < source.g)", tables=KINDS)
case("table-anti-join", "SELECT id, k FROM source WHERE NOT EXISTS (SELECT 1 FROM lake.kinds AS t WHERE t.k = source.k AND t.least < source.g)", tables=KINDS,
     spark="SELECT id, source.k AS k FROM source LEFT ANTI JOIN lake.kinds AS t ON t.k = source.k AND t.least < source.g")
case("table-in-window", f"SELECT window, count(*) AS n FROM source WHERE k IN (SELECT k FROM lake.kinds) GROUP BY {W10}", tables=KINDS)
case("refuse-table-full-join", "SELECT id, name FROM source FULL JOIN lake.kinds AS t ON source.k = t.k", tables=KINDS, refused=True)
case("refuse-table-right-join", "SELECT id, name FROM source RIGHT JOIN lake.kinds AS t ON source.k = t.k", tables=KINDS, refused=True)
case("refuse-table-semi-stream", "SELECT name FROM lake.kinds WHERE k IN (SELECT k FROM source)", tables=KINDS, refused=True)
case("refuse-table-anti-stream", "SELECT name FROM lake.kinds AS t WHERE NOT EXISTS (SELECT 1 FROM source WHERE source.k = t.k)", tables=KINDS, refused=True)
case("refuse-anti-join-streams", "SELECT l.id AS a FROM l WHERE NOT EXISTS (SELECT 1 FROM r WHERE r.id = l.id)",
     spark="SELECT l.id AS a FROM l LEFT ANTI JOIN r ON r.id = l.id", sources=two(), refused=True)

# What is refused, by both.
case("refuse-append-without-watermark", "SELECT k, count(*) AS n FROM source GROUP BY k", sources={"source": source(watermark=None)}, refused=True)
case("refuse-append-key-only", "SELECT k, count(*) AS n FROM source GROUP BY k", refused=True)
case("refuse-complete-without-aggregates", "SELECT id FROM source", mode="complete", refused=True)
case("refuse-order-append", "SELECT id FROM source ORDER BY id", refused=True)
case("refuse-limit-update", "SELECT id FROM source LIMIT 3", mode="update", refused=True)
case("refuse-session-update", "SELECT session_window, count(*) AS n FROM source GROUP BY session_window(ts, '3 minutes')", mode="update", refused=True)
case("refuse-outer-without-bound", "SELECT l.id AS a, r.id AS b FROM l LEFT JOIN r ON l.id = r.id", sources={"l": source(11, watermark=None), "r": source(12, watermark=None)}, refused=True)
case("refuse-join-update", f"SELECT l.id AS a, r.id AS b FROM l JOIN r ON {BOUND}", sources=two(), mode="update", refused=True)

# The edges: nulls, times at the very watermark, numbers that are none.
def edges(schema, rows, watermark=("ts", "10 minutes"), **more):
    lines = [[r if isinstance(r, str) else json.dumps(r) for r in batch] for batch in rows]
    return source(schema=schema, watermark=watermark, lines=lines, **more)


def at(minute):
    return None if minute is None else iso(START + int(minute * 60))


def seen(n, k, minute):
    return {"id": n, "k": k, "ts": at(minute)}


SEEN = "id BIGINT, k STRING, ts TIMESTAMP"
TWICE = [[seen(1, "a", 0), seen(1, "a", 0), seen(None, "n", 1), seen(None, "n", 1), seen(2, "b", None), seen(2, "b", None)],
         [seen(1, "a", 0), seen(1, "a", 12), seen(3, "c", 40)], [seen(1, "a", 41), seen(3, "c", 41), seen(2, "b", 42)], [seen(3, "c", 90)],
         [seen(3, "c", 95), seen(1, "a", 96)], [seen(9, "z", 300)]]
twice = lambda **more: {"source": edges(SEEN, TWICE, **more)}
case("dedup-null-time-within", "SELECT * FROM source", sources=twice(deduplicate=dict(columns=["id"], within_watermark=True)))
case("dedup-null-time", "SELECT * FROM source", sources=twice(deduplicate=dict(columns=["id", "ts"])))
case("dedup-then-session", "SELECT session_window, k, count(*) AS n FROM source GROUP BY session_window(ts, '5 minutes'), k", sources=twice(deduplicate=dict(columns=["id", "ts"])))
case("dedup-then-count-update", "SELECT k, count(*) AS n FROM source GROUP BY k", mode="update", sources=twice(deduplicate=dict(columns=["id", "ts"])))
case("delay-of-seconds", f"SELECT window, count(*) AS n FROM source GROUP BY {W10}", sources=twice(watermark=("ts", "90 seconds")))
case("session-null-keys", "SELECT session_window, k, id, count(*) AS n FROM source GROUP BY session_window(ts, '5 minutes'), k, id", sources=twice())
case("offset-negative", "SELECT window, count(*) AS n FROM source GROUP BY window(ts, '10 minutes', '10 minutes', '-3 minutes')", sources=twice())
EDGE = [[seen(1, "a", 0), seen(2, "a", 20)], [seen(3, "a", 9.99), seen(4, "a", 10), seen(5, "a", 20)], [seen(6, "a", 9.9999), seen(7, "b", 10), seen(8, "a", 30)],
        [seen(9, "a", 19.99), seen(10, "a", 20), seen(11, "b", 30.02)], [seen(12, "a", 400)]]
case("at-the-watermark", f"SELECT window, count(*) AS n FROM source GROUP BY {W10}", sources={"source": edges(SEEN, EDGE)})
case("at-the-watermark-session", "SELECT session_window, k, count(*) AS n FROM source GROUP BY session_window(ts, '10 minutes'), k", sources={"source": edges(SEEN, EDGE)})
case("window-week-complete", "SELECT window, count(*) AS n FROM source GROUP BY window(ts, '1 week')", mode="complete")
case("two-aggregates", f"SELECT window(w, '30 minutes') AS w2, k, sum(n) AS n FROM (SELECT window AS w, k, count(*) AS n FROM source GROUP BY {W10}, k) GROUP BY window(w, '30 minutes'), k",
     spark=f"SELECT window AS w2, k, sum(n) AS n FROM (SELECT window AS w, k, count(*) AS n FROM source GROUP BY {W10}, k) GROUP BY window(w, '30 minutes'), k")
case("refuse-offset-too-large", "SELECT window, count(*) AS n FROM source GROUP BY window(ts, '10 minutes', '5 minutes', '7 minutes')", refused=True)
case("refuse-window-of-nothing", "SELECT window, count(*) AS n FROM source GROUP BY window(ts, '0 minutes')", refused=True)
case("refuse-window-of-months", "SELECT window, count(*) AS n FROM source GROUP BY window(ts, '1 month')", refused=True)
KINDS_OF = "id BIGINT, f DOUBLE, d DECIMAL(38,10), l BIGINT, b BINARY, dt DATE, s STRUCT<a:INT,b:STRING>, a ARRAY<INT>, ts TIMESTAMP"
ODD = [['{"id":1,"f":"NaN","d":1.5,"l":1,"b":"AAE=","dt":"2026-01-01","s":{"a":1},"a":[1,null],"ts":"2026-01-01T00:00:00Z"}',
        '{"id":2,"f":0.0,"d":2.5,"l":2,"b":"AAE=","dt":"1969-12-31","s":{"a":1},"a":[1,null],"ts":"2026-01-01T00:00:01Z"}',
        '{"id":3,"f":-0.0,"l":3,"ts":"2026-01-01T00:00:02Z"}', '{"id":4,"f":"NaN","d":-0.00000000015,"b":"","dt":"2026-01-01","s":{},"a":[],"ts":"2026-01-01T00:11:02Z"}'],
       ['{"id":5,"f":"-Infinity","d":1e27,"l":10,"b":"/w==","s":{"a":2,"b":"z"},"a":[2],"ts":"2026-01-01T00:12:02Z"}', '{"id":6,"f":"Infinity","d":1e27,"l":10,"b":"/w==","ts":"2026-01-01T01:12:02Z"}'],
       ['{"id":7,"f":1,"ts":"2026-01-01T05:00:00Z"}']]
odd = lambda: {"source": edges(KINDS_OF, ODD)}
for col, kind in (("f", "double"), ("d", "decimal"), ("b", "binary"), ("dt", "date"), ("s", "struct"), ("a", "array")):
    case(f"group-by-{kind}", f"SELECT {col}, count(*) AS n, min(id) AS least FROM source GROUP BY {col}", mode="complete", sources=odd())
for col, kind in (("f", "double"), ("d", "decimal"), ("b", "binary"), ("dt", "date")):
    case(f"min-max-{kind}", f"SELECT min({col}) AS lo, max({col}) AS hi FROM source", mode="complete", sources=odd())
case("sum-avg-nan", "SELECT sum(f) AS s, avg(f) AS a FROM source", mode="complete", sources=odd())
case("variance-nan", "SELECT stddev(f) AS s, var_pop(f) AS v, corr(l, f) AS c, covar_samp(l, f) AS cs FROM source WHERE id < 4", mode="complete", sources=odd())
case("approx-distinct-alone", "SELECT approx_distinct(id) AS n FROM source WHERE id < 4", mode="complete", sources={"source": edges(KINDS_OF, ODD, watermark=None)},
     spark="SELECT approx_count_distinct(id) AS n FROM source WHERE id < 4")
case("distinct-nan", "SELECT DISTINCT f FROM source", mode="update", sources=odd())
case("max-by-nan", "SELECT max_by(id, f) AS a, min_by(id, f) AS b, max_by(f, id) AS c FROM source WHERE id NOT IN (2, 3, 4)", mode="complete", sources=odd())
case("nan-greater", "SELECT id FROM source WHERE f > 1", sources=odd())
case("nan-equal", "SELECT id FROM source WHERE f = f", sources=odd())
left = lambda n, g, minute, f=0.0: {"id": n, "g": g, "ts": at(minute), "f": f}
LEFTS = [[left(1, 1, 0, "NaN"), left(2, None, 1, -0.0), left(3, 2, None), left(4, 3, 2)], [left(5, 1, 30)], [left(6, 1, 120)], [left(7, 1, 3000)], [left(8, 1, 90000)]]
RIGHTS = [[left(1, 1, 3, "NaN"), left(2, None, 1, 0.0), left(3, 2, 5)], [left(4, 3, 31), left(5, 1, 29)], [left(6, 9, 125)], [left(7, 9, 3005)], [left(8, 9, 90005)]]
sides = lambda: {"l": edges("id BIGINT, g INT, ts TIMESTAMP, f DOUBLE", LEFTS, watermark=("ts", "5 minutes")), "r": edges("id BIGINT, g INT, ts TIMESTAMP, f DOUBLE", RIGHTS, watermark=("ts", "5 minutes"))}
SOON = "r.ts BETWEEN l.ts AND l.ts + INTERVAL '10' MINUTE"
for kind in ("INNER", "LEFT", "RIGHT"):
    case("null-keys-join-" + kind.lower(), f"SELECT l.id AS a, r.id AS b FROM l {kind} JOIN r ON l.g = r.g AND {SOON}", sources=sides())
case("null-keys-join-safe", f"SELECT l.id AS a, r.id AS b FROM l JOIN r ON l.g IS NOT DISTINCT FROM r.g AND {SOON}", sources=sides(),
     spark=f"SELECT l.id AS a, r.id AS b FROM l JOIN r ON l.g <=> r.g AND {SOON}")
case("nan-keys-join", f"SELECT l.id AS a, r.id AS b FROM l JOIN r ON l.f = r.f AND {SOON}", sources=sides())
case("semi-join", f"SELECT l.id AS a FROM l WHERE EXISTS (SELECT 1 FROM r WHERE l.g = r.g AND {SOON})", sources=sides(),
     spark=f"SELECT l.id AS a FROM l LEFT SEMI JOIN r ON l.g = r.g AND {SOON}")
case("session-of-joined-and-union", f"SELECT session_window, g, count(*) AS n FROM (SELECT l.ts, l.g FROM l JOIN r ON l.g = r.g AND {SOON} UNION ALL SELECT ts, g FROM r) GROUP BY session_window(ts, '5 minutes'), g", sources=sides())
case("window-of-union", f"SELECT window, count(*) AS n FROM (SELECT ts FROM l UNION ALL SELECT ts FROM r) GROUP BY {W10}", sources=sides())
case("left-join-then-window", f"SELECT window(ts, '10 minutes') AS w, count(*) AS n, count(b) AS nb FROM (SELECT l.ts, r.id AS b FROM l LEFT JOIN r ON l.g = r.g AND {SOON}) GROUP BY {W10}",
     spark=f"SELECT window AS w, count(*) AS n, count(b) AS nb FROM (SELECT l.ts, r.id AS b FROM l LEFT JOIN r ON l.g = r.g AND {SOON}) GROUP BY {W10}", sources=sides())

# As users of Spark's programming guide write them: what explodes, chains of aggregations, unions, self-joins, odd keys and times.
ITEMS = "id BIGINT, k STRING, items ARRAY<STRUCT<sku:STRING,qty:INT>>, ts TIMESTAMP"
BASKETS = [[{"id": 1, "k": "a", "items": [{"sku": "p", "qty": 2}, {"sku": "q", "qty": 1}], "ts": at(1)}, {"id": 2, "k": "b", "items": [], "ts": at(2)}, {"id": 3, "items": None, "ts": at(3)}],
           [{"id": 4, "k": "a", "items": [{"sku": "p", "qty": None}, None, {"qty": 5}], "ts": at(12)}], [{"id": 5, "k": "a", "items": [{"sku": "p", "qty": 7}], "ts": at(45)}],
           [{"id": 6, "k": "b", "items": [{"sku": "q", "qty": 1}], "ts": at(90)}]]
baskets = lambda: {"source": edges(ITEMS, BASKETS)}
case("explode-structs", "SELECT id, sku, qty FROM source CROSS JOIN UNNEST(items) AS u(sku, qty)", sources=baskets(),
     spark="SELECT id, i.sku AS sku, i.qty AS qty FROM source LATERAL VIEW explode(items) u AS i")
case("explode-outer", "SELECT id, sku, qty FROM source LEFT JOIN UNNEST(items) AS u(sku, qty) ON true", sources=baskets(),
     spark="SELECT id, i.sku AS sku, i.qty AS qty FROM source LATERAL VIEW OUTER explode(items) u AS i")
case("explode-then-window", f"SELECT window, sku, sum(qty) AS q, count(*) AS n FROM source CROSS JOIN UNNEST(items) AS u(sku, qty) GROUP BY {W10}, sku", sources=baskets(),
     spark=f"SELECT window, i.sku AS sku, sum(i.qty) AS q, count(*) AS n FROM source LATERAL VIEW explode(items) u AS i GROUP BY {W10}, i.sku")
case("explode-map", "SELECT id, mk, mv FROM source CROSS JOIN UNNEST(m) AS u(mk, mv)", spark="SELECT id, mk, mv FROM source LATERAL VIEW explode(m) u AS mk, mv")
case("having-two", f"SELECT window, g FROM source GROUP BY {W10}, g HAVING count(*) > 2 AND max(v) < 120")
case("window-of-window-time", f"SELECT window, sum(n) AS n FROM (SELECT window_time(window) AS wt, count(*) AS n FROM source GROUP BY {W10}) GROUP BY window(wt, '30 minutes')",
     spark=f"SELECT window, sum(n) AS n FROM (SELECT window_time(window) AS wt, n FROM (SELECT window, count(*) AS n FROM source GROUP BY {W10})) GROUP BY window(wt, '30 minutes')")
case("aggregate-of-aggregate-having", "SELECT window, max(n) AS busiest, count(*) AS keys FROM (SELECT window_time(window) AS wt, k, count(*) AS n FROM source "
     "GROUP BY window(ts, '5 minutes'), k HAVING count(*) > 1) GROUP BY window(wt, '15 minutes')",
     spark="SELECT window, max(n) AS busiest, count(*) AS keys FROM (SELECT window_time(window) AS wt, n FROM (SELECT window, k, count(*) AS n FROM source "
     "GROUP BY window(ts, '5 minutes'), k HAVING count(*) > 1)) GROUP BY window(wt, '15 minutes')")
case("self-join", "SELECT a.id AS a, b.id AS b FROM source AS a JOIN source AS b ON a.k = b.k AND b.ts > a.ts AND b.ts <= a.ts + INTERVAL '2' MINUTE")
half = lambda: {"l": source(21, watermark=None), "r": source(22)}
case("join-inner-watermark-right", f"SELECT l.id AS a, r.id AS b FROM l JOIN r ON {BOUND}", sources=half())
case("join-left-watermark-right", f"SELECT l.id AS a, r.id AS b FROM l LEFT JOIN r ON {BOUND}", sources=half())
case("join-of-windows", "SELECT a.w AS w, a.id AS id, b.id AS other FROM (SELECT window(ts, '10 minutes') AS w, id, k FROM l) AS a JOIN (SELECT window(ts, '10 minutes') AS w, id, k FROM r) AS b "
     "ON a.w = b.w AND a.k = b.k", sources=two())
COUNTS = "(SELECT window AS w, k, count(*) AS n FROM %s GROUP BY window(ts, '10 minutes'), k)"
case("join-of-aggregates", f"SELECT a.w AS w, a.k AS k, a.n AS n, b.n AS m FROM {COUNTS % 'l'} AS a JOIN {COUNTS % 'r'} AS b ON a.w = b.w AND a.k = b.k", sources=two())
case("count-if", f"SELECT window, count_if(v > 50) AS hi, count_if(flag) AS f FROM source GROUP BY {W10}")
case("any-of-key", f"SELECT window, k, arbitrary(k) AS f FROM source GROUP BY {W10}, k", spark=f"SELECT window, k, first(k) AS f FROM source GROUP BY {W10}, k")
case("collect-list", f"SELECT window, array_agg(g) AS gs FROM source GROUP BY {W10}", spark=f"SELECT window, sort_array(collect_list(g)) AS gs FROM source GROUP BY {W10}")
case("collect-list-nulls", f"SELECT window, coalesce(array_agg(k) FILTER (WHERE k IS NOT NULL), ARRAY[]) AS ks FROM source GROUP BY {W10}, flag",
     spark=f"SELECT window, sort_array(collect_list(k)) AS ks FROM source GROUP BY {W10}, flag")
case("collect-set", f"SELECT window, set_agg(k) AS ks FROM source GROUP BY {W10}", spark=f"SELECT window, sort_array(collect_set(k)) AS ks FROM source GROUP BY {W10}")
case("percentiles", f"SELECT window, approx_percentile(g, 0.5) AS m, approx_percentile(g, ARRAY[0.25, 0.75, 0.95]) AS p FROM source GROUP BY {W10}",
     spark=f"SELECT window, approx_percentile(g, 0.5) AS m, approx_percentile(g, array(0.25, 0.75, 0.95)) AS p FROM source GROUP BY {W10}")
case("array-functions", "SELECT id, element_at(tags, 1) AS e, contains(tags, 'x') AS c, array_distinct(tags) AS d, array_join(tags, '-') AS j, filter(tags, t -> t <> 'x') AS f, "
     "transform(tags, t -> upper(t)) AS u FROM source",
     spark="SELECT id, element_at(tags, 1) AS e, array_contains(tags, 'x') AS c, array_distinct(tags) AS d, array_join(tags, '-') AS j, filter(tags, t -> t <> 'x') AS f, "
     "transform(tags, t -> upper(t)) AS u FROM source")
case("map-functions", "SELECT id, element_at(m, 'u') AS u, map_keys(m) AS mk, map_values(m) AS mv, cardinality(m) AS n FROM source",
     spark="SELECT id, element_at(m, 'u') AS u, map_keys(m) AS mk, map_values(m) AS mv, size(m) AS n FROM source")
case("decimal-precision", f"SELECT window, sum(d * d) AS dd, sum(d * 2) AS d2, max(d - CAST(0.005 AS DECIMAL(4,3))) AS m FROM source GROUP BY {W10}", mode="update")
ZONED = ['{"id":1,"k":"a","ts":"2026-01-01T05:29:59.999+05:30"}', '{"id":2,"k":"a","ts":"2026-01-01T00:00:00-01:00"}', '{"id":3,"k":"a","ts":"2026-01-01 00:20:00"}',
         '{"id":4,"k":"b","ts":"2025-12-31T23:59:59.999Z"}']
case("zones", f"SELECT window, k, count(*) AS n, max(ts) AS m FROM source GROUP BY {W10}, k", mode="update", sources={"source": edges(SEEN, [ZONED[:2], ZONED[2:]])})
case("odd-double-keys-update", "SELECT f, count(*) AS n FROM source GROUP BY f", mode="update", sources=odd())
case("odd-double-keys-window", f"SELECT window, f, s, count(*) AS n FROM source GROUP BY {W10}, f, s", sources=odd())
OLD = [[{"id": n, "k": "a", "ts": t} for n, t in enumerate(("1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z", "1969-12-31T23:50:00Z", "1969-12-31T23:49:59.5Z"))],
       [{"id": 9, "k": "b", "ts": "1969-12-31T23:44:00Z"}, {"id": 10, "k": "b", "ts": "1969-12-31T23:39:59Z"}], [{"id": 11, "k": "c", "ts": "1970-01-01T02:00:00Z"}], [{"id": 12, "k": "c", "ts": "1970-01-02T02:00:00Z"}]]
for name, w in (("tumbling", "'10 minutes'"), ("sliding", "'10 minutes', '5 minutes'"), ("offset", "'10 minutes', '10 minutes', '3 minutes'"), ("week", "'1 week'")):
    case("before-1970-" + name, f"SELECT window, count(*) AS n FROM source GROUP BY window(ts, {w})", sources={"source": edges(SEEN, OLD)})
case("before-1970-session", "SELECT session_window, k, count(*) AS n FROM source GROUP BY session_window(ts, '10 minutes'), k", sources={"source": edges(SEEN, OLD)})
case("date-trunc-update", "SELECT date_trunc('hour', ts) AS h, k, count(*) AS n FROM source GROUP BY date_trunc('hour', ts), k", mode="update")
case("refuse-date-trunc-append", "SELECT date_trunc('hour', ts) AS h, count(*) AS n FROM source GROUP BY date_trunc('hour', ts)", refused=True)
case("union-of-streams", "SELECT id, k FROM l UNION ALL SELECT id, k FROM r", sources=two())
case("union-of-sides", f"SELECT window, side, count(*) AS n FROM (SELECT ts, 'l' AS side FROM l UNION ALL SELECT ts, 'r' FROM r) GROUP BY {W10}, side", sources=two())
case("union-then-count-update", "SELECT k, count(*) AS n FROM (SELECT k FROM l UNION ALL SELECT k FROM r WHERE v > 30) GROUP BY k", mode="update", sources=two())
case("dedup-within-then-window", f"SELECT window, count(*) AS n FROM source GROUP BY {W10}", sources={"source": source(deduplicate=dict(columns=["id"], within_watermark=True))})
case("dedup-all-columns", "SELECT id, k FROM source", sources=twice(deduplicate=dict(columns=["id", "k", "ts"])))
case("window-as-column", "SELECT window(ts, '10 minutes') AS w, id FROM source")
case("sliding-as-column", "SELECT window(ts, '10 minutes', '5 minutes') AS w, id FROM source")
case("case-keys", f"SELECT window, CASE WHEN v > 50 THEN 'hi' ELSE 'lo' END AS c, avg(v) AS a FROM source GROUP BY {W10}, CASE WHEN v > 50 THEN 'hi' ELSE 'lo' END")
case("struct-field-keys", f"SELECT window, s.b AS b, sum(s.a) AS a FROM source GROUP BY {W10}, s.b")
case("map-value-keys", "SELECT element_at(m, 'u') AS u, count(*) AS n FROM source GROUP BY element_at(m, 'u')", mode="update")
case("min-max-struct", "SELECT min(s) AS lo, max(s) AS hi FROM source", mode="complete", sources=odd())
case("min-max-array", "SELECT min(a) AS lo, max(a) AS hi FROM source", mode="complete", sources=odd())
case("sliding-update-having", f"SELECT window, k, count(*) AS n FROM source GROUP BY {W10S5}, k HAVING count(*) > 4", mode="update")
case("aggregate-above-join-then-having", f"SELECT window(ts, '10 minutes') AS w, g, count(*) AS n FROM (SELECT l.ts, l.g FROM l JOIN r ON {BOUND}) GROUP BY window(ts, '10 minutes'), g HAVING count(*) > 3",
     spark=f"SELECT window AS w, g, count(*) AS n FROM (SELECT l.ts, l.g FROM l JOIN r ON {BOUND}) GROUP BY window(ts, '10 minutes'), g HAVING count(*) > 3", sources=two())
case("three-way-join", "SELECT l.id AS a, r.id AS b, q.id AS c FROM l JOIN r ON l.id = r.id AND r.ts BETWEEN l.ts - INTERVAL '1' HOUR AND l.ts + INTERVAL '1' HOUR "
     "JOIN q ON q.id = l.id AND q.ts BETWEEN l.ts - INTERVAL '1' HOUR AND l.ts + INTERVAL '1' HOUR", sources={"l": source(11), "r": source(12), "q": source(13)})
case("top-of-complete", f"SELECT window, k, count(*) AS n FROM source GROUP BY {W10}, k ORDER BY window.start DESC, n DESC, k LIMIT 5", mode="complete")

# Event time that is computed: df.withColumn("ts", …).withWatermark("ts", …).
def computed(rows, query, spark, schema, watermark=("ts", "10 minutes"), **more):
    return edges(schema, rows, watermark=watermark, query=query, spark_query=spark, **more)


PICKUP = "id BIGINT, k STRING, pickup STRING, g INT"
PARSED = "SELECT *, date_parse(pickup, '%%Y-%%m-%%d %%H:%%i:%%s') AS ts FROM %s"
TO_TIMESTAMP = "SELECT *, to_timestamp(pickup, 'yyyy-MM-dd HH:mm:ss') AS ts FROM %s"


def picked(seed, late=2400):
    """The events of a seed, their times as texts that are no timestamps to a reader; some have none."""
    out = []
    for b in events(seed, late=late):
        rows = map(json.loads, b)
        out.append([{"id": r["id"], "k": r["k"], "g": r["g"], "pickup": r["ts"][:19].replace("T", " ") if r["id"] % 30 else None} for r in rows])
    return out


pickups = lambda seed=31, name="source", **more: computed(picked(seed), PARSED % name, TO_TIMESTAMP % name, PICKUP, **more)
for mode in ("append", "update"):
    case("computed-time-" + mode, f"SELECT window, k, count(*) AS n FROM source GROUP BY {W10}, k", mode=mode, sources={"source": pickups()})
case("computed-time-session", "SELECT session_window, k, count(*) AS n FROM source GROUP BY session_window(ts, '3 minutes'), k", sources={"source": pickups()})
case("computed-time-dedup", "SELECT id, ts FROM source", sources={"source": pickups(deduplicate=dict(columns=["id"], within_watermark=True))})
case("computed-time-rows", "SELECT id, ts FROM source", sources={"source": pickups()})
case("computed-time-join", f"SELECT l.id AS a, r.id AS b FROM l JOIN r ON {BOUND}", sources={"l": pickups(11, "l"), "r": pickups(12, "r")})
case("computed-time-join-one", f"SELECT l.id AS a, r.id AS b FROM l JOIN r ON {BOUND}", sources={"l": pickups(11, "l"), "r": source(12)})
NESTED = [[{"id": 1, "head": {"ms": START * 1000}}, {"id": 2, "head": {"ms": START * 1000 + 599999}}, {"id": 3, "head": {}}, {"id": 4}], [{"id": 5, "head": {"ms": (START + 1800) * 1000}}],
          [{"id": 6, "head": {"ms": (START + 60) * 1000}}, {"id": 7, "head": {"ms": (START + 5400) * 1000}}], [{"id": 8, "head": {"ms": (START + 9000) * 1000}}]]
case("computed-time-nested", f"SELECT window, count(*) AS n FROM source GROUP BY {W10}", sources={"source": computed(NESTED, "SELECT id, from_unixtime(head.ms / 1e3) AS ts FROM source",
     "SELECT id, timestamp_millis(head.ms) AS ts FROM source", "id BIGINT, head STRUCT<ms:BIGINT>")})
NESTS = [[{"id": 1, "events": [{"at": at(0), "n": 1}, {"at": at(31), "n": 2}]}, {"id": 2, "events": []}, {"id": 3}], [{"id": 4, "events": [{"at": at(5), "n": 3}, {"at": at(22), "n": 4}, {"n": 5}]}],
         [{"id": 5, "events": [{"at": at(2000000), "n": -1}, {"at": at(70), "n": 6}]}], [{"id": 6, "events": [{"at": at(120), "n": 7}]}]]
case("computed-time-exploded", f"SELECT window, sum(n) AS n FROM source GROUP BY {W10}", sources={"source": computed(NESTS, "SELECT id, at AS ts, n FROM source CROSS JOIN UNNEST(events) AS u(at, n) WHERE n > 0",
     "SELECT id, e.at AS ts, e.n AS n FROM source LATERAL VIEW explode(events) u AS e WHERE e.n > 0", "id BIGINT, events ARRAY<STRUCT<at:TIMESTAMP,n:INT>>")})

# Delays with months and fractions.
FAR = [[seen(1, "a", 0)], [seen(2, "a", 31 * 1440 + 5)], [seen(3, "a", 1), seen(4, "a", 31 * 1440 + 11)], [seen(5, "a", 62 * 1440)], [seen(6, "a", 200 * 1440)]]
case("delay-of-a-month", f"SELECT window, count(*) AS n FROM source GROUP BY {W10}", sources={"source": edges(SEEN, FAR, watermark=("ts", "1 month"))})
NEAR = [[seen(1, "a", 0)], [seen(2, "a", 10 + 1 / 60)], [seen(3, "a", 1), seen(4, "a", 10 + 2 / 60)], [seen(5, "a", 2), seen(6, "a", 30)], [seen(7, "a", 90)]]
case("delay-of-a-fraction", f"SELECT window, count(*) AS n FROM source GROUP BY {W10}", sources={"source": edges(SEEN, NEAR, watermark=("ts", "1.5 seconds"))})

# Gaps of sessions by the row.
GAPS = [[seen(1, "a", 0), seen(2, "b", 0), seen(3, "a", 4), seen(4, "b", 4), seen(5, "c", 1), seen(6, None, 2), seen(7, "a", 0.5)], [seen(8, "b", 9), seen(9, "a", 30), seen(10, "b", 30)],
        [seen(11, "a", 1), seen(12, "b", 11), seen(13, "b", 12)], [seen(14, "a", 90)], [seen(15, "b", 200)]]
GAP = "CASE WHEN k = 'a' THEN '5 seconds' WHEN k = 'c' THEN '0 seconds' WHEN k = 'b' THEN '10 minutes' END"
for mode in ("append", "complete"):
    case("session-gap-by-row-" + mode, f"SELECT session_window, id % 2 AS odd, count(*) AS n, min(id) AS least FROM source GROUP BY session_window(ts, {GAP}), id % 2", mode=mode, sources={"source": edges(SEEN, GAPS)})
case("session-gap-by-row-random", "SELECT session_window, g, count(*) AS n, sum(id) AS s FROM source GROUP BY session_window(ts, CASE WHEN k = 'a' THEN '10 seconds' WHEN flag THEN '2 minutes' ELSE '4 minutes' END), g")

# Subqueries about a stream.
case("semi-join-in", f"SELECT l.id AS a FROM l WHERE l.g IN (SELECT r.g FROM r WHERE {SOON})", sources=sides(), spark=f"SELECT l.id AS a FROM l LEFT SEMI JOIN r ON l.g = r.g AND {SOON}")
