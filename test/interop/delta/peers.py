"""The three implementations that take part in the round trips, each with the same methods: append, read, delete, update, merge,
optimize, vacuum, checkpoint. A method that an implementation does not have raises Refused."""

import json
import os
import shutil
import subprocess
import tempfile
import threading

import pyarrow as pa
import pyarrow.parquet as pq

from rows import sql_type


class Refused(Exception):
    """The implementation says that it does not do this."""


class Process:
    """A peer that answers requests, JSON objects a line."""

    def __init__(self, name, command, log):
        self.name = name
        self.log = log
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(log, "w"), text=True)

    def ask(self, op, **request):
        watch = threading.Timer(300, self.process.kill)
        watch.start()
        try:
            self.process.stdin.write(json.dumps({"op": op, **request}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        finally:
            watch.cancel()
        if not line:
            raise SystemExit(f"{self.name} ended during {op}; the end of its log:\n" + open(self.log).read()[-3000:])
        answer = json.loads(line)
        if answer.get("error"):
            raise Refused(f"{self.name}: {op}: {answer['error']}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def rows_in(folder):
    """The rows of all Parquet files in a folder, as dicts."""
    rows = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".parquet"):
            rows += pq.ParquetFile(os.path.join(folder, name)).read().to_pylist(maps_as_pydicts=None)
    shutil.rmtree(folder)
    return rows


class Work:
    """Where the tables lie, and files on their way."""

    def __init__(self, folder):
        self.folder = folder
        self.tables = os.path.join(folder, "weir", "objects", "lake")
        self.staging = os.path.join(folder, "weir", "staging")
        os.makedirs(self.staging)

    def path(self, table):
        return os.path.join(self.tables, table)

    def new(self):
        return os.path.join(tempfile.mkdtemp(dir=self.staging), "rows")

    def file(self, rows):
        path = self.new() + ".parquet"
        pq.write_table(rows, path, store_schema=False)
        return path


class Weir:
    name = "weir"

    def __init__(self, work, command):
        self.work = work
        self.peer = Process(self.name, [command, os.path.join(work.folder, "weir")], os.path.join(work.folder, "weir.log"))

    def ask(self, op, table, **request):
        return self.peer.ask(op, table=table, **request)

    def create(self, table, schema, by, properties):
        self.ask("create", table, schema=schema, partition_by=by, properties=properties)

    def append(self, table, rows, grow=False):
        self.ask("append", table, file=self.work.file(rows), merge_schema=grow)

    def read(self, table, version=None, columns=()):
        to = self.work.new()
        answer = self.ask("read", table, to=to, version=version, columns=list(columns))
        return rows_in(to), answer["schema"], answer["version"]

    def delete(self, table, where):
        self.ask("delete", table, where=where)

    def update(self, table, column, value, where):
        self.ask("update", table, set={column: value}, where=where)

    def merge(self, table, rows):
        self.ask("merge", table, file=self.work.file(rows))

    def optimize(self, table):
        self.ask("optimize", table)

    def zorder(self, table, by):
        self.ask("optimize", table, zorder_by=by)

    def vacuum(self, table):
        self.ask("vacuum", table)

    def checkpoint(self, table):
        self.ask("checkpoint", table)

    def restore(self, table, version):
        self.ask("restore", table, version=version)

    def alter(self, table, **change):
        """Changes properties, features or schema, or renames or drops columns."""
        self.ask("alter", table, **change)

    def changes(self, table, start):
        to = self.work.new()
        self.ask("changes", table, version=start, to=to)
        return rows_in(to)

    def history(self, table):
        """Milliseconds by version."""
        return {int(v): ms for v, ms in self.ask("history", table)["result"].items()}

    def row_ids(self, table):
        """Row id and row commit version by id."""
        rows, _, _ = self.read(table, columns=["id", "$row_id", "$row_commit_version"])
        return {row["id"]: (row["$row_id"], row["$row_commit_version"]) for row in rows}

    def close(self):
        self.peer.close()


class Spark:
    name = "spark"

    def __init__(self, work, python, version):
        self.work = work
        script = os.path.join(os.path.dirname(__file__), "spark_peer.py")
        self.peer = Process(f"spark {version}", [python, script, work.folder], os.path.join(work.folder, f"spark-{version}.log"))

    def sql(self, table, *statements, rows=None, **conf):
        """Runs statements in which {t} is the table and source the rows."""
        name = f"delta.`{self.work.path(table)}`"
        file = self.work.file(rows) if rows is not None else None
        return self.peer.ask("sql", statements=[s.format(t=name) for s in statements], file=file, conf=conf)["rows"]

    def create(self, table, schema, by, properties, clustered=()):
        columns = ", ".join(f"`{f['name']}` {sql_type(f['type'])}" for f in json.loads(schema)["fields"])
        options = ", ".join(f"'{k}' = '{v}'" for k, v in properties.items())
        self.sql(table, f"CREATE TABLE {{t}} ({columns}) USING delta" + (f" PARTITIONED BY ({', '.join(by)})" if by else "") +
                 (f" CLUSTER BY ({', '.join(clustered)})" if clustered else "") + (f" TBLPROPERTIES ({options})" if options else ""))

    def build(self, table, schema, by, properties, special):
        """A table with generated columns (an expression each) or identity columns (start and step): Spark's SQL makes none by path."""
        columns = [[f["name"], sql_type(f["type"]), special.get(f["name"])] for f in json.loads(schema)["fields"]]
        self.peer.ask("build", path=self.work.path(table), columns=columns, by=by, properties=properties)

    def append(self, table, rows, grow=False):
        self.peer.ask("append", path=self.work.path(table), file=self.work.file(rows), grow=grow)

    def read(self, table, version=None, columns=()):
        to = self.work.new()
        answer = self.peer.ask("read", path=self.work.path(table), to=to, version=version, columns=list(columns))
        return rows_in(to), answer["schema"], answer["version"]

    def changes(self, table, start):
        to = self.work.new()
        self.peer.ask("changes", path=self.work.path(table), start=start, to=to)
        return rows_in(to)

    def delete(self, table, where):
        self.sql(table, f"DELETE FROM {{t}} WHERE {where}")

    def update(self, table, column, value, where):
        self.sql(table, f"UPDATE {{t}} SET {column} = {value} WHERE {where}")

    def merge(self, table, rows):
        columns = [f"`{name}`" for name in rows.column_names]  # not *, which asks for the table's generated columns too
        update, values = ", ".join(f"{c} = s.{c}" for c in columns), ", ".join(f"s.{c}" for c in columns)
        self.sql(table, "MERGE INTO {t} AS t USING source AS s ON t.id = s.id "
                 f"WHEN MATCHED THEN UPDATE SET {update} WHEN NOT MATCHED THEN INSERT ({', '.join(columns)}) VALUES ({values})", rows=rows)

    def optimize(self, table):
        self.sql(table, "OPTIMIZE {t}")

    def add_column(self, table, name):
        self.sql(table, f"ALTER TABLE {{t}} ADD COLUMNS ({name} INT)")

    def zorder(self, table, by):
        self.sql(table, f"OPTIMIZE {{t}} ZORDER BY ({', '.join(by)})")

    def restore(self, table, version):
        self.sql(table, f"RESTORE TABLE {{t}} TO VERSION AS OF {version}")

    def vacuum(self, table):
        self.sql(table, "VACUUM {t} RETAIN 0 HOURS")

    def checkpoint(self, table, **conf):
        self.peer.ask("checkpoint", path=self.work.path(table), conf=conf)

    def compact_log(self, table, first, last):
        """Writes a log compaction with Delta Kernel's writer: Spark itself has none."""
        self.peer.ask("compact_log", path=self.work.path(table), first=first, last=last)

    def segment(self, table):
        """Names of the files that Spark reads the newest version from."""
        return self.peer.ask("segment", path=self.work.path(table))["files"]

    def history(self, table):
        """Milliseconds by version."""
        return {row["version"]: row["ms"] for row in self.peer.ask("history", path=self.work.path(table))["commits"]}

    def row_ids(self, table):
        """Row id and row commit version by id."""
        rows, _, _ = self.read(table, columns=["id", "_metadata.row_id", "_metadata.row_commit_version"])
        return {row["id"]: (row["row_id"], row["row_commit_version"]) for row in rows}

    def close(self):
        self.peer.close()


class DeltaRS:
    name = "delta-rs"

    def __init__(self, work):
        self.work = work

    def open(self, table, version=None):
        from deltalake import DeltaTable
        return self.do(lambda: DeltaTable(self.work.path(table), version=version))

    def do(self, what):
        from deltalake.exceptions import DeltaError
        try:
            return what()
        except (DeltaError, OSError, ValueError) as e:
            raise Refused(f"delta-rs: {type(e).__name__}: {str(e)[:1500]}") from e

    def create(self, table, schema, by, properties):
        from deltalake import DeltaTable, Schema
        self.do(lambda: DeltaTable.create(self.work.path(table), Schema.from_json(schema), partition_by=by, configuration=properties))

    def append(self, table, rows, grow=False):
        from deltalake import write_deltalake
        self.do(lambda: write_deltalake(self.work.path(table), rows, mode="append", schema_mode="merge" if grow else None))

    def read(self, table, version=None):
        t = self.open(table, version)
        rows = self.do(lambda: pa.table(t.scan()).to_pylist())
        return rows, t.schema().to_json(), t.version()

    def changes(self, table, start):
        return self.do(lambda: pa.table(self.open(table).load_cdf(starting_version=start)).to_pylist())

    def delete(self, table, where):
        self.do(lambda: self.open(table).delete(where))

    def update(self, table, column, value, where):
        self.do(lambda: self.open(table).update(updates={column: value}, predicate=where))

    def merge(self, table, rows):
        merge = self.open(table).merge(rows, "t.id = s.id", source_alias="s", target_alias="t")
        self.do(lambda: merge.when_matched_update_all().when_not_matched_insert_all().execute())

    def optimize(self, table):
        self.do(lambda: self.open(table).optimize.compact())

    def add_column(self, table, name):
        from deltalake import Field
        self.do(lambda: self.open(table).alter.add_columns(Field(name, "integer")))

    def zorder(self, table, by):
        self.do(lambda: self.open(table).optimize.z_order(by))

    def vacuum(self, table):
        self.do(lambda: self.open(table).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False))

    def restore(self, table, version):
        self.do(lambda: self.open(table).restore(version))

    def checkpoint(self, table):
        self.do(lambda: self.open(table).create_checkpoint())

    def compact_log(self, table, first, last):
        self.do(lambda: self.open(table).compact_logs(first, last))

    def close(self):
        pass
