#!/usr/bin/env bash
# Asks Spark again for its answers in columnar/testdata/spark-cases.tsv: what its readers make of records. Fails where one differs from what
# is written there; --update rewrites them. Installs pyspark below .venv, or where WEIR_SPARK_VENV says. Needs python3 and a JDK (17).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/packages.sh"
spark=$(packages "${WEIR_SPARK_VENV:-$ROOT/.venv/spark}" requirements-spark.txt)
"$spark" "$here/spark_cases.py" "$ROOT/columnar/testdata/spark-cases.tsv" "$@"
