"""Compares Spark's answers in a file of cases (see columnar/sparkcases_test.go) with those of the Spark at hand."""
import sys
import urllib.parse

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

TIMES = {"ignoreNullFields": "false", "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX", "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"}


def columns(schema):
    """The names of the fields of "a int, b map<string,int>"."""
    names, depth, start = [], 0, 0
    for i, c in enumerate(schema + ","):
        depth += (c in "<(") - (c in ">)")
        if c == "," and depth == 0:
            names.append(schema[start:i].strip().split(" ")[0])
            start = i + 1
    return names


def ask(spark, fmt, schema, options, cases, answers):
    """Answers of the cases, which have one schema and options; several at once, as long as none fails."""
    rows = [(i, bytearray(urllib.parse.unquote_to_bytes(record))) for i, record in cases]
    opts = dict(o.split("=", 1) for o in options.split(";") if o)
    opts.update(mode="PERMISSIVE", columnNameOfCorruptRecord="_corrupt")
    parse = F.from_json if fmt == "json" else F.from_csv
    try:
        parsed = spark.createDataFrame(rows, "i int, d binary").select("i", parse(F.col("d").cast("string"), schema + ", _corrupt string", opts).alias("r"))
        row = F.to_json(F.struct(*["r." + c for c in columns(schema)]), TIMES)
        for r in parsed.select("i", F.col("r").isNull().alias("none"), F.col("r._corrupt").isNotNull().alias("corrupt"), row.alias("row")).collect():
            answers[r.i] = ("null" if r.none else r.row) + (" corrupt" if r.corrupt else "")
    except Exception:  # a schema that Spark refuses, or a record that fails the job
        if len(cases) == 1:
            answers[cases[0][0]] = "error"
            return
        for case in cases:
            ask(spark, fmt, schema, options, [case], answers)


def main(path, update):
    spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC")
             .config("spark.sql.legacy.timeParserPolicy", "CORRECTED").config("spark.driver.extraJavaOptions", "-Duser.timezone=UTC").getOrCreate())
    spark.sparkContext.setLogLevel("OFF")
    lines = open(path, encoding="utf-8").read().split("\n")
    groups, answers = {}, {}
    for i, line in enumerate(lines):
        if line and not line.startswith("#"):
            fmt, schema, options, record = line.split("\t")[:4]
            groups.setdefault((fmt, schema, options), []).append((i, record))
    for (fmt, schema, options), cases in groups.items():
        ask(spark, fmt, schema, options, cases, answers)
    wrong = 0
    for i, answer in answers.items():
        f = lines[i].split("\t")
        # A time without a day is today's.
        if f[4] != answer and not (f[6] == "time-only" and f[4][:6] == answer[:6]):
            wrong += 1
            print(f"line {i + 1}: {f[1]} {f[3]}: Spark says {answer}, the file {f[4]}")
            f[4] = answer
            lines[i] = "\t".join(f)
    print(f"{len(answers)} cases, {wrong} answers of Spark {spark.version} differ from the file's")
    if update:
        open(path, "w", encoding="utf-8").write("\n".join(lines))
    elif wrong:
        sys.exit(1)


main(sys.argv[1], "--update" in sys.argv[2:])
