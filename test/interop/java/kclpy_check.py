"""amazon_kclpy against weir: its daemon reads a stream that is split meanwhile; every record must come, in order for each key.

Usage: kclpy_check.py KCLPY_FOLDER, in a folder with daemon/lib, with AWS_ENDPOINT_URL and DYNAMODB_URL set.
"""
import os
import pathlib
import subprocess
import sys
import time

import boto3

KEYS, RECORDS, STREAM = 50, 4000, "kclpy"

folder = pathlib.Path(sys.argv[1]).resolve()
here = pathlib.Path(__file__).resolve().parent
work = pathlib.Path.cwd()
kinesis = boto3.client("kinesis")


def put(begin, end):
    for at in range(begin, end, 500):
        entries = [{"PartitionKey": f"key-{n % KEYS}", "Data": f"key-{n % KEYS}:{n // KEYS + 1}".encode()} for n in range(at, at + 500)]
        assert kinesis.put_records(StreamName=STREAM, Records=entries)["FailedRecordCount"] == 0


def read(path):
    """The records seen in order, how many came again, and how many shards ended."""
    last, repeated, ended = {}, 0, 0
    for line in path.read_bytes().split(b"\n")[:-1] if path.exists() else []:
        if line == b"ended":
            ended += 1
            continue
        key, n = line.decode().rsplit(":", 1)
        if int(n) <= last.get(key, 0):
            repeated += 1
        elif int(n) == last.get(key, 0) + 1:
            last[key] = int(n)
        else:
            sys.exit(f"kclpy: record {n} of {key} came after record {last.get(key, 0)}")
    return sum(last.values()), repeated, ended


kinesis.create_stream(StreamName=STREAM, ShardCount=2)
kinesis.get_waiter("stream_exists").wait(StreamName=STREAM)
arn = kinesis.describe_stream_summary(StreamName=STREAM)["StreamDescriptionSummary"]["StreamARN"]
put(0, RECORDS // 2)
(work / "kclpy.properties").write_text(f"""executableName = {sys.executable} {here}/kclpy_app.py
streamName = {STREAM}
streamArn = {arn}
applicationName = kclpy-check
AwsCredentialsProvider = DefaultCredentialsProvider
processingLanguage = python/3
initialPositionInStream = TRIM_HORIZON
regionName = us-east-1
shardSyncIntervalMillis = 2000
failoverTimeMillis = 5000
""")
out = work / "kclpy.out"
env = dict(os.environ, KCLPY_OUT=str(out), PYTHONPATH=str(folder), AWS_ENDPOINT_URL_DYNAMODB=os.environ["DYNAMODB_URL"])
with open(work / "daemon.log", "wb") as log:
    daemon = subprocess.Popen(["java", "-cp", f"daemon/lib/*:{work}", "software.amazon.kinesis.multilang.MultiLangDaemon",
                               "--properties-file", "kclpy.properties"], env=env, stdout=log, stderr=log, cwd=work)
    try:
        shard = kinesis.list_shards(StreamName=STREAM)["Shards"][0]
        middle = (int(shard["HashKeyRange"]["StartingHashKey"]) + int(shard["HashKeyRange"]["EndingHashKey"])) // 2
        kinesis.split_shard(StreamName=STREAM, ShardToSplit=shard["ShardId"], NewStartingHashKey=str(middle))
        put(RECORDS // 2, RECORDS)
        deadline = time.monotonic() + 240
        seen = ended = 0
        while (seen < RECORDS or ended == 0) and time.monotonic() < deadline and daemon.poll() is None:
            time.sleep(1)
            seen, repeated, ended = read(out)
    finally:
        daemon.terminate()
        daemon.wait(30)
print(f"kclpy: {seen} of {RECORDS} records, {repeated} came again, {ended} shards read to their end")
if seen != RECORDS or ended == 0:
    sys.exit("kclpy: records or the end of a shard are missing")
