"""Spark's side: runs the cases of a folder that parity.py has laid out, and writes what each micro-batch gave."""

import json
import os
import sys

from pyspark.sql import SparkSession

sys.path.insert(0, os.path.dirname(__file__))
from cases import CASES  # noqa: E402


def main(folder, names):
    spark = (
        SparkSession.builder.appName("parity").master("local[2]")
        .config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "1").config("spark.ui.enabled", "false")
        .config("spark.sql.ansi.enabled", "false").config("spark.driver.memory", "2g").config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -Xss4m -Duser.timezone=UTC")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")
    for c in CASES:
        if names and c["name"] not in names:
            continue
        with open(os.path.join(folder, c["name"], "spark.json"), "w") as out:
            json.dump(run(spark, os.path.join(folder, c["name"]), c), out)
        print("spark", c["name"], flush=True)
    spark.stop()


def run(spark, folder, c):
    batches = {}

    def take(df, number):
        batches[number] = [json.loads(r) for r in df.toJSON().collect()]

    try:
        for name, s in c["sources"].items():
            df = spark.readStream.schema(s["schema"]).option("maxFilesPerTrigger", 1).json(os.path.join(folder, name))
            if s.get("query"):
                df.createOrReplaceTempView(name)
                df = spark.sql(s["spark_query"])
            if s["watermark"]:
                df = df.withWatermark(*s["watermark"])
            if s.get("deduplicate"):
                d = s["deduplicate"]
                df = df.dropDuplicatesWithinWatermark(d["columns"]) if d.get("within_watermark") else df.dropDuplicates(d["columns"])
            df.createOrReplaceTempView(name)
        for name, (schema, _) in c.get("tables", {}).items():
            spark.read.schema(schema).json(os.path.join(folder, name)).createOrReplaceTempView(name.split(".")[1])
        text = c["spark"]
        for name in c.get("tables", {}):
            text = text.replace(name, name.split(".")[1])
        query = (
            spark.sql(text).writeStream.outputMode(c["mode"]).foreachBatch(take)
            .option("checkpointLocation", os.path.join(folder, "checkpoint")).trigger(availableNow=True).start()
        )
        query.awaitTermination()
    except Exception as e:  # what Spark says of the query
        return {"error": str(e)[:8000]}
    return {"batches": [batches[n] for n in sorted(batches)]}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
