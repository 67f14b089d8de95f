"""The producer of tutorial B, after its listing."""
import datetime
import json
import random
import sys
import uuid

import boto3
from faker import Faker

kinesis = boto3.client("kinesis", region_name="us-east-1")


def data_producer():
    fake_data = Faker()
    time_now = datetime.datetime.now()
    return {
        "uuid": str(uuid.uuid4()),
        "event_date": time_now.isoformat(),
        "status": fake_data.random_element(elements=("Active", "Inactive", "Canceled")),
        "name": fake_data.first_name(),
        "last_name": fake_data.last_name(),
        "email": fake_data.email(),
        "phone": random.randint(900000000, 999999999),
    }


def data_sender(max_record):
    record_count = 0
    while record_count < max_record:
        data = json.dumps(data_producer())
        print(data)
        kinesis.put_record(StreamName="r-d-kinesis-stream", Data=data, PartitionKey="partitionkey")
        record_count += 1


data_sender(int(sys.argv[1]))
