"""weir's side of the bench: servers, pipelines, and what they report."""

import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request

from machine import STOP_AFTER, Watched, clean_environment

RIDE_FIELDS = [
    ("ride", "bigint"), ("tpep_pickup_datetime", "timestamp"), ("tpep_dropoff_datetime", "timestamp"), ("VendorID", "string"),
    ("passenger_count", "double"), ("trip_distance", "double"), ("RatecodeID", "string"), ("store_and_fwd_flag", "string"),
    ("PULocationID", "string"), ("DOLocationID", "string"), ("payment_type", "string"), ("fare_amount", "double"), ("extra", "double"),
    ("mta_tax", "double"), ("tip_amount", "double"), ("tolls_amount", "double"), ("improvement_surcharge", "double"),
    ("total_amount", "double"), ("congestion_surcharge", "double"), ("Airport_fee", "double"),
]
PARTS = ("year", "month", "day", "hour")
RIDES_QUERY = "SELECT *, " + ", ".join("%s(tpep_pickup_datetime) AS %s" % (p, p) for p in PARTS) + " FROM source"
EVENT_FIELDS = [("key", "bigint"), ("at", "timestamp"), ("amount", "double")]
WATERMARK_DELAY = "10 seconds"
STREAM = "pipeline-bench"  # a name that nobody else puts into, should another program use the default port meanwhile


def rides_pipeline(name, trigger=None):
    """The tutorial's pipeline, with the number of the ride besides."""
    p = {
        "name": name,
        "source": {"stream": STREAM, "format": "json", "schema": dict(RIDE_FIELDS), "mode": "permissive"},
        "query": RIDES_QUERY,
        "sink": {"delta": "s3://lake/" + name, "table": "lake." + name.replace("-", "_"), "partition_by": list(PARTS), "mode": "append"},
        "dead_letters": "s3://lake/_dead/" + name,
    }
    if trigger:
        p["trigger"] = trigger
    return p


def windows_pipeline(name, mode):
    """Windows of a minute for each key."""
    return {
        "name": name,
        "source": {"stream": STREAM, "format": "json", "schema": dict(EVENT_FIELDS), "watermark": {"column": "at", "delay": WATERMARK_DELAY}},
        "query": "SELECT window.start AS start, key, count(*) AS n, sum(amount) AS total FROM source GROUP BY window(at, '1 minute'), key",
        "output_mode": mode,
        "sink": {"delta": "s3://lake/" + name},
        "dead_letters": "s3://lake/_dead/" + name,
    }


class Weir:
    """A data directory of weir."""

    def __init__(self, work, binary, load):
        self.work, self.binary, self.load = work, binary, load
        self.data = os.path.join(work, "weir-data")
        self.server = None
        self.count = 0

    def path(self, name):
        self.count += 1
        return os.path.join(self.work, "%02d-%s" % (self.count, name))

    def serve(self):
        self.server = Watched([self.binary, "serve", "--listen", "127.0.0.1:0", "--data", self.data], self.path("serve"))
        for _ in range(600):
            found = re.search(r"ready at (http://[0-9.:]+)", "\n".join(self.server.lines()))
            if found:
                self.url = found[1]
                break
            time.sleep(0.05)
        else:
            raise SystemExit("weir serve is not ready: " + self.server.said_last())
        self.make("PUT", "/lake")
        self.make("POST", "/", {"StreamName": STREAM, "ShardCount": 4}, {"X-Amz-Target": "Kinesis_20131202.CreateStream", "Content-Type": "application/x-amz-json-1.1"})

    def make(self, method, path, body=None, headers={}):
        """Makes a bucket or a stream unless it is there."""
        request = urllib.request.Request(self.url + path, method=method, data=body and json.dumps(body).encode(), headers=headers)
        try:
            urllib.request.urlopen(request).close()
        except urllib.error.HTTPError as e:
            if e.code != 409 and b"ResourceInUseException" not in e.read():
                raise

    def stop(self):
        server, self.server = self.server, None
        server.stop()
        return server

    def put(self, *flags, log=None):
        """Puts records and returns what the load generator said."""
        command = [self.load, "put", self.url.removeprefix("http://"), "-stream", STREAM, *flags]
        p = Watched(command + (["-log", log] if log else []), self.path("put"))
        p.wait()
        return p.said()

    def file(self, pipeline):
        path = self.path(pipeline["name"] + ".yaml")
        with open(path, "w") as f:
            json.dump(pipeline, f, indent=1)  # JSON is YAML
        return path

    def run_once(self, pipeline):
        """weir run --once in a process of its own on the data directory: the process, and its reports."""
        p = Watched([self.binary, "run", self.file(pipeline), "--once", "--progress", "--embedded", "--data", self.data], self.path("run"))
        seconds = p.wait()
        return seconds, reports(p.lines()), p

    def start(self, pipeline):
        subprocess.run([self.binary, "pipeline", "create", self.file(pipeline), "--endpoint", self.url], check=True, stdout=subprocess.DEVNULL, env=clean_environment())

    def status(self, name):
        with urllib.request.urlopen("%s/_weir/pipelines/%s" % (self.url, name)) as r:
            return json.load(r)

    def await_status(self, name, wanted, timeout=STOP_AFTER):
        """The status of a pipeline once wanted(status) is true."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            s = self.status(name)
            if s["state"] == "failed":
                raise SystemExit("pipeline %s failed: %s" % (name, s.get("error")))
            if wanted(s):
                return s
            time.sleep(0.02)
        raise SystemExit("pipeline %s is not done after %d s: %s" % (name, timeout, s))

    def reports(self, name):
        with urllib.request.urlopen("%s/_weir/pipelines/%s/progress?after=-1" % (self.url, name)) as r:
            return reports(r.read().decode().splitlines())

    def table(self, name):
        return os.path.join(self.data, "objects", "lake", name)

    def drop(self, name):
        shutil.rmtree(self.table(name), ignore_errors=True)

    def remove(self):
        shutil.rmtree(self.data, ignore_errors=True)


def reports(lines):
    out = [json.loads(line) for line in lines if line.startswith("{")]
    dead = sum(r["deadLetters"] for r in out)
    if dead:
        raise SystemExit("weir has %d dead letters" % dead)
    return out


def rate(reports):
    """Records a second of the batches with records, the first left out where there are enough."""
    some = [r for r in reports if r["numInputRows"] > 0]
    if len(some) > 3:
        some = some[1:]
    return sum(r["numInputRows"] for r in some) / max(0.001, sum(r["batchDuration"] for r in some) / 1000)
