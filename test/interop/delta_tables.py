"""Makes Delta tables with Spark that use the features which the collections of other people's tables lack. Usage:

    TZ=UTC python delta_tables.py FOLDER [TABLE…]       one table in each folder below it, all or some

delta_tables.sh has weir read them and compares the rows with Spark's.
"""
import re
import sys

from delta.tables import DeltaTable, IdentityGenerator
from pyspark.sql import SparkSession

DELTA = "io.delta:delta-spark_2.13:4.0.0"

# Each table is a list of statements; T stands for its name. A list in the place of the first makes a table with generated columns,
# for which Spark has no statement: name, type, and expression or identity.
TABLES = {
    "mapping-name-renamed": [
        "CREATE TABLE T (id BIGINT, a STRUCT<x: INT, `y z`: STRING>, l ARRAY<STRUCT<p: INT>>, m MAP<STRING, STRUCT<q: INT>>, gone INT, `odd name` DATE) "
        "USING delta PARTITIONED BY (`odd name`) TBLPROPERTIES ('delta.columnMapping.mode' = 'name')",
        "INSERT INTO T SELECT id, named_struct('x', CAST(id AS INT), 'y z', 'a'), array(named_struct('p', 1)), map('k', named_struct('q', 2)), 7, DATE'2020-01-01' FROM range(5)",
        "ALTER TABLE T RENAME COLUMN id TO number",
        "ALTER TABLE T RENAME COLUMN a.x TO xx",
        "ALTER TABLE T RENAME COLUMN l.element.p TO pp",
        "ALTER TABLE T RENAME COLUMN m.value.q TO qq",
        "ALTER TABLE T RENAME COLUMN `odd name` TO day",
        "ALTER TABLE T DROP COLUMN gone",
        "ALTER TABLE T ADD COLUMNS (gone STRING, a.more INT AFTER xx)",
        "INSERT INTO T SELECT id, named_struct('xx', CAST(id AS INT), 'more', 5, 'y z', 'b'), array(named_struct('pp', 3)), map('k', named_struct('qq', 4)), NULL, 'back' FROM range(100, 103)",
        "DELETE FROM T WHERE number = 3",
    ],
    "mapping-id": [
        "CREATE TABLE T (id BIGINT, a STRUCT<x: INT, y: STRING>, l ARRAY<STRUCT<p: INT>>) USING delta "
        "TBLPROPERTIES ('delta.columnMapping.mode' = 'id', 'delta.enableDeletionVectors' = 'true')",
        "INSERT INTO T SELECT id, named_struct('x', CAST(id AS INT), 'y', 'a'), array(named_struct('p', 1)) FROM range(0, 20, 1, 1)",
        "ALTER TABLE T RENAME COLUMN id TO number",
        "ALTER TABLE T RENAME COLUMN a.y TO z",
        "ALTER TABLE T ADD COLUMNS (a.w INT)",
        "DELETE FROM T WHERE number % 3 = 0",
        "INSERT INTO T SELECT 50, named_struct('x', 1, 'z', 'b', 'w', 2), array(named_struct('p', 2))",
    ],
    "mapping-upgraded": [
        "CREATE TABLE T (id BIGINT, s STRUCT<a: INT>, part STRING) USING delta PARTITIONED BY (part)",
        "INSERT INTO T SELECT id, named_struct('a', 1), 'p' FROM range(5)",
        "ALTER TABLE T SET TBLPROPERTIES ('delta.minReaderVersion' = '2', 'delta.minWriterVersion' = '5', 'delta.columnMapping.mode' = 'name')",
        "ALTER TABLE T RENAME COLUMN part TO `new part`",
        "ALTER TABLE T RENAME COLUMN s.a TO b",
        "INSERT INTO T SELECT id, named_struct('b', 2), NULL FROM range(5, 8)",
    ],
    "vectors": [
        "CREATE TABLE T (id BIGINT, part INT) USING delta PARTITIONED BY (part) TBLPROPERTIES ('delta.enableDeletionVectors' = 'true', 'delta.checkpointInterval' = '3')",
        "INSERT INTO T SELECT id, CAST(id % 3 AS INT) FROM range(0, 200000, 1, 1)",
        "DELETE FROM T WHERE id % 7 = 0",
        "DELETE FROM T WHERE id BETWEEN 1000 AND 150000 AND part = 1",
        "UPDATE T SET id = -id WHERE id % 1001 = 1",
        "MERGE INTO T USING (SELECT id FROM range(3000, 3010)) AS s ON T.id = s.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, part) VALUES (s.id, 9)",
        "DELETE FROM T WHERE part = 2",
    ],
    "widening": [
        "CREATE TABLE T (a BYTE, b SHORT, c INT, f FLOAT, d DECIMAL(5, 2), t DATE, i INT, s STRUCT<n: SHORT>, l ARRAY<BYTE>, m MAP<SHORT, FLOAT>, p SHORT) USING delta "
        "PARTITIONED BY (p) TBLPROPERTIES ('delta.enableTypeWidening' = 'true', 'delta.feature.timestampNtz' = 'supported')",
        "INSERT INTO T SELECT CAST(id AS BYTE), id, id, 1.1 * id, 1.25 * id, DATE'1999-12-31', id, named_struct('n', CAST(id AS SHORT)), array(CAST(id AS BYTE)), map(CAST(id AS SHORT), CAST(0.1 AS FLOAT)), 7 FROM range(0, 5, 1, 1)",
        "ALTER TABLE T CHANGE COLUMN a TYPE INT", "ALTER TABLE T CHANGE COLUMN b TYPE DOUBLE", "ALTER TABLE T CHANGE COLUMN c TYPE BIGINT",
        "ALTER TABLE T CHANGE COLUMN f TYPE DOUBLE", "ALTER TABLE T CHANGE COLUMN d TYPE DECIMAL(20, 5)", "ALTER TABLE T CHANGE COLUMN t TYPE TIMESTAMP_NTZ",
        "ALTER TABLE T CHANGE COLUMN i TYPE DECIMAL(15, 3)", "ALTER TABLE T CHANGE COLUMN s.n TYPE INT", "ALTER TABLE T CHANGE COLUMN l.element TYPE INT",
        "ALTER TABLE T CHANGE COLUMN m.key TYPE INT", "ALTER TABLE T CHANGE COLUMN m.value TYPE DOUBLE", "ALTER TABLE T CHANGE COLUMN p TYPE BIGINT",
        "INSERT INTO T SELECT 100000, 1.5, 1L << 40, 0.1, 12345.67891, TIMESTAMP_NTZ'2024-02-29 12:34:56.789', 123.456, named_struct('n', 70000), array(1, NULL), map(70000, 0.3D), 1L << 33",
    ],
    "in-commit-timestamps": [
        "CREATE TABLE T (id BIGINT) USING delta",
        "INSERT INTO T VALUES (1)",
        "ALTER TABLE T SET TBLPROPERTIES ('delta.enableInCommitTimestamps' = 'true')",
        "INSERT INTO T VALUES (2)", "INSERT INTO T VALUES (3)",
    ],
    "row-tracking": [
        "CREATE TABLE T (id BIGINT, v STRING) USING delta TBLPROPERTIES ('delta.enableRowTracking' = 'true', 'delta.enableDeletionVectors' = 'true')",
        "INSERT INTO T SELECT id, 'a' FROM range(0, 10, 1, 1)", "INSERT INTO T SELECT id, 'b' FROM range(10, 20, 1, 1)",
        "UPDATE T SET v = 'c' WHERE id IN (3, 15)", "OPTIMIZE T", "DELETE FROM T WHERE id = 7",
    ],
    "constraints": [
        "CREATE TABLE T (id BIGINT NOT NULL, v INT) USING delta", "ALTER TABLE T ADD CONSTRAINT positive CHECK (v > 0)", "INSERT INTO T VALUES (1, 1), (2, 5)",
    ],
    "v2-checkpoint": [
        "CREATE TABLE T (id BIGINT, part STRING) USING delta PARTITIONED BY (part) TBLPROPERTIES ('delta.checkpointPolicy' = 'v2', 'delta.checkpointInterval' = '2', "
        "'delta.checkpoint.writeStatsAsStruct' = 'true', 'delta.checkpoint.writeStatsAsJson' = 'false', 'delta.enableDeletionVectors' = 'true')",
        "INSERT INTO T SELECT id, 'a' FROM range(0, 10, 1, 2)", "INSERT INTO T SELECT id, 'b' FROM range(10, 20, 1, 2)", "DELETE FROM T WHERE id IN (1, 12)",
        "INSERT INTO T SELECT id, NULL FROM range(20, 25, 1, 2)", "INSERT INTO T SELECT id, 'c' FROM range(25, 30, 1, 2)",
    ],
    "clustered": [
        "CREATE TABLE T (id BIGINT, v STRING) USING delta CLUSTER BY (id)", "INSERT INTO T SELECT id, 'a' FROM range(100)", "OPTIMIZE T",
    ],
    "random-prefixes": [
        "CREATE TABLE T (id BIGINT) USING delta TBLPROPERTIES ('delta.randomizeFilePrefixes' = 'true', 'delta.randomPrefixLength' = '3', 'delta.enableDeletionVectors' = 'true')",
        "INSERT INTO T SELECT id FROM range(0, 100, 1, 1)", "DELETE FROM T WHERE id % 2 = 0",
    ],
    "changes": [
        "CREATE TABLE T (id BIGINT, part STRING) USING delta PARTITIONED BY (part) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')",
        "INSERT INTO T SELECT id, 'a' FROM range(10)", "UPDATE T SET part = 'b' WHERE id < 3", "DELETE FROM T WHERE id = 5",
    ],
    "partition-values": [
        "CREATE TABLE T (v INT, s STRING, b BINARY, t TIMESTAMP, n TIMESTAMP_NTZ, d DATE, x DECIMAL(10, 3), f DOUBLE, g FLOAT, o BOOLEAN, i TINYINT) USING delta "
        "PARTITIONED BY (s, b, t, n, d, x, f, g, o, i)",
        "INSERT INTO T VALUES (1, 'a/b=c%20 :?#[]{}|~ü€😀', X'014142', TIMESTAMP'1969-12-31 23:59:59.999999', TIMESTAMP_NTZ'2024-02-29 01:02:03.000004', "
        "DATE'0099-01-01', -0.001, -1.5e3, 1.1, true, -128), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), "
        "(3, ' ', X'41', TIMESTAMP'2024-02-29 00:00:00', TIMESTAMP_NTZ'1600-01-01 00:00:00', DATE'9999-12-31', 1234567.891, 1e-9, float('-Infinity'), false, 127)",
    ],
    "struct-grown": [
        "CREATE TABLE T (id BIGINT, s STRUCT<a: INT>, l ARRAY<STRUCT<a: INT>>) USING delta",
        "INSERT INTO T SELECT id, named_struct('a', 1), array(named_struct('a', 1)) FROM range(3)",
        "INSERT INTO T VALUES (9, NULL, NULL)",
        "ALTER TABLE T ADD COLUMNS (s.b STRUCT<c: INT, d: STRING>, l.element.b INT, z DOUBLE)",
        "INSERT INTO T VALUES (10, named_struct('a', 2, 'b', named_struct('c', 3, 'd', 'x')), array(named_struct('a', 4, 'b', 5)), 1.5)",
    ],
    "struct-replaced": [
        "CREATE TABLE T (id BIGINT, s STRUCT<a: INT>) USING delta TBLPROPERTIES ('delta.columnMapping.mode' = 'name')",
        "INSERT INTO T VALUES (1, named_struct('a', 1)), (2, NULL)",
        "ALTER TABLE T ADD COLUMNS (s.b INT)", "ALTER TABLE T DROP COLUMN s.a",
        "INSERT INTO T VALUES (3, named_struct('b', 2))",
    ],
    "identity": [
        [("k", "BIGINT", IdentityGenerator(5, -2)), ("v", "STRING", None)],
        "INSERT INTO T (v) SELECT 'a' FROM range(0, 5, 1, 1)", "INSERT INTO T (v) VALUES ('b')",
    ],
    "defaults-and-lengths": [
        "CREATE TABLE T (id BIGINT, v STRING DEFAULT 'x', c CHAR(4), w VARCHAR(6)) USING delta TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported')",
        "INSERT INTO T VALUES (1, DEFAULT, 'a', 'bcd')", "INSERT INTO T (id, c) VALUES (2, 'abcd')", "INSERT INTO T VALUES (3, 'y', 'abc ', 'é☃    ')",
    ],
    "lengths-below": [
        "CREATE TABLE T (id BIGINT, s STRUCT<A: CHAR(3), n: INT>, l ARRAY<CHAR(2)>, m MAP<CHAR(2), VARCHAR(3)>, p CHAR(5)) USING delta PARTITIONED BY (p)",
        "INSERT INTO T VALUES (1, named_struct('A', 'x', 'n', 1), array('a', NULL, 'bc'), map('k', 'v'), 'part'), (2, NULL, NULL, NULL, NULL)",
    ],
    "generated": [
        [("at", "TIMESTAMP", None), ("day", "DATE", "CAST(at AS DATE)"), ("y", "INT", "YEAR(at)")],
        "INSERT INTO T (at) VALUES (TIMESTAMP'2023-12-31 23:59:59'), (TIMESTAMP'2024-01-01 00:00:00')",
    ],
    "iceberg-compatible": [
        "CREATE TABLE T (id BIGINT, s STRUCT<a: INT>, l ARRAY<STRING>) USING delta TBLPROPERTIES ('delta.columnMapping.mode' = 'name', 'delta.enableIcebergCompatV2' = 'true')",
        "INSERT INTO T SELECT id, named_struct('a', 1), array('x') FROM range(5)",
    ],
    "reclustered": [
        "CREATE TABLE T (id BIGINT, v STRING) USING delta CLUSTER BY (id)", "INSERT INTO T SELECT id, 'a' FROM range(50)", "ALTER TABLE T CLUSTER BY (v)",
        "INSERT INTO T SELECT id, 'b' FROM range(50, 60)", "OPTIMIZE T", "ALTER TABLE T CLUSTER BY NONE",
    ],
    "sidecars": [
        "SET spark.databricks.delta.checkpoint.partSize = 3",
        "CREATE TABLE T (id BIGINT, part INT) USING delta PARTITIONED BY (part) TBLPROPERTIES ('delta.checkpointPolicy' = 'v2', 'delta.checkpointInterval' = '2')",
        "INSERT INTO T SELECT id, CAST(id % 10 AS INT) FROM range(0, 100, 1, 1)", "DELETE FROM T WHERE id % 10 = 4", "INSERT INTO T VALUES (1000, 11)",
        "RESET spark.databricks.delta.checkpoint.partSize",
    ],
    "restored": [
        "CREATE TABLE T (id BIGINT) USING delta", "INSERT INTO T SELECT id FROM range(0, 10, 1, 1)", "DELETE FROM T WHERE id > 3", "INSERT INTO T VALUES (77)",
        "RESTORE TABLE T TO VERSION AS OF 1", "INSERT INTO T VALUES (99)",
    ],
    "overwritten": [
        "CREATE TABLE T (id BIGINT, part STRING) USING delta PARTITIONED BY (part)", "INSERT INTO T SELECT id, 'a' FROM range(0, 10, 1, 1)",
        "INSERT INTO T SELECT id, 'b' FROM range(0, 10, 1, 1)", "INSERT INTO T REPLACE WHERE part = 'a' SELECT 5, 'a'", "INSERT OVERWRITE T SELECT id, 'c' FROM range(3)",
    ],
    "variant": ["CREATE TABLE T (id BIGINT, v VARIANT) USING delta", "INSERT INTO T SELECT 1, parse_json('{\"a\": [1, null]}')"],
    "clone-source": ["CREATE TABLE T (id BIGINT, part STRING) USING delta PARTITIONED BY (part) TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')",
                     "INSERT INTO T SELECT id, 'a b' FROM range(0, 10, 1, 1)", "DELETE FROM T WHERE id = 4"],
    "clone": ["CREATE TABLE T SHALLOW CLONE clone_source", "INSERT INTO T VALUES (100, 'c')", "DELETE FROM T WHERE id = 5"],
}


def main(root, *names):
    spark = (
        SparkSession.builder.master("local[2]").config("spark.jars.packages", DELTA)
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.sql.session.timeZone", "UTC").config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -Duser.timezone=UTC")
        .config("spark.sql.adaptive.enabled", "false").config("spark.sql.sources.parallelPartitionDiscovery.parallelism", "2")
        .config("spark.sql.warehouse.dir", root).config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "2").config("spark.databricks.delta.snapshotPartitions", "2")
        .config("spark.databricks.delta.alterTable.rename.enabledOnRenameInNestedField", "true").getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")
    failed = 0
    for name in names or TABLES:
        for text in TABLES[name]:
            place = name.replace("-", "_")
            if isinstance(text, list):
                table = DeltaTable.create(spark).tableName(place)
                for column, kind, made in text:
                    table = table.addColumn(column, kind, generatedAlwaysAs=made)
                table.execute()
                continue
            text = re.sub(r"\b(TABLE|INTO|FROM|UPDATE|OPTIMIZE|OVERWRITE) T\b", lambda m: m[1] + " " + place, text)
            text = re.sub(r"(MERGE INTO \S+)", r"\1 AS T", text)
            try:
                spark.sql(text).collect()
            except Exception as e:
                failed += 1
                print("%s: %s: %s" % (name, text[:80], str(e).split("\n")[0][:300]), file=sys.stderr)
                break
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].rstrip("/"), *sys.argv[2:]) > 0)
