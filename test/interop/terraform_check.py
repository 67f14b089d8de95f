"""Waits for the Parquet files of the stack in examples/users/terraform, then asks Athena and CloudWatch what it holds."""
import datetime
import sys
import time

import boto3

n = int(sys.argv[1])
s3, athena, glue, cloudwatch = (boto3.client(s) for s in ("s3", "athena", "glue", "cloudwatch"))


def until(what, done, seconds=30):
    end = time.time() + seconds
    while not (value := done()):
        assert time.time() < end, f"timed out waiting for {what}"
        time.sleep(0.1)
    return value


def ask(sql):
    """Runs sql in the workgroup that Terraform made, which decides where the results go."""
    query = athena.start_query_execution(QueryString=sql, WorkGroup="r-d-workgroup", QueryExecutionContext={"Database": "r_d_database"})["QueryExecutionId"]
    end = until(sql, lambda: (e := athena.get_query_execution(QueryExecutionId=query)["QueryExecution"])["Status"]["State"] in ("SUCCEEDED", "FAILED") and e)
    assert end["Status"]["State"] == "SUCCEEDED", end["Status"]
    assert end["ResultConfiguration"]["OutputLocation"].startswith("s3://r-d-data-lake/athena/"), end["ResultConfiguration"]
    rows = athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
    return [[c.get("VarCharValue") for c in r["Data"]] for r in rows[1:]]


def total(namespace, name, dimension, value):
    now = datetime.datetime.now(datetime.timezone.utc)
    hour = datetime.timedelta(hours=1)
    points = cloudwatch.get_metric_statistics(Namespace=namespace, MetricName=name, Dimensions=[{"Name": dimension, "Value": value}], Period=60,
                                              Statistics=["Sum"], StartTime=now - hour, EndTime=now + hour)["Datapoints"]
    return sum(p["Sum"] for p in points)


until("Parquet files", lambda: s3.list_objects_v2(Bucket="r-d-data-lake", Prefix="users/").get("KeyCount"))
until(f"{n} people", lambda: ask("SELECT count(DISTINCT uuid) FROM users") == [[str(n)]])
named = [athena.get_named_query(NamedQueryId=q)["NamedQuery"] for q in athena.list_named_queries(WorkGroup="r-d-workgroup")["NamedQueryIds"]]
assert [q["Name"] for q in named] == ["r-d-users-by-status"], named
by_status = ask(named[0]["QueryString"])
assert sum(int(count) for _, count in by_status) == n and len(by_status) == 3, by_status

for namespace, name, dimension, value in (
    ("AWS/Kinesis", "IncomingRecords", "StreamName", "r-d-kinesis-stream"),
    ("AWS/Firehose", "DataReadFromKinesisStream.Records", "DeliveryStreamName", "r-d-firehose-stream"),
    ("AWS/Firehose", "DeliveryToS3.Records", "DeliveryStreamName", "r-d-firehose-stream"),
):
    assert total(namespace, name, dimension, value) == n, (name, total(namespace, name, dimension, value))

glue.start_crawler(Name="r-d-crawler")
until("the crawler", lambda: (c := glue.get_crawler(Name="r-d-crawler")["Crawler"])["State"] == "READY" and "LastCrawl" in c)
assert ask("SELECT count(*) FROM found_users") == [[str(n)]]
print(f"{n} people: Parquet files, Athena, its named query, CloudWatch and the crawler agree")
