"""The plain limit: DuckDB reads the same files with the same schema, and writes the same folders of Parquet. One process, one statement.
usage: limit.py rides|windows FILES TO"""

import json
import os
import sys
import time

import duckdb

from weir import PARTS, RIDE_FIELDS, RIDES_QUERY

DUCK_TYPES = {"string": "VARCHAR", "timestamp": "TIMESTAMP", "bigint": "BIGINT", "double": "DOUBLE"}


def read(files, fields):
    columns = ", ".join("'%s': '%s'" % (n, DUCK_TYPES[t]) for n, t in fields)
    return "read_json('%s/*.json', columns = {%s}, format = 'newline_delimited')" % (files, columns)


def statement(what, files, to):
    if what == "rides":
        query = RIDES_QUERY.replace("source", read(files, RIDE_FIELDS))
        return "COPY (%s) TO '%s' (FORMAT parquet, COMPRESSION snappy, PARTITION_BY (%s))" % (query, to, ", ".join(PARTS))
    source = read(files, [("key", "bigint"), ("at", "timestamp"), ("amount", "double")])
    query = "SELECT time_bucket(INTERVAL '1 minute', \"at\") AS start, key, count(*) AS n, sum(amount) AS total FROM %s GROUP BY ALL" % source
    return "COPY (%s) TO '%s' (FORMAT parquet, COMPRESSION snappy)" % (query, to)


def main(what, files, to):
    db = duckdb.connect(config={"threads": int(os.environ.get("LIMIT_THREADS", "2"))})
    db.execute("SET preserve_insertion_order = false")
    began = time.monotonic()
    rows = db.execute(statement(what, files, to)).fetchone()[0]
    print(json.dumps({"seconds": time.monotonic() - began, "rows": rows, "version": duckdb.__version__}))


if __name__ == "__main__":
    main(*sys.argv[1:])
