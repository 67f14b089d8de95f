"""Folders of Parquet files that pipelines write, read as other programs read such folders, also while the pipeline writes and when it was killed."""

import os
import signal
import time

import duckdb
import events as e
import pyarrow as pa
import pyarrow.dataset as ds
import rows as r
from peers import rows_in
from tables import Case, Failed, sample

KEYS = ("region", "slot")  # whose values are in the names of folders


class Folder(Case):
    def __init__(self, lake, name, place):
        super().__init__(lake, name, e.TYPES)
        self.spec["sink"] = {"parquet": place, "partition_by": list(KEYS)}
        self.spec["trigger"] = "50 ms"
        bucket = place.startswith("s3://")
        self.flags = ("--keep", place + ".progress")
        self.folder = lake.work.path(name) if bucket else place

    def programs(self):
        yield "pyarrow", lambda: ds.dataset(self.folder, format="parquet", partitioning=ds.partitioning(pa.schema([("region", pa.string()), ("slot", pa.date32())]), flavor="hive")).to_table()
        # Null, which is the folder of this name, is a text to DuckDB.
        values = "nullif(region, '__HIVE_DEFAULT_PARTITION__') AS region, CAST(nullif(slot, '__HIVE_DEFAULT_PARTITION__') AS DATE) AS slot"
        query = f"SELECT * REPLACE ({values}) FROM read_parquet('{self.folder}/**/*.parquet', hive_partitioning = true, hive_types = {{'region': VARCHAR, 'slot': VARCHAR}})"
        yield "duckdb", lambda: duckdb.sql(query).fetch_arrow_table()

    def check_folder(self, what):
        want, digest = r.digest(self.model.values())
        seen = {name: read().to_pylist() for name, read in self.programs()}
        if "spark" in self.lake.peers:
            to = self.lake.work.new()
            self.lake.peers["spark"].peer.ask("read_folder", path=self.folder, to=to)
            seen["spark"] = rows_in(to)
        for name, rows in seen.items():
            got, _ = r.digest(rows)
            if got != want:
                raise Failed(f"{self.name}: after {what}: {name} reads {len(got)} rows, of which are not expected{sample(set(got) - set(want))}"
                             f"there should be {len(want)}, of which it lacks{sample(set(want) - set(got))}")
        print(f"  {what:58} {len(want):5} rows  {digest}", flush=True)

    def look(self):
        """What a reader sees now: never a row twice, never one that was not given, never half a file."""
        for name, read in self.programs():
            try:
                rows = read()
            except (FileNotFoundError, duckdb.IOException, duckdb.BinderException):
                continue  # nothing is there yet, or a file of an attempt that died went away between listing and reading
            ids = rows["id"].to_pylist() if "id" in rows.column_names else []
            if len(ids) != len(set(ids)) or not set(ids) <= set(i for i, in self.model):
                raise Failed(f"{self.name}: {name} sees {len(ids)} rows with {len(set(ids))} ids, of {len(self.model)}")


def folder(lake, name, place):
    c = Folder(lake, name, place)
    for n in range(6):
        c.put(rows := [e.row(i) for i in range(100 * n, 100 * n + 100)])
        c.add(rows)
    for n in range(6):
        p = c.start()
        end = time.monotonic() + 0.15 + 0.07 * n  # somewhere in its start, or in one of the batches
        while time.monotonic() < end:
            c.look()
        p.send_signal(signal.SIGKILL)
        p.wait()
        c.look()
    c.spec["trigger"] = "available-now"
    c.run()
    c.check_folder("6 batches, killed 6 times")
    hidden = [f for _, _, files in os.walk(c.folder) for f in files if f.endswith(".tmp")]
    if hidden:
        raise Failed(f"{c.name}: files are left over: {hidden}")
