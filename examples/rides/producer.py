#!/usr/bin/env python3
"""Sends taxi rides to a Kinesis stream, a few records every few seconds.

The access keys and the region come from aws.cfg. Rides come from a CSV file of the Taxi and Limousine Commission
(--file, also .gz) or are made up. Set AWS_ENDPOINT_URL to send to weir; without it the rides go to AWS.
"""

import argparse
import configparser
import csv
import datetime
import gzip
import itertools
import json
import random
import sys
import time

import boto3

FIELDS_OF_TIME = ("tpep_pickup_datetime", "tpep_dropoff_datetime")
FIELDS_OF_TEXT = ("store_and_fwd_flag",)


def read_config(path):
    """Returns the keys and the region that the AWS section of the file holds, as boto3 wants them."""
    config = configparser.ConfigParser()
    if not config.read(path):
        sys.exit(f"{path} is not there: copy aws.cfg.example to {path} and put your keys into it")
    section = config["AWS"]
    return {name: section[name] for name in ("aws_access_key_id", "aws_secret_access_key", "region_name")}


def read_rides(path):
    """Yields the rows of a CSV file with numbers, times and None in place of text where the column holds such."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            yield {name: read_value(name, text) for name, text in row.items()}


def read_value(name, text):
    if text == "":
        return None
    if name in FIELDS_OF_TIME:
        return datetime.datetime.fromisoformat(text)
    if name in FIELDS_OF_TEXT:
        return text
    try:
        return int(text)
    except ValueError:
        return float(text)


def make_rides():
    """Yields rides without end. Money is counted in cents so that the parts add up to the total."""
    pickup = datetime.datetime.now().replace(microsecond=0)
    while True:
        pickup += datetime.timedelta(seconds=random.randint(1, 30))
        miles = round(min(max(random.lognormvariate(0.6, 0.7), 0.3), 25), 2)
        minutes = miles / 10 * 60 * random.uniform(0.8, 1.4) + 1
        rush_hour = pickup.weekday() < 5 and 16 <= pickup.hour < 20
        night = pickup.hour >= 20 or pickup.hour < 6
        card = random.random() < 0.72
        cents = {
            "fare_amount": 250 + 50 * int(miles * 5) + 50 * int(minutes / 4),
            "extra": 100 if rush_hour else 50 if night else 0,
            "mta_tax": 50,
            "tip_amount": 0,
            "tolls_amount": 0,
            "improvement_surcharge": 30,
            "total_amount": 0,
            "congestion_surcharge": 250,
            "Airport_fee": 0,
        }
        if card:
            cents["tip_amount"] = sum(cents.values()) * random.randint(15, 25) // 100
        cents["total_amount"] = sum(cents.values())
        yield {
            "VendorID": random.choice((1, 2)),
            "tpep_pickup_datetime": pickup,
            "tpep_dropoff_datetime": pickup + datetime.timedelta(seconds=int(minutes * 60)),
            "passenger_count": float(random.choice((1, 1, 1, 1, 2, 3))),
            "trip_distance": miles,
            "RatecodeID": 1.0,
            "store_and_fwd_flag": "N",
            "PULocationID": random.choice((48, 79, 107, 142, 161, 162, 170, 186, 230, 236, 237)),
            "DOLocationID": random.choice((48, 79, 107, 142, 161, 162, 170, 186, 230, 236, 237)),
            "payment_type": 1 if card else 2,
            **{name: value / 100 for name, value in cents.items()},
        }


def produce(stream_name, data, partition_key):
    """Puts one record into the stream and returns the answer, None if it could not be sent."""
    try:
        for key in data:
            if isinstance(data[key], datetime.datetime):
                data[key] = data[key].isoformat()
        return kinesis_client.put_record(
            StreamName=stream_name,
            Data=json.dumps(data),
            PartitionKey=partition_key,
        )
    except Exception as error:
        print(f"Error producing record: {error}")
        return None


def bursts(rides, size):
    """Cuts rides into lists of the given size."""
    rides = iter(rides)
    while burst := list(itertools.islice(rides, size)):
        yield burst


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stream", default="input-stream", help="stream to send to (default: %(default)s)")
    parser.add_argument("--config", default="aws.cfg", help="file with the access keys (default: %(default)s)")
    parser.add_argument("--file", help="CSV file of rides, also .csv.gz; without it rides are made up")
    parser.add_argument("--amount", type=int, help="how many rides to send (default: all of the file, or without end)")
    parser.add_argument("--burst", type=int, default=5, help="records in one go (default: %(default)s)")
    parser.add_argument("--pause", type=float, default=3, help="seconds between two goes (default: %(default)s)")
    arguments = parser.parse_args()

    kinesis_client = boto3.client("kinesis", **read_config(arguments.config))
    source = read_rides(arguments.file) if arguments.file else make_rides()
    sent = failed = 0
    try:
        for number, burst in enumerate(bursts(itertools.islice(source, arguments.amount), arguments.burst)):
            if number > 0:
                time.sleep(arguments.pause)
            for ride in burst:
                answer = produce(arguments.stream, ride, str(ride["PULocationID"]))
                if answer is None:
                    failed += 1
                    continue
                sent += 1
                print(f"{answer['ShardId']} {answer['SequenceNumber']} {ride['tpep_pickup_datetime']} {ride['total_amount']}")
    except KeyboardInterrupt:
        pass
    print(f"{sent} rides sent to {arguments.stream}, {failed} failed.")
    sys.exit(1 if failed else 0)
