"""A table that a pipeline writes, and others beside it. After each step all readers must see the rows of the model, the same columns, the
same history, and the transaction of the pipeline's newest batch."""

import json
import os
import re
import signal
import subprocess
import time

import events as e
import pyarrow as pa
import rows as r
from deltalake import DeltaTable
from peers import Refused


class Failed(Exception):
    """A reader saw something else than it should, or was refused."""


class Case:
    """A pipeline with a folder of files as its source. A file is a micro-batch."""

    def __init__(self, lake, name, types, query="SELECT * FROM source", columns=None, key=("id",), without=(), **sink):
        self.lake, self.name, self.types = lake, name, types
        self.columns, self.key = columns or types, key
        self.readers = [p for p in lake.peers if p not in without]
        self.model, self.batches, self.txn = {}, 0, None
        self.flags = ()  # of weir run
        self.source = os.path.join(lake.folder, "sources", name)
        os.makedirs(self.source)
        self.spec = {
            "name": name, "query": query, "trigger": "available-now",
            "source": {"stream": "file://" + self.source, "schema": e.spec(types), "mode": "fail", "max_files_per_trigger": 1},
            "sink": {"delta": f"s3://lake/{name}", "table": f"lake.{name}", **sink},
        }

    def put(self, records):
        """A file of records for the source, whole when it appears."""
        hidden = os.path.join(self.source, f".{self.batches}")
        with open(hidden, "w") as f:
            f.writelines(e.record(x) + "\n" for x in records)
        at = self.lake.started - 3600 + self.batches
        os.utime(hidden, (at, at))  # one after the other, and old enough to be taken at once
        os.rename(hidden, os.path.join(self.source, f"{self.batches:05}.json"))
        self.batches += 1

    def file(self):
        path = os.path.join(self.lake.folder, self.name + ".yaml")
        with open(path, "w") as f:
            json.dump(self.spec, f)  # JSON is YAML
        return path

    def start(self, **env):
        log = open(os.path.join(self.lake.folder, self.name + ".log"), "a")
        return subprocess.Popen([self.lake.weir, "run", self.file(), *self.flags], stdout=log, stderr=log, env={**os.environ, **env})

    def run(self, fault=None, fails=None):
        """Runs the pipeline over what the source holds; fault kills it on its way, fails is the reason for which it stops."""
        p = self.start(**({"WEIR_FAULT": fault} if fault else {}))
        code = p.wait(300)
        with open(os.path.join(self.lake.folder, self.name + ".log")) as f:
            said = f.read()
        if fault and code != -signal.SIGKILL or not fault and (code != 0) != bool(fails) or fails and fails not in said[-2000:]:
            raise Failed(f"{self.name}: the pipeline ended with {code}:\n{said[-2000:]}")
        if not fault and not fails:
            self.txn = self.batches - 1

    def batch(self, rows, **run):
        """A micro-batch of rows that are added."""
        self.put(rows)
        self.run(**run)
        self.add(rows)

    def add(self, rows):
        for x in rows:
            self.model[tuple(x[k] for k in self.key)] = x

    # What others do.

    def other(self, peer, method, *args, **more):
        for tries in range(20, 0, -1):
            try:
                return getattr(self.lake.peers[peer], method)(self.name, *args, **more)
            except Refused as x:
                # Beside a running pipeline their commits may be in conflict with its own, and it is for their users to try again.
                if tries == 1 or not re.search("concurrent|conflict", str(x), re.I):
                    raise Failed(f"{self.name}: {x}") from x

    def append(self, peer, rows):
        self.other(peer, "append", e.arrow(self.columns, rows))
        self.add(rows)

    def delete(self, peer, modulus, rest):
        self.other(peer, "delete", f"id % {modulus} = {rest}")
        self.model = {k: x for k, x in self.model.items() if x["id"] % modulus != rest}

    def add_column(self, peer):
        name = f"added_{len(self.columns)}"
        self.other(peer, "add_column", name)
        self.columns = [*self.columns, (name, "integer", pa.int32())]

    # What must hold.

    def check(self, what):
        names = [name for name, _, _ in self.columns]
        want, digest = r.digest([{n: x.get(n) for n in names} for x in self.model.values()])
        for peer in self.readers:
            got, _ = r.digest(rows_of(self.other(peer, "read")))
            if got != want:
                raise Failed(f"{self.name}: after {what}: {peer} reads {len(got)} rows, of which are not expected{sample(set(got) - set(want))}"
                             f"there should be {len(want)}, of which it lacks{sample(set(want) - set(got))}")
        self.check_log(what)
        print(f"  {what:58} {len(want):5} rows  {digest}", flush=True)

    def check_log(self, what):
        """Schema, history and transactions as delta-rs, Spark and weir tell them."""
        self.other("weir", "check")
        t = DeltaTable(self.lake.work.path(self.name))
        want = [[n, r.plain_type(k), True] for n, k, _ in self.columns]
        seen = {"delta-rs": r.plain_type(json.loads(t.schema().to_json()))[1]}
        if "spark" in self.readers:
            seen["spark"] = r.plain_type(json.loads(self.lake.peers["spark"].read(self.name)[1]))[1]
        for peer, schema in seen.items():
            if schema != want:
                raise Failed(f"{self.name}: after {what}: {peer} has the columns\n{schema}\nand not\n{want}")
        told = {"delta-rs": [(h["version"], h["operation"]) for h in t.history()]}
        lines = self.lake.peers["weir"].run("table", "history", f"lake.{self.name}", "--json", "-n", "0").splitlines()
        told["weir"] = [(h["version"], h["operation"]) for h in map(json.loads, lines)]
        if "spark" in self.readers:
            rows = self.lake.peers["spark"].sql(self.name, "DESCRIBE HISTORY {t}")
            told["spark"] = [(h["version"], h["operation"]) for h in rows]
        if any(sorted(h) != sorted(told["delta-rs"]) for h in told.values()):
            raise Failed(f"{self.name}: after {what}: histories {told}")
        self.history = [operation for _, operation in sorted(told["weir"])]
        if self.txn is not None and t.transaction_version(self.name) != self.txn:
            raise Failed(f"{self.name}: after {what}: the transaction is {t.transaction_version(self.name)}, not {self.txn}")

    def has_done(self, *operations):
        missing = [o for o in operations if o not in self.history]
        if missing:
            raise Failed(f"{self.name}: the history lacks {missing}: {self.history}")


class Running:
    """A pipeline that runs while others write to its table."""

    def __init__(self, case):
        self.case = case
        case.spec["trigger"] = "50 ms"

    def __enter__(self):
        self.process = self.case.start()
        return self

    def wait(self):
        """Waits until the newest file of the source is in the table."""
        end = time.monotonic() + 180
        while (version := DeltaTable(self.case.lake.work.path(self.case.name)).transaction_version(self.case.name)) != self.case.batches - 1:
            if self.process.poll() is not None or time.monotonic() > end:
                raise Failed(f"{self.case.name}: the pipeline {'ended' if self.process.poll() is not None else 'is stuck'} at batch {version} of {self.case.batches}: see its log")
            time.sleep(0.05)
        self.case.txn = version

    def __exit__(self, *error):
        self.process.send_signal(signal.SIGINT)
        if self.process.wait(180) != 0 and error[0] is None:
            raise Failed(f"{self.case.name}: the pipeline ended with {self.process.returncode}: see its log")
        self.case.spec["trigger"] = "available-now"


def rows_of(answer):
    return answer[0] if isinstance(answer, tuple) else answer


def sample(lines):
    return "\n  ".join(["", *sorted(lines)[:2]]) + "\n"
