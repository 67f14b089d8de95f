#!/usr/bin/env bash
# Tables that pipelines make, read by weir's SQL, DuckDB's delta extension and delta-rs, with --spark by Spark 3.5 and 4.0 too, and changed
# by them beside the pipelines. Other arguments choose scenarios (pipeline_tables/scenarios.py). Installs the Python packages below .venv, or
# where WEIR_READERS_VENV, WEIR_SPARK_VENV and WEIR_SPARK4_VENV say. Needs go and python3, and a JDK (17) for Spark; fails loudly.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/server.sh"
[ "${1:-}" = --spark ] || JAVA= # not needed
source "$here/packages.sh"
python=$(packages "${WEIR_READERS_VENV:-$ROOT/.venv/readers}" requirements-readers.txt)
sparks=(none)
if [ "${1:-}" = --spark ]; then
  shift
  spark=$(packages "${WEIR_SPARK_VENV:-$ROOT/.venv/spark}" requirements-spark.txt)
  spark4=$(packages "${WEIR_SPARK4_VENV:-$ROOT/.venv/spark4}" requirements-spark4.txt)
  sparks=("3.5:$spark" "4.0:$spark4")
fi
export PYTHONDONTWRITEBYTECODE=1
for spark in "${sparks[@]}"; do
  at=${spark%%:*}
  mkdir -p "$WORK/$at"
  start_weir "$at/weir"
  "$python" "$here/pipeline_tables/main.py" "$WORK/$at" "$WEIR" "$spark" "$@" || { tail -n 20 "$WORK/$at"/*.log; exit 1; }
done
