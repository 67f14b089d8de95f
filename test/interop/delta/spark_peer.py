"""Spark's side of the round trips: answers requests, JSON objects a line on standard input, with a line each. See peers.py."""

import json
import os
import sys

from delta import DeltaTable, configure_spark_with_delta_pip
from pyspark.sql import SparkSession


def start(folder):
    builder = (
        SparkSession.builder.appName("round trips")
        .master("local[2]")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.databricks.delta.snapshotPartitions", "1")
        .config("spark.databricks.delta.retentionDurationCheck.enabled", "false")
        .config("spark.sql.sources.parallelPartitionDiscovery.parallelism", "2")  # VACUUM lists with it, by 10,000 tasks otherwise
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "1g")
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -Xss4m")
        .config("spark.sql.warehouse.dir", os.path.join(folder, "warehouse"))
        .config("spark.driver.host", "127.0.0.1")
    )
    return configure_spark_with_delta_pip(builder).getOrCreate()


class Peer:
    def __init__(self, spark):
        self.spark = spark

    def log(self, path):
        deltas = self.spark._jvm.org.apache.spark.sql.delta.DeltaLog
        deltas.clearCache()
        return deltas.forTable(self.spark._jsparkSession, path)

    def sql(self, statements, file=None, **_):
        """Runs statements; rows of the Parquet file are the view source."""
        if file:
            self.spark.read.parquet(file).createOrReplaceTempView("source")
        rows = []
        for statement in statements:
            rows = [r.asDict(True) for r in self.spark.sql(statement).collect()]
        return {"rows": json.loads(json.dumps(rows, default=str))}

    def create_generated(self, path, columns, generated, **_):
        table = DeltaTable.create(self.spark).location(path)
        for name, type in columns:
            table = table.addColumn(name, type)
        name, type, expression = generated
        table.addColumn(name, type, generatedAlwaysAs=expression).execute()
        return {}

    def append(self, path, file, **_):
        table = self.spark.read.format("delta").load(path).schema
        rows = self.spark.read.parquet(file)
        rows = rows.select(*[rows[f.name].cast(f.dataType) for f in table if f.name in rows.columns])
        rows.coalesce(1).write.format("delta").mode("append").save(path)
        return {}

    def read(self, path, to, version=None, **_):
        log = self.log(path)
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        rows = reader.load(path)
        rows.coalesce(1).write.mode("overwrite").parquet(to)
        return {"schema": rows.schema.json(), "version": log.unsafeVolatileSnapshot().version() if version is None else version}

    def changes(self, path, start, to, **_):
        rows = self.spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", start).load(path)
        rows.coalesce(1).write.mode("overwrite").parquet(to)
        return {}

    def checkpoint(self, path, **_):
        log = self.log(path)
        log.checkpoint(log.unsafeVolatileSnapshot())
        return {}


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Spark prints is no answer
    peer = Peer(start(sys.argv[1]))
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(peer, request.pop("op"))(**request)
        except Exception as e:  # the driver decides what an error means
            answer = {"error": f"{type(e).__name__}: {e}"[:3000]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    peer.spark.stop()


main()
