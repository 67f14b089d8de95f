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

    def append(self, table, rows):
        self.ask("append", table, file=self.work.file(rows))

    def read(self, table, version=None):
        to = self.work.new()
        answer = self.ask("read", table, to=to, version=version)
        return rows_in(to), answer["schema"], answer["version"]

    def delete(self, table, where):
        self.ask("delete", table, where=where)

    def update(self, table, column, value, where):
        self.ask("update", table, set={column: value}, where=where)

    def merge(self, table, rows):
        self.ask("merge", table, file=self.work.file(rows))

    def optimize(self, table):
        self.ask("optimize", table)

    def vacuum(self, table):
        self.ask("vacuum", table)

    def checkpoint(self, table):
        self.ask("checkpoint", table)

    def restore(self, table, version):
        self.ask("restore", table, version=version)

    def alter(self, table, properties=None, features=None):
        self.ask("alter", table, properties=properties or {}, features=features or [])

    def changes(self, table, start):
        to = self.work.new()
        self.ask("changes", table, version=start, to=to)
        return rows_in(to)

    def close(self):
        self.peer.close()


class Spark:
    name = "spark"

    def __init__(self, work, python):
        self.work = work
        script = os.path.join(os.path.dirname(__file__), "spark_peer.py")
        self.peer = Process(self.name, [python, script, work.folder], os.path.join(work.folder, "spark.log"))

    def sql(self, table, *statements, rows=None):
        """Runs statements in which {t} is the table and source the rows."""
        name = f"delta.`{self.work.path(table)}`"
        file = self.work.file(rows) if rows is not None else None
        return self.peer.ask("sql", statements=[s.format(t=name) for s in statements], file=file)["rows"]

    def create(self, table, schema, by, properties):
        columns = ", ".join(f"`{f['name']}` {sql_type(f['type'])}" for f in json.loads(schema)["fields"])
        options = ", ".join(f"'{k}' = '{v}'" for k, v in properties.items())
        self.sql(table, f"CREATE TABLE {{t}} ({columns}) USING delta" + (f" PARTITIONED BY ({', '.join(by)})" if by else "") +
                 (f" TBLPROPERTIES ({options})" if options else ""))

    def create_generated(self, table, schema, name, type, expression):
        """A table with one more column, which is generated: Spark's SQL does not make such tables by their path."""
        columns = [[f["name"], sql_type(f["type"])] for f in json.loads(schema)["fields"]]
        self.peer.ask("create_generated", path=self.work.path(table), columns=columns, generated=[name, type, expression])

    def append(self, table, rows):
        self.peer.ask("append", path=self.work.path(table), file=self.work.file(rows))

    def read(self, table, version=None):
        to = self.work.new()
        answer = self.peer.ask("read", path=self.work.path(table), to=to, version=version)
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
        self.sql(table, "MERGE INTO {t} AS t USING source AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *", rows=rows)

    def optimize(self, table):
        self.sql(table, "OPTIMIZE {t}")

    def restore(self, table, version):
        self.sql(table, f"RESTORE TABLE {{t}} TO VERSION AS OF {version}")

    def alter(self, table, properties):
        options = ", ".join(f"'{k}' = '{v}'" for k, v in properties.items())
        self.sql(table, f"ALTER TABLE {{t}} SET TBLPROPERTIES ({options})")

    def vacuum(self, table):
        self.sql(table, "VACUUM {t} RETAIN 0 HOURS")

    def checkpoint(self, table):
        self.peer.ask("checkpoint", path=self.work.path(table))

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

    def append(self, table, rows):
        from deltalake import write_deltalake
        self.do(lambda: write_deltalake(self.work.path(table), rows, mode="append"))

    def read(self, table, version=None):
        t = self.open(table, version)
        rows = self.do(lambda: t.to_pyarrow_table().to_pylist())
        return rows, t.schema().to_json(), t.version()

    def delete(self, table, where):
        self.do(lambda: self.open(table).delete(where))

    def update(self, table, column, value, where):
        self.do(lambda: self.open(table).update(updates={column: value}, predicate=where))

    def merge(self, table, rows):
        merge = self.open(table).merge(rows, "t.id = s.id", source_alias="s", target_alias="t")
        self.do(lambda: merge.when_matched_update_all().when_not_matched_insert_all().execute())

    def optimize(self, table):
        self.do(lambda: self.open(table).optimize.compact())

    def vacuum(self, table):
        self.do(lambda: self.open(table).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False))

    def restore(self, table, version):
        self.do(lambda: self.open(table).restore(version))

    def checkpoint(self, table):
        self.do(lambda: self.open(table).create_checkpoint())

    def close(self):
        pass


def sql_type(t):
    """A type of a StructType in JSON as Spark's SQL has it."""
    if isinstance(t, str):
        return {"long": "bigint", "integer": "int", "short": "smallint", "byte": "tinyint"}.get(t, t)
    if t["type"] == "struct":
        return "struct<" + ", ".join(f"{f['name']}: {sql_type(f['type'])}" for f in t["fields"]) + ">"
    if t["type"] == "array":
        return f"array<{sql_type(t['elementType'])}>"
    return f"map<{sql_type(t['keyType'])}, {sql_type(t['valueType'])}>"
