"""Compares the Delta table with the rides that were sent: through Athena, by delta-rs and by DuckDB."""
import os
import sys
import time

import boto3
import duckdb
import pandas as pd
from deltalake import DeltaTable

path, n = sys.argv[1], int(sys.argv[2])
folder = os.path.join(os.environ["WEIR_DATA"], "objects", "lake", "rides")


def athena(sql):
    client = boto3.client("athena")
    q = client.start_query_execution(QueryString=sql, ResultConfiguration={"OutputLocation": "s3://lake/_results/"})["QueryExecutionId"]
    while True:
        status = client.get_query_execution(QueryExecutionId=q)["QueryExecution"]["Status"]
        if status["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
            break
        time.sleep(0.05)
    assert status["State"] == "SUCCEEDED", status
    rows = client.get_query_results(QueryExecutionId=q)["ResultSet"]["Rows"]
    return [[c.get("VarCharValue") for c in r["Data"]] for r in rows[1:]]


count = int(athena("SELECT count(*) FROM lake.rides")[0][0])
assert count == n, f"Athena counts {count} rides, {n} were sent"
table = DeltaTable(folder)
assert table.metadata().partition_columns == ["year", "month", "day", "hour"], table.metadata().partition_columns
rows = table.to_pyarrow_table().to_pandas()
assert len(rows) == n, f"delta-rs counts {len(rows)}"
if "--count-only" not in sys.argv:
    sent = pd.read_json(path, lines=True) if path.endswith(".ndjson") else pd.read_csv(path)
    sent = sent.head(n)
    total = round(float(sent.total_amount.sum()), 2)
    assert round(float(athena("SELECT sum(total_amount) FROM lake.rides")[0][0]), 2) == total
    assert round(float(rows.total_amount.sum()), 2) == total
    assert sorted(rows.trip_distance) == sorted(sent.trip_distance)
    by_hour = pd.to_datetime(sent.tpep_pickup_datetime).dt.hour.value_counts().to_dict()
    assert {int(h): int(c) for h, c in athena("SELECT hour, count(*) FROM lake.rides GROUP BY hour")} == by_hour
    got = duckdb.sql(f"SELECT count(*), round(sum(total_amount), 2) FROM read_parquet({table.file_uris()!r})").fetchone()
    assert got == (n, total), got
print(f"{n} rides: Athena, delta-rs and DuckDB agree")
