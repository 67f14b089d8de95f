#!/usr/bin/env python3
"""Makes up people and sends them to a Kinesis stream.

Set AWS_ENDPOINT_URL to send to weir; without it the people go to AWS.
"""

import argparse
import datetime
import json
import logging
import os
import random
import uuid

import boto3

try:
    from faker import Faker
except ImportError:  # the names are then fewer
    Faker = None

STREAM_NAME = "r-d-kinesis-stream"
STATES = ("Active", "Inactive", "Canceled")


class FewNames:
    """The part of Faker that is used here, for a machine without it."""

    first = ("Alicia", "Donna", "James", "Jeffrey", "John", "José", "Kathleen", "Luke", "Samuel", "Tina")
    last = ("Davis", "Fox", "Jones", "Kelley", "O'Connor", "Olson", "Richards", "Saunders", "Vega", "Willis")

    def random_element(self, elements):
        return random.choice(elements)

    def first_name(self):
        return random.choice(self.first)

    def last_name(self):
        return random.choice(self.last)

    def email(self):
        return f"user{random.randint(1, 99999)}@example.{random.choice(('com', 'net', 'org'))}"


fake = Faker() if Faker else FewNames()


def data_producer():
    """Returns a person."""
    return {
        "uuid": str(uuid.uuid4()),
        "event_date": datetime.datetime.now().isoformat(timespec="microseconds"),
        "status": fake.random_element(elements=STATES),
        "name": fake.first_name(),
        "last_name": fake.last_name(),
        "email": fake.email(),
        "phone": random.randint(900000000, 999999999),
    }


def data_sender(kinesis, max_record):
    """Prints and sends max_record people, one call each."""
    for _ in range(max_record):
        data = json.dumps(data_producer())
        print(data, flush=True)
        kinesis.put_record(StreamName=STREAM_NAME, Data=data, PartitionKey="partitionkey")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--amount", type=int, default=10, help="how many people to send (default: %(default)s)")
    arguments = parser.parse_args()

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s - %(levelname)s - %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    logger = logging.getLogger("data-producer")
    logger.setLevel(logging.INFO)

    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    kinesis = boto3.client("kinesis", region_name=region)
    logger.info("Started data generation.")
    data_sender(kinesis, arguments.amount)
    logger.info("%d messages delivered to Kinesis.", arguments.amount)


if __name__ == "__main__":
    main()
