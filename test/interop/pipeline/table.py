"""What the log of a Delta table says of its data files, and whether the rows are those that there should be. usage: table.py rides|append|update
TABLE RECORDS"""

import json
import os
import sys
from urllib.parse import unquote

RIDE_FIRST = 100_000_000_000


def commits(table):
    """Version and actions of each commit."""
    log = os.path.join(table, "_delta_log")
    for name in sorted(os.listdir(log)):
        if name.endswith(".json") and len(name) == 25:
            with open(os.path.join(log, name)) as f:
                yield int(name[:20]), [json.loads(line) for line in f]


def place(table, path):
    return os.path.join(table, unquote(path))


def added(table):
    """Version and place of each data file, those left out that only rearrange rows."""
    for version, actions in commits(table):
        for a in actions:
            if "add" in a and a["add"]["dataChange"]:
                yield version, place(table, a["add"]["path"])


def live(table):
    """The data files of the newest version."""
    files = set()
    for _, actions in commits(table):
        for a in actions:
            if "remove" in a:
                files.discard(place(table, a["remove"]["path"]))
        for a in actions:
            if "add" in a:
                assert not a["add"].get("deletionVector"), "a file with deleted rows"
                files.add(place(table, a["add"]["path"]))
    return sorted(files)


def check(kind, table, records):
    import duckdb

    rows = duckdb.read_parquet(live(table), hive_partitioning=False)
    if kind == "rides":
        got = rows.aggregate("count(*), count(DISTINCT ride), min(ride), max(ride)").fetchone()
        want = (records, records, RIDE_FIRST, RIDE_FIRST + records - 1)
    else:
        got = rows.aggregate("count(*) - count(DISTINCT (start, key)), sum(n)").fetchone()
        want = (0, records)
        if kind == "append" and got[1] < records:  # what the watermark has not passed is not there yet
            want = (0, got[1])
    if got != want:
        raise SystemExit("%s of %d records: the table has %s, not %s" % (kind, records, got, want))


if __name__ == "__main__":
    check(sys.argv[1], sys.argv[2], int(sys.argv[3]))
