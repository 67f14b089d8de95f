"""Measures weir and delta-rs on the same tables, in turn, and prints a table of medians with ratios. Each measurement is a whole
process. usage: bench.py WORK BENCH [OPERATION…]; RUNS, COMMITS, FILES and RIDES change the sizes."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

RUNS = int(os.environ.get("RUNS", "3"))
COMMITS = int(os.environ.get("COMMITS", "10000"))
FILES = int(os.environ.get("FILES", "1000000"))
RIDES = int(os.environ.get("RIDES", "1000000"))
SIDES = ("weir", "delta-rs")


class Bench:
    def __init__(self, work, program):
        self.work, self.program = work, program
        self.script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench_delta_rs.py")
        self.rows = []

    def command(self, side, op, folder, *args):
        first = [self.program] if side == "weir" else [sys.executable, self.script]
        return [*first, op, folder, *args]

    def process(self, side, op, folder, *args):
        """One process: seconds of the operation, seconds in all, peak resident memory in MiB, and what it said."""
        with tempfile.TemporaryFile() as out:
            start = time.monotonic()
            p = subprocess.Popen(self.command(side, op, folder, *args), stdout=out)
            _, status, usage = os.wait4(p.pid, 0)
            whole = time.monotonic() - start
            if status != 0:
                raise SystemExit(f"delta-bench: {side} {op} failed: {status}")
            out.seek(0)
            said = json.loads(out.read().splitlines()[-1])
        return said["seconds"], whole, usage.ru_maxrss / 1024, said

    def measure(self, name, op, table, *args, cold=False, fresh=False, same=("version", "files")):
        """Both sides in turn, RUNS times after one that does not count; fresh gives each a copy of the table."""
        figures = {side: [] for side in SIDES}
        answers = {}
        for run in range(RUNS + 1):
            for side in SIDES:
                folder = table
                if fresh:
                    folder = os.path.join(self.work, "copy")
                    shutil.copytree(table, folder) if os.path.exists(table) else os.mkdir(folder)
                os.sync()
                if cold:
                    forget(folder)
                *numbers, said = self.process(side, op, folder, *args)
                if fresh:
                    shutil.rmtree(folder)
                if run > 0:
                    figures[side].append(numbers)
                answers[side] = {k: said[k] for k in same if said.get(k) is not None}
        if any(answers["weir"][k] != v for k, v in answers["delta-rs"].items()):
            raise SystemExit(f"delta-bench: {name}: the sides disagree: {answers}")
        self.rows.append((name, {side: [statistics.median(x) for x in zip(*figures[side])] for side in SIDES}))
        print(self.line(*self.rows[-1]), flush=True)

    @staticmethod
    def line(name, f):
        w, d = f["weir"], f["delta-rs"]
        return (f"| {name} | {w[0]:.3f} s | {d[0]:.3f} s | {d[0] / w[0]:.1f} | {w[1]:.2f} / {d[1]:.2f} s | "
                f"{w[2]:.0f} MiB | {d[2]:.0f} MiB | {d[2] / w[2]:.1f} |")

    def header(self):
        from importlib.metadata import version
        print(f"weir against delta-rs {version('deltalake')}, median of {RUNS} after one that does not count, load {os.getloadavg()[0]:.1f} at the start\n")
        print("| what | weir | delta-rs | times faster | whole process | peak memory of weir | of delta-rs | times less |\n|---|---|---|---|---|---|---|---|", flush=True)


def forget(folder):
    """Takes a folder's files out of the page cache."""
    for parent, _, names in os.walk(folder):
        for name in names:
            f = os.open(os.path.join(parent, name), os.O_RDONLY)
            os.posix_fadvise(f, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(f)


def rides(path, total):
    """A Parquet file of rides within a day, as the pipeline of the example would write them, with the hour's columns."""
    import datetime

    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    at = pa.scalar(datetime.datetime(2019, 1, 15, tzinfo=datetime.timezone.utc), pa.timestamp("us", "UTC")).cast(pa.int64()).as_py()
    writer = None
    for first in range(0, total, 100_000):
        ids = pa.array(range(first, min(first + 100_000, total)), pa.int64())
        n = [i.as_py() * 2654435761 % 2**32 for i in ids]
        pick = pa.array([at + x % 86_400 * 1_000_000 for x in n], pa.int64())
        columns = {
            "VendorID": pa.array([str(x % 2 + 1) for x in n]),
            "tpep_pickup_datetime": pick.cast(pa.timestamp("us", "UTC")),
            "tpep_dropoff_datetime": pc.add(pick, pa.array([x % 3600 * 1_000_000 for x in n], pa.int64())).cast(pa.timestamp("us", "UTC")),
            "passenger_count": pa.array([x % 6 for x in n], pa.int64()),
            "trip_distance": pa.array([x % 3000 / 100 for x in n]),
            "RatecodeID": pa.array([x // 7 % 6 for x in n], pa.int64()),
            "store_and_fwd_flag": pa.array(["NY"[x % 2] for x in n]),
            "PULocationID": pa.array([x // 11 % 265 for x in n], pa.int64()),
            "DOLocationID": pa.array([x // 13 % 265 for x in n], pa.int64()),
            "payment_type": pa.array([x // 17 % 4 + 1 for x in n], pa.int64()),
        }
        for name, most in (("fare_amount", 9000), ("extra", 3), ("mta_tax", 2), ("tip_amount", 1500), ("tolls_amount", 700),
                           ("improvement_surcharge", 2), ("total_amount", 12000), ("congestion_surcharge", 3)):
            columns[name] = pa.array([x // 19 % most / 100 for x in n])
        columns["ride"] = ids
        when = columns["tpep_pickup_datetime"]
        for name, part in (("year", pc.year), ("month", pc.month), ("day", pc.day), ("hour", pc.hour)):
            columns[name] = part(when).cast(pa.int32())
        batch = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, batch.schema, compression="snappy", store_schema=False)
        writer.write_table(batch)
    writer.close()


def small_files(folder, path, commits):
    """A table of rides with many small files: each commit has a part of all hours."""
    import pyarrow.parquet as pq
    from deltalake import write_deltalake

    rows = pq.read_table(path)
    step = rows.num_rows // commits
    for i in range(commits):
        write_deltalake(folder, rows.slice(i * step, step), mode="append", partition_by=["year", "month", "day", "hour"])


def apart(function, *args):
    """Runs a function of this file in a process of its own: a child's peak memory counts what its parent held when it was forked."""
    code = f"import sys; sys.argv = ['-']; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r}); import bench; bench.{function}(*{args!r})"
    subprocess.run([sys.executable, "-c", code], check=True)


def main():
    b = Bench(sys.argv[1], os.path.abspath(sys.argv[2]))
    chosen = sys.argv[3:] or ["open", "append", "checkpoint", "optimize"]
    b.header()
    if "open" in chosen:
        table = os.path.join(b.work, "commits")
        subprocess.run([b.program, "make-commits", table, str(COMMITS)], check=True, stdout=subprocess.DEVNULL)
        b.measure(f"open {COMMITS:,} commits, cold", "open", table, cold=True)
        b.measure(f"open {COMMITS:,} commits, warm", "open", table)
        subprocess.run([b.program, "checkpoint", table], check=True, stdout=subprocess.DEVNULL)
        b.measure(f"open {COMMITS:,} commits with a checkpoint, cold", "open", table, cold=True)
    file = os.path.join(b.work, "rides.parquet")
    if {"append", "optimize"} & set(chosen):
        apart("rides", file, RIDES)
    if "append" in chosen:
        b.measure(f"append {RIDES:,} rides into 24 hours", "append", os.path.join(b.work, "none"), file, fresh=True, same=("files",))
    if "checkpoint" in chosen:
        table = os.path.join(b.work, "files")
        subprocess.run([b.program, "make-files", table, str(FILES)], check=True, stdout=subprocess.DEVNULL)
        b.measure(f"open {FILES:,} files in commits, warm", "open", table)
        b.measure(f"checkpoint of {FILES:,} files", "checkpoint", table, fresh=True)
    if "optimize" in chosen:
        table = os.path.join(b.work, "small")
        apart("small_files", table, file, 40)
        b.measure(f"OPTIMIZE of 960 files, {RIDES:,} rides", "optimize", table, fresh=True, same=("files",))


if __name__ == "__main__":
    main()
