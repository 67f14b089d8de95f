"""Spark's side of the round trips: answers requests, JSON objects a line on standard input, with a line each. See peers.py."""

import importlib.metadata
import json
import os
import sys

from delta import DeltaTable, configure_spark_with_delta_pip
from pyspark.sql import SparkSession

SPARK_4 = importlib.metadata.version("pyspark").startswith("4.")
KERNEL = "io.delta:delta-kernel-defaults:" + importlib.metadata.version("delta-spark")
SPARK_HAS = ["org.apache.hadoop:hadoop-client-runtime", "com.fasterxml.jackson.core:jackson-databind", "com.fasterxml.jackson.core:jackson-core",
             "com.fasterxml.jackson.core:jackson-annotations", "org.apache.parquet:parquet-hadoop", "org.roaringbitmap:RoaringBitmap", "org.slf4j:slf4j-api"]


def start(folder):
    builder = (
        SparkSession.builder.appName("round trips")
        .master("local[2]")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        .config("spark.sql.parquet.datetimeRebaseModeInWrite", "CORRECTED")
        .config("spark.sql.ansi.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.adaptive.enabled", "false")  # tables are small: planning and compiling take longer than they save
        .config("spark.sql.codegen.wholeStage", "false")
        # Row by row: without compiled stages Delta 3.2 mixes up maps of the batches that deletion vectors take rows out of.
        .config("spark.sql.parquet.enableVectorizedReader", "false")
        .config("spark.databricks.delta.snapshotPartitions", "1")
        .config("spark.databricks.delta.retentionDurationCheck.enabled", "false")
        .config("spark.databricks.delta.identityColumn.enabled", "true")
        .config("spark.sql.sources.parallelPartitionDiscovery.parallelism", "2")  # VACUUM lists with it, by 10,000 tasks otherwise
        # Without Hadoop's own checksums: others do not renew those of _last_checkpoint, for which Spark then waits three seconds.
        .config("spark.hadoop.fs.file.impl", "org.apache.hadoop.fs.RawLocalFileSystem")
        .config("spark.hadoop.fs.AbstractFileSystem.file.impl", "org.apache.hadoop.fs.local.RawLocalFs")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "1g")
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -Xss4m -Duser.timezone=UTC")
        .config("spark.sql.warehouse.dir", os.path.join(folder, "warehouse"))
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.jars.excludes", ",".join(SPARK_HAS))
    )
    return configure_spark_with_delta_pip(builder, [KERNEL] if SPARK_4 else []).getOrCreate()


class Peer:
    def __init__(self, spark):
        self.spark = spark

    def log(self, path):
        deltas = self.spark._jvm.org.apache.spark.sql.delta.DeltaLog
        deltas.clearCache()
        return deltas.forTable(self.spark._jsparkSession, path)

    def with_conf(self, conf, do):
        """Does something with settings that others do not see."""
        for name, value in conf.items():
            self.spark.conf.set(name, value)
        try:
            return do()
        finally:
            for name in conf:
                self.spark.conf.unset(name)

    def sql(self, statements, file=None, conf=None, **_):
        """Runs statements; rows of the Parquet file are the view source."""
        if file:
            self.spark.read.parquet(file).createOrReplaceTempView("source")
        rows = self.with_conf(conf or {}, lambda: [self.spark.sql(s).collect() for s in statements])[-1]
        return {"rows": json.loads(json.dumps([r.asDict(True) for r in rows], default=str))}

    def build(self, path, columns, by, properties, **_):
        table = DeltaTable.create(self.spark).location(path)
        for name, type, special in columns:
            if isinstance(special, list):
                from delta.tables import IdentityGenerator
                special = IdentityGenerator(*special)
            table = table.addColumn(name, type, generatedAlwaysAs=special) if special else table.addColumn(name, type)
        for name, value in properties.items():
            table = table.property(name, value)
        (table.partitionedBy(*by) if by else table).execute()
        return {}

    def append(self, path, file, grow=False, **_):
        self.log(path)
        table = self.spark.read.format("delta").load(path).schema
        rows = self.spark.read.parquet(file)
        if not grow:
            rows = rows.select(*[rows[f.name].cast(f.dataType) for f in table if f.name in rows.columns])
        rows.coalesce(1).write.format("delta").mode("append").option("mergeSchema", str(grow).lower()).save(path)
        return {}

    def read(self, path, to, version=None, columns=(), **_):
        log = self.log(path)
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        rows = reader.load(path)
        if columns:
            rows = rows.select(*columns)
        rows.coalesce(1).write.mode("overwrite").parquet(to)
        return {"schema": rows.schema.json(), "version": log.unsafeVolatileSnapshot().version() if version is None else version}

    def read_folder(self, path, to, **_):
        self.spark.read.parquet(path).coalesce(1).write.mode("overwrite").parquet(to)
        return {}

    def changes(self, path, start, to, **_):
        self.log(path)
        rows = self.spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", start).load(path)
        rows.coalesce(1).write.mode("overwrite").parquet(to)
        return {}

    def checkpoint(self, path, conf=None, **_):
        log = self.log(path)
        table = [self.spark._jvm.scala.Option.empty()] if SPARK_4 else []  # of a catalog
        self.with_conf(conf or {}, lambda: log.checkpoint(log.unsafeVolatileSnapshot(), *table))
        return {}

    def compact_log(self, path, first, last, **_):
        jvm = self.spark._jvm
        kernel = jvm.io.delta.kernel
        folder = kernel.internal.fs.Path(path)
        engine = kernel.defaults.engine.DefaultEngine.create(self.spark._jsc.hadoopConfiguration())
        kernel.internal.compaction.LogCompactionWriter(folder, kernel.internal.fs.Path(folder, "_delta_log"), first, last, 0).writeLogCompactionFile(engine)
        return {}

    def segment(self, path, **_):
        segment = self.log(path).unsafeVolatileSnapshot().logSegment()
        files = [segment.deltas().apply(i) for i in range(segment.deltas().size())]
        return {"files": [f.getPath().getName() for f in files]}

    def history(self, path, **_):
        self.log(path)
        rows = DeltaTable.forPath(self.spark, path).history().selectExpr("version", "unix_millis(timestamp) AS ms").collect()
        return {"commits": [r.asDict() for r in rows]}


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
