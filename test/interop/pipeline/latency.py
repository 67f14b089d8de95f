"""From the answer to a record's PutRecords, or from the rename of its file, until the version of the table that holds it is there. usage:
latency.py TABLE TIMES VERSIONS WARM-UP-SECONDS; it reads the data files of all commits and prints one line of JSON."""

import json
import sys

import duckdb

from table import RIDE_FIRST, added


def main(table, times, versions, warm_up):
    db = duckdb.connect(config={"threads": 2})
    db.execute("CREATE TABLE seen AS SELECT column0 AS version, column2 AS us FROM read_csv(?, header = false)", [versions])
    db.execute("CREATE TABLE sent AS SELECT column0 AS first, column1 AS n, column2 AS us FROM read_csv(?, header = false)", [times])
    files = list(added(table))
    db.execute("CREATE TABLE files (version BIGINT, name VARCHAR)")
    db.executemany("INSERT INTO files VALUES (?, ?)", files)
    # Calls and files all have the same number of records, so the number of a record says in which it was.
    (each,) = db.execute("SELECT max(n) FROM sent").fetchone()
    db.execute("CREATE TABLE rows AS SELECT ride - ? AS n, filename FROM read_parquet(?, filename = true, hive_partitioning = false)",
               [RIDE_FIRST, sorted({name for _, name in files})])
    total, distinct = db.execute("SELECT count(*), count(DISTINCT n) FROM rows").fetchone()
    (sent,) = db.execute("SELECT sum(n) FROM sent").fetchone()
    if not total == distinct == sent:
        raise SystemExit("%d records were sent, the table has %d rows of %d" % (sent, total, distinct))
    figures = db.execute(
        """SELECT count(*), quantile_cont(ms, 0.5), quantile_cont(ms, 0.99), max(ms), min(ms) FROM (
             SELECT (seen.us - sent.us) / 1000 AS ms FROM rows JOIN sent ON sent.first = rows.n - rows.n % ? JOIN files ON files.name = rows.filename
             JOIN seen ON seen.version = files.version WHERE sent.us >= (SELECT min(us) FROM sent) + ? * 1000000)""",
        [each, float(warm_up)]).fetchone()
    last = db.execute("SELECT (max(seen.us) - (SELECT min(us) FROM sent)) / 1e6 FROM seen JOIN files USING (version)").fetchone()[0]
    print(json.dumps(dict(zip(("records", "p50_ms", "p99_ms", "max_ms", "min_ms"), figures), rows=total, committed_per_s=total / last,
                          versions=len({v for v, _ in files}), files=len(files))))


if __name__ == "__main__":
    main(*sys.argv[1:])
