"""Reads every Delta table below a folder with Spark and delta-spark, and prints what it found, one line a table:

    name TAB version TAB live files TAB rows TAB digest      the digest is of the rows as Athena writes them, see cell()
    name TAB version TAB live files TAB error TAB its last cause
    name TAB - TAB - TAB error TAB its last cause            there is no snapshot

The answers are kept in testdata/spark.txt, with which `go test ./test/accept` compares. Usage:

    TZ=UTC python truth.py FOLDER > testdata/spark.txt

FOLDER should be a copy without Hadoop's own checksums (.*.crc), which some tables have outlived.
It needs pyspark 4.0 and a way to Maven Central for delta-spark.
"""
import hashlib
import math
import os
import struct
import sys

from pyspark.sql import SparkSession, types as T

DELTA = "io.delta:delta-spark_2.13:4.0.0"


def shortest(x, single):
    """The fewest digits that give x back, as (digits, exponent): 0.DIGITS * 10^exponent."""
    if not single:
        text = repr(x)
        if "e" not in text:
            text = "%.*e" % (max(len(text.replace("-", "").replace(".", "").strip("0")) - 1, 0), x)
    else:
        for p in range(9):
            text = "%.*e" % (p, x)
            if struct.unpack("f", struct.pack("f", float(text)))[0] == x:
                break
    mantissa, exp = text.split("e")
    digits = mantissa.replace("-", "").replace(".", "").rstrip("0") or "0"
    return digits, int(exp) + 1


def real(x, single):
    """A number as Java writes it."""
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    sign = "-" if math.copysign(1, x) < 0 else ""
    if x == 0:
        return sign + "0.0"
    digits, exp = shortest(x, single)
    if 1e-3 <= abs(x) < 1e7:
        if exp <= 0:
            return sign + "0." + "0" * -exp + digits
        digits = digits.ljust(exp, "0")
        return sign + digits[:exp] + "." + (digits[exp:] or "0")
    return sign + digits[0] + "." + (digits[1:] or "0") + "E" + str(exp - 1)


def timestamp(v):
    return "%04d-%02d-%02d %02d:%02d:%02d.%03d" % (v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond // 1000)


def cell(v, t):
    """A value that is not null as Athena's CSV files have it."""
    if isinstance(t, T.BooleanType):
        return "true" if v else "false"
    if isinstance(t, (T.FloatType, T.DoubleType)):
        return real(v, isinstance(t, T.FloatType))
    if isinstance(t, T.DecimalType):
        return format(v, "f")
    if isinstance(t, (T.TimestampType, T.TimestampNTZType)):
        return timestamp(v)
    if isinstance(t, T.DateType):
        return "%04d-%02d-%02d" % (v.year, v.month, v.day)
    if isinstance(t, T.BinaryType):
        return " ".join("%02x" % b for b in v)
    if isinstance(t, T.ArrayType):
        return "[" + ", ".join(inner(x, t.elementType) for x in v) + "]"
    if isinstance(t, T.MapType):
        return "{" + ", ".join(inner(e[0], t.keyType) + "=" + inner(e[1], t.valueType) for e in v) + "}"
    if isinstance(t, T.StructType):
        return "{" + ", ".join(f.name.lower() + "=" + inner(v[i], f.dataType) for i, f in enumerate(t.fields)) + "}"
    return str(v)


def inner(v, t):
    return "null" if v is None else cell(v, t)


def entries(e, t, depth=0):
    """SQL that gives the value of the expression e with its maps as lists of pairs: Python's maps know no lists as keys."""
    x = "x%d" % depth
    if isinstance(t, T.MapType):
        pair = "struct(%s AS k, %s AS v)" % (entries(x + ".key", t.keyType, depth + 1), entries(x + ".value", t.valueType, depth + 1))
        return "transform(map_entries(%s), %s -> %s)" % (e, x, pair)
    if isinstance(t, T.ArrayType):
        return "transform(%s, %s -> %s)" % (e, x, entries(x, t.elementType, depth + 1))
    if isinstance(t, T.StructType):
        fields = ["%s AS `f%d`" % (entries("%s.`%s`" % (e, f.name.replace("`", "``")), f.dataType, depth), i) for i, f in enumerate(t.fields)]
        return "CASE WHEN %s IS NOT NULL THEN struct(%s) END" % (e, ", ".join(fields))
    return e


def digest(df):
    """Number of rows, and the sum of their hashes: their order does not matter."""
    total, rows = 0, 0
    types = [f.dataType for f in df.schema.fields]
    columns = [entries("`%s`" % f.name.replace("`", "``"), f.dataType) + " AS c%d" % i for i, f in enumerate(df.schema.fields)]
    for row in df.selectExpr(*columns).toLocalIterator():
        text = "\x1f".join("\x00" if v is None else cell(v, t) for v, t in zip(row, types))
        total += int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big")
        rows += 1
    return rows, "%016x" % (total % 2**64)


def tables(root):
    """The tables below a folder, and the folders that hold nothing like one."""
    for path, folders, files in sorted(os.walk(root)):
        name = os.path.relpath(path, root)
        if "_delta_log" in folders or name.count(os.sep) == 1 and not folders:
            if not any(p + os.sep in name + os.sep and p != name for p in seen):
                seen.append(name)
                yield name, path


seen = []


def main(root):
    spark = (
        SparkSession.builder.master("local[2]").config("spark.jars.packages", DELTA)
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.sql.session.timeZone", "UTC").config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -Duser.timezone=UTC")
        .config("spark.sql.adaptive.enabled", "false")
        .config("spark.ui.enabled", "false").config("spark.sql.shuffle.partitions", "2")
        .config("spark.databricks.delta.snapshotPartitions", "2").config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.memory", "2g").getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")
    for name, path in tables(root):
        version, files = "-", "-"
        try:
            none = spark._jvm.scala.Option.empty()
            snapshot = spark._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, path).update(False, none, none)
            if snapshot.version() >= 0:
                version, files = snapshot.version(), snapshot.numOfFiles()
            result = "%d\t%s" % digest(spark.read.format("delta").load(path))
        except Exception as e:
            result = "error\t" + cause(e).replace(root, "")[:200]
        print("%s\t%s\t%s\t%s" % (name, version, files, result), flush=True)


def cause(e):
    """The first line of what an exception came from."""
    text = str(e)
    java = getattr(e, "java_exception", None) or getattr(e, "_origin", None)
    while java is not None:
        text, java = java.toString(), java.getCause()
    return text.strip().split("\n")[0].replace("\t", " ")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
