#!/usr/bin/env bash
# weir's pipelines, Spark Structured Streaming and plain DuckDB on the same records, in one run; prints a table with ratios. Arguments are
# those of pipeline/bench.py (--quick, --only, --sides …). Installs PySpark and DuckDB below .venv, or where WEIR_SPARK_VENV and
# WEIR_DUCKDB_VENV say. Needs go, python3, a JDK (17) and some 5 GiB in BENCH_DIR.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/packages.sh"
spark=$(packages "${WEIR_SPARK_VENV:-$ROOT/.venv/spark}" requirements-spark.txt)
duckdb=$(packages "${WEIR_DUCKDB_VENV:-$ROOT/.venv/duckdb}" requirements-duckdb.txt)
work=$(mktemp -d -p "${BENCH_DIR:-${TMPDIR:-/tmp}}")
trap 'rm -rf "$work"' EXIT
weir=${WEIR:-$work/weir} # set it to measure a binary that is there already
[ -n "${WEIR:-}" ] || (cd "$ROOT" && go build -o "$weir" ./cmd/weir)
(cd "$ROOT" && go build -o "$work/load" ./test/interop/pipeline/load)
export PYTHONDONTWRITEBYTECODE=1
python3 "$here/pipeline/bench.py" "$work" "$weir" "$work/load" "$spark" "$duckdb" "$@"
