"""The producer of tutorial A, after its listing: pandas rows, timestamps to ISO text, put_record, five at a time."""
import configparser
import json
import sys

import boto3
import pandas as pd

cfg = configparser.ConfigParser()
cfg.read("aws.cfg")
kinesis_client = boto3.client(
    "kinesis",
    aws_access_key_id=cfg["AWS"]["aws_access_key_id"],
    aws_secret_access_key=cfg["AWS"]["aws_secret_access_key"],
    region_name=cfg["AWS"]["region_name"],
)


def produce(stream_name, data, partition_key):
    for key in data:
        if isinstance(data[key], pd.Timestamp):
            data[key] = data[key].isoformat()
    return kinesis_client.put_record(StreamName=stream_name, Data=json.dumps(data), PartitionKey=partition_key)


def load(path):
    if path.endswith(".ndjson"):
        return pd.read_json(path, lines=True)
    return pd.read_csv(path, parse_dates=["tpep_pickup_datetime", "tpep_dropoff_datetime"])


rides = load(sys.argv[1]).head(int(sys.argv[2]))
for start in range(0, len(rides), 5):
    for i, row in rides.iloc[start : start + 5].iterrows():
        response = produce("input-stream", row.to_dict(), str(i))
        assert response["ShardId"].startswith("shardId-"), response
        assert len(response["SequenceNumber"]) == 56, response
print(f"{len(rides)} rides sent")
