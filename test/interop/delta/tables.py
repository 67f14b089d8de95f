"""A table that several implementations change in turn. After each step every one of them reads it: rows and schema must be those
of the model, which is a dict in this program."""

import collections
import glob
import json
import os
import time

import rows as r
from peers import Refused


class Failed(Exception):
    """A reader saw something else than it should, or an operation was refused."""


class Table:
    """A table under test, and what it must hold."""

    def __init__(self, peers, name, without=()):
        self.peers, self.name = peers, name
        self.readers = [p for p in ("weir", "spark", "delta-rs") if p not in without]
        self.model = {}
        self.past = {}  # rows and schema by version
        self.steps = self.version = 0
        self.schema = r.SCHEMA
        self.hidden = ()  # columns whose values are not those of the model: they must be the same for all readers, see hold
        self.held = {}
        self.derived = {}  # columns that the table computes from others
        self.spent = {}  # seconds, by peer
        self.done = collections.Counter()  # changes, by peer and method

    def step(self, what):
        """Compares what every reader sees with the model."""
        want = self.expected()
        lines, digest = r.digest(want)
        others, versions = set(), {}
        for name in self.readers:
            rows, schema, versions[name] = self.ask(what, name, "read")
            others.add(r.digest([{k: row[k] for k in (*self.hidden, "id")} for row in rows])[1])
            self.hold(what, name, rows)
            self.compare(what, name, [{k: v for k, v in row.items() if k not in self.hidden} for row in rows], lines)
            if r.plain_schema(schema) != r.plain_schema(self.schema):
                self.fail(what, f"{name} reads the schema\n{r.plain_schema(schema)}\nand not\n{r.plain_schema(self.schema)}")
        if len(set(versions.values())) != 1:
            self.fail(what, f"versions {versions}")
        if len(others) > 1:
            self.fail(what, f"readers see other values of {self.hidden}")
        self.version = versions.popitem()[1]
        self.past[self.version] = (want, self.schema)
        self.steps += 1
        print(f"  {what:42} version {self.version:3}  {len(want):5} rows  {digest}", flush=True)

    def hold(self, what, name, rows):
        """Hidden values must be different for all rows, and stay what they were."""
        for column in self.hidden:
            values = {row["id"]: row[column] for row in rows}
            before = self.held.setdefault(column, {})
            changed = [f"{i}: {before[i]} -> {v}" for i, v in values.items() if before.get(i, v) != v]
            if changed or len(set(values.values())) != len(values) or None in values.values():
                self.fail(what, f"{name} reads values of {column} that are null, twice there or other than before: {changed[:5]}")
            self.held[column] = values

    def compare(self, what, name, rows, want):
        got, _ = r.digest(rows)
        if got != want:
            self.fail(what, f"{name} reads {len(got)} rows, of which are not expected {sample(set(got) - set(want))}; "
                      f"there should be {len(want)}, of which it lacks {sample(set(want) - set(got))}")

    def expected(self):
        return [{**row, **{name: of(row) for name, of in self.derived.items()}} for row in self.model.values()]

    def fail(self, what, why):
        raise Failed(f"{self.name}: after {what}:\n{why}")

    def ask(self, what, peer, method, *args, **more):
        start = time.monotonic()
        try:
            return getattr(self.peers[peer], method)(self.name, *args, **more)
        except Refused as e:
            self.fail(what, str(e))
        finally:
            self.spent[peer] = self.spent.get(peer, 0) + time.monotonic() - start

    def do(self, peer, method, *args, **more):
        answer = self.ask(f"{peer} {method}", peer, method, *args, **more)
        self.done[peer, method] += 1
        return answer

    # The steps. Each is done by one peer, and to the model.

    def create(self, peer, by=(), properties=None, schema=r.SCHEMA, **more):
        self.schema = schema
        self.do(peer, "create", schema, list(by), properties or {}, **more)
        self.step(f"{peer} creates")

    def append(self, peer, first, last):
        self.put(peer, "append", "appends", [r.row(i) for i in range(first, last)])

    def merge(self, peer, first, last, generation):
        self.put(peer, "merge", "merges", [r.row(i, generation) for i in range(first, last)])

    def put(self, peer, method, verb, new):
        self.do(peer, method, r.table(new))
        for row in new:
            self.model[row["id"]] = row
        self.step(f"{peer} {verb}")

    def delete(self, peer, modulus, rest):
        self.do(peer, "delete", f"id % {modulus} = {rest}")
        self.model = {i: x for i, x in self.model.items() if i % modulus != rest}
        self.step(f"{peer} deletes")

    def delete_slot(self, peer, day):
        self.do(peer, "delete", f"slot = DATE '{day}'")
        self.model = {i: x for i, x in self.model.items() if x["slot"] != day}
        self.step(f"{peer} deletes a slot")

    def update(self, peer, modulus, rest, word):
        self.do(peer, "update", "word", f"'{word}'", f"id % {modulus} = {rest}")
        self.model = {i: {**x, "word": word} if i % modulus == rest else x for i, x in self.model.items()}
        self.step(f"{peer} updates")

    def keep(self, peer, *methods, **more):
        """Steps after which the table holds the same rows."""
        for method in methods:
            self.do(peer, method, **more)
            self.step(f"{peer} does {method}")

    def restore(self, peer, version):
        self.do(peer, "restore", version)
        rows, self.schema = self.past[version]
        self.model = {row["id"]: row for row in rows}
        self.step(f"{peer} restores version {version}")

    def travel(self, *versions):
        """Older versions, read by all."""
        for version in versions:
            rows, schema = self.past[version]
            for name in self.readers:
                got, got_schema, _ = self.ask(f"reading version {version}", name, "read", version=version)
                self.compare(f"reading version {version}", name, got, r.digest(rows)[0])
                if r.plain_schema(got_schema) != r.plain_schema(schema):
                    self.fail(f"reading version {version}", f"{name} reads the schema {got_schema}")
        print(f"  all read versions {', '.join(map(str, versions))}", flush=True)

    def refuses(self, peer, reason, method, *args):
        """The peer must say no, and why."""
        try:
            getattr(self.peers[peer], method)(self.name, *args)
        except Refused as e:
            if reason not in str(e):
                self.fail(f"{peer} {method}", f"refused, but not for {reason}: {e}")
            print(f"  {peer} refuses: {reason}", flush=True)
        else:
            self.fail(f"{peer} {method}", f"not refused: {reason}")

    # What lies in the log.

    def log(self, pattern="*"):
        return sorted(glob.glob(os.path.join(self.peers["weir"].work.path(self.name), "_delta_log", pattern)))

    def forget_commits(self):
        """Removes the commits before the newest checkpoint, so that it is what everybody reads."""
        newest = max(int(os.path.basename(p)[:20]) for p in self.log("*.checkpoint*"))
        for p in self.commits():
            if version_of(p) < newest:
                os.remove(p)
        self.step(f"commits below {newest} are gone")

    def commits(self):
        return [p for p in self.log("*.json") if os.path.basename(p)[20:] == ".json"]

    def actions(self, kind):
        """What commits say of a kind, oldest first, as pairs of version and action."""
        for p in self.commits():
            with open(p) as lines:
                for line in lines:
                    if kind in (action := json.loads(line)):
                        yield version_of(p), action[kind]


def version_of(path):
    return int(os.path.basename(path)[:20])


def sample(lines):
    return "\n  ".join(["", *sorted(lines)[:3]]) + "\n"
