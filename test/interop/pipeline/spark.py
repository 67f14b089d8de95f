"""Spark's side of the bench: one streaming query over files of records into a Delta table, in a process of its own, which prints a line of
JSON for each micro-batch. usage: spark.py rides|append|update once|live FILES TABLE CHECKPOINT. live runs until it is terminated."""

import glob
import json
import os
import signal
import sys
import threading
import time

BEGAN = time.time()

from delta import DeltaTable, configure_spark_with_delta_pip  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402
from pyspark.sql import functions as F  # noqa: E402

from weir import EVENT_FIELDS, PARTS, RIDE_FIELDS, WATERMARK_DELAY  # noqa: E402

FILES_PER_BATCH = os.environ.get("SPARK_FILES_PER_BATCH", "8")


def session(folder):
    builder = (
        SparkSession.builder.appName("bench").master("local[2]")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "2")
        .config("spark.databricks.delta.snapshotPartitions", "2").config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.streaming.stateStore.providerClass", "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider")
        .config("spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled", "true")
        .config("spark.sql.streaming.numRecentProgressUpdates", "10000")
        .config("spark.driver.memory", "4g").config("spark.driver.host", "127.0.0.1").config("spark.driver.extraJavaOptions", "-Duser.timezone=UTC")
        .config("spark.local.dir", folder).config("spark.sql.warehouse.dir", os.path.join(folder, "warehouse"))
    )
    jars = [j for name in ("delta-spark_2.12-3.2.1", "delta-storage-3.2.1", "antlr4-runtime-4.9.3") for j in glob.glob(os.path.expanduser("~/.ivy2/jars/*_%s.jar" % name))]
    if len(jars) == 3:  # they are here already: nothing is resolved, which would cost seconds
        return builder.config("spark.jars", ",".join(jars)).getOrCreate()
    return configure_spark_with_delta_pip(builder).getOrCreate()


def source(spark, fields, files, once):
    reader = spark.readStream.schema(", ".join("%s %s" % f for f in fields))
    return (reader.option("maxFilesPerTrigger", FILES_PER_BATCH) if once else reader).json(files)


def rides(spark, files, once):
    df = source(spark, RIDE_FIELDS, files, once)
    for part in PARTS:
        df = df.withColumn(part, getattr(F, part if part != "day" else "dayofmonth")("tpep_pickup_datetime"))
    return df.writeStream.format("delta").partitionBy(*PARTS)


def windows(spark, files, once, mode, table):
    df = source(spark, EVENT_FIELDS, files, once).withWatermark("at", WATERMARK_DELAY)
    df = df.groupBy(F.window("at", "1 minute"), "key").agg(F.count("*").alias("n"), F.sum("amount").alias("total"))
    df = df.select(F.col("window.start").alias("start"), "key", "n", "total")
    if mode == "append":
        return df.writeStream.format("delta")
    DeltaTable.createIfNotExists(spark).location(table).addColumns(df.schema).execute()

    def merge(rows, number):
        to = DeltaTable.forPath(spark, table).alias("t").merge(rows.alias("s"), "t.start = s.start AND t.key = s.key")
        to.whenMatchedUpdateAll().whenNotMatchedInsertAll().execute()

    return df.writeStream.foreachBatch(merge).outputMode("update")


def main(what, how, files, table, checkpoint):
    spark = session(checkpoint + ".local")
    spark.sparkContext.setLogLevel("ERROR")
    once = how == "once"
    writer = rides(spark, files, once) if what == "rides" else windows(spark, files, once, what, table)
    writer = writer.option("checkpointLocation", checkpoint)
    if once:
        writer = writer.trigger(availableNow=True)
    query = writer.start() if what == "update" else writer.start(table)
    print(json.dumps({"started": time.time() - BEGAN}), flush=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    told = -1
    while True:
        active = query.isActive
        for p in query.recentProgress:
            if p["batchId"] > told and "addBatch" in p["durationMs"]:
                told = p["batchId"]
                print(json.dumps({"batchId": told, "numInputRows": p["numInputRows"], "batchDuration": p["durationMs"]["triggerExecution"]}), flush=True)
        if not active or stop.is_set():
            break
        time.sleep(0.2)
    if query.exception() is not None:
        raise SystemExit(str(query.exception())[:3000])
    if not once:
        query.stop()
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
