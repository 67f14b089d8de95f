"""Waits for Firehose, lets a crawler look, asks Athena and CloudWatch: all must count the users that were sent."""
import datetime
import io
import sys
import time

import boto3
import pyarrow.parquet as pq

n = int(sys.argv[1])
s3 = boto3.client("s3")


def until(what, f, seconds=30):
    end = time.time() + seconds
    while time.time() < end:
        v = f()
        if v:
            return v
        time.sleep(0.1)
    raise AssertionError("timed out waiting for " + what)


def parquet_rows():
    keys = [o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="r-d-data-lake", Prefix="users/") for o in page.get("Contents", [])]
    tables = [pq.read_table(io.BytesIO(s3.get_object(Bucket="r-d-data-lake", Key=k)["Body"].read())) for k in keys]
    return sum(t.num_rows for t in tables) == n and (keys, tables)


keys, tables = until(f"{n} rows in Parquet files", parquet_rows)
now = datetime.datetime.now(datetime.timezone.utc)
assert keys[0].startswith(now.strftime("users/%Y/%m/%d/")), keys[0]
assert all(k.endswith(".parquet") for k in keys), keys
assert tables[0].schema.names == ["uuid", "event_date", "status", "name", "last_name", "email", "phone"], tables[0].schema

glue = boto3.client("glue")
glue.create_crawler(Name="users", Role="r-d-firehose", DatabaseName="r_d", TablePrefix="found_", Targets={"S3Targets": [{"Path": "s3://r-d-data-lake/users/"}]})
glue.start_crawler(Name="users")
until("the crawler", lambda: glue.get_crawler(Name="users")["Crawler"]["State"] == "READY" and "LastCrawl" in glue.get_crawler(Name="users")["Crawler"])
found = glue.get_table(DatabaseName="r_d", Name="found_users")["Table"]
assert [c["Name"] for c in found["StorageDescriptor"]["Columns"]] == tables[0].schema.names
assert [c["Name"] for c in found["PartitionKeys"]] == ["partition_0", "partition_1", "partition_2", "partition_3"], found["PartitionKeys"]

athena = boto3.client("athena")


def ask(sql):
    q = athena.start_query_execution(QueryString=sql, ResultConfiguration={"OutputLocation": "s3://r-d-data-lake/_results/"})["QueryExecutionId"]
    end = until(sql, lambda: (e := athena.get_query_execution(QueryExecutionId=q)["QueryExecution"])["Status"]["State"] in ("SUCCEEDED", "FAILED") and e)
    assert end["Status"]["State"] == "SUCCEEDED", end["Status"]
    rows = athena.get_query_results(QueryExecutionId=q)["ResultSet"]["Rows"]
    return [[c.get("VarCharValue") for c in r["Data"]] for r in rows[1:]], end


for table in ("users", "found_users"):
    rows, _ = ask(f"SELECT count(*), count(DISTINCT uuid), min(phone) >= 900000000 FROM r_d.{table}")
    assert rows == [[str(n), str(n), "true"]], (table, rows)
rows, end = ask("SELECT status, count(*) FROM r_d.users GROUP BY status ORDER BY status")
assert sum(int(r[1]) for r in rows) == n and {r[0] for r in rows} <= {"Active", "Inactive", "Canceled"}, rows
bucket, key = end["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").split("/", 1)
body = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
assert body.startswith('"status","_col1"\n"'), body

cw = boto3.client("cloudwatch")


def total(namespace, name, dimension, value):
    out = cw.get_metric_statistics(Namespace=namespace, MetricName=name, Dimensions=[{"Name": dimension, "Value": value}], Period=60, Statistics=["Sum"],
                                   StartTime=now - datetime.timedelta(hours=1), EndTime=now + datetime.timedelta(hours=1))
    return sum(p["Sum"] for p in out["Datapoints"])


assert total("AWS/Kinesis", "IncomingRecords", "StreamName", "r-d-kinesis-stream") == n
assert total("AWS/Firehose", "DeliveryToS3.Records", "DeliveryStreamName", "r-d-firehose") == n
print(f"{n} users: Parquet files, crawler, Athena and CloudWatch agree")
