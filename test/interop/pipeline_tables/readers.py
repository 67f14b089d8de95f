"""Who reads the tables, and changes them beside the pipelines. Each reader gives a table's rows as dicts; writers have the methods of the
round trips' peers (delta/peers.py), of which DeltaRS and Spark are used as they are."""

import os
import subprocess

import duckdb
import duckdb_ext
import pyarrow as pa
import pyarrow.parquet as pq
from peers import Refused, rows_in


class Weir:
    """The server at AWS_ENDPOINT_URL: statements of weir sql."""

    name = "weir"

    def __init__(self, work, command):
        self.work, self.command = work, command
        self.unloaded = 0

    def run(self, *args, error=True):
        done = subprocess.run([self.command, *args], capture_output=True, text=True, timeout=300)
        if done.returncode != 0 and error:
            raise Refused(f"weir {args[0]}: {done.stderr.strip()[-1500:]}")
        return done.stdout

    def sql(self, statement):
        return self.run("sql", "-o", "json", statement)

    def read(self, table):
        self.unloaded += 1
        place = f"{table}_{self.unloaded}"
        self.sql(f"UNLOAD (SELECT * FROM lake.{table}) TO 's3://out/{place}/' WITH (format = 'PARQUET')")
        folder = os.path.join(os.environ["WEIR_DATA"], "objects", "out", place)
        return rows_in(folder) if os.path.isdir(folder) else []

    def append(self, table, rows, grow=False):
        """Rows that come as a table of the catalog, and are inserted from there."""
        self.unloaded += 1
        name = f"new_{self.unloaded}"
        folder = os.path.join(os.environ["WEIR_DATA"], "objects", "lake", "_new", name)
        os.makedirs(folder)
        pq.write_table(rows, os.path.join(folder, "rows.parquet"), store_schema=False)
        columns = ", ".join(f"`{f.name}` {hive(f.type)}" for f in rows.schema)
        self.sql(f"CREATE EXTERNAL TABLE lake.{name} ({columns}) STORED AS PARQUET LOCATION 's3://lake/_new/{name}/'")
        names = ", ".join(f'"{n}"' for n in rows.column_names)
        self.sql(f"INSERT INTO lake.{table} ({names}) SELECT {names} FROM lake.{name}")

    def delete(self, table, where):
        self.sql(f"DELETE FROM lake.{table} WHERE {where}")

    def optimize(self, table):
        self.run("table", "optimize", f"lake.{table}")

    def vacuum(self, table):
        self.run("table", "vacuum", f"lake.{table}")

    def check(self, table):
        self.run("table", "check", f"lake.{table}")

    def close(self):
        pass


def hive(t):
    """An Arrow type in Hive's notation."""
    if pa.types.is_list(t):
        return f"array<{hive(t.value_type)}>"
    if pa.types.is_map(t):
        return f"map<{hive(t.key_type)},{hive(t.item_type)}>"
    if pa.types.is_struct(t):
        return "struct<" + ",".join(f"{f.name}:{hive(f.type)}" for f in t) + ">"
    if pa.types.is_decimal(t):
        return f"decimal({t.precision},{t.scale})"
    names = {"bool": "boolean", "int8": "tinyint", "int16": "smallint", "int32": "int", "int64": "bigint", "date32[day]": "date"}
    return names.get(str(t), str(t).split("[")[0])


class DuckDB:
    """The delta extension, which reads through Delta Kernel."""

    name = "duckdb"

    def __init__(self, work):
        self.work = work
        self.db = duckdb.connect()
        duckdb_ext.init(self.db)
        self.db.execute("LOAD delta; SET TimeZone = 'UTC'")

    def read(self, table):
        try:
            rows = self.db.execute(f"SELECT * FROM delta_scan('{self.work.path(table)}')").fetch_arrow_table()
        except duckdb.Error as e:
            raise Refused(f"duckdb: {e}") from e
        return rows.to_pylist()

    def count(self, table, where):
        return self.db.execute(f"SELECT count(*) FROM delta_scan('{self.work.path(table)}') WHERE {where}").fetchone()[0]

    def close(self):
        self.db.close()
