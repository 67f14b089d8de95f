#!/usr/bin/env bash
# Round trips of Delta tables between weir, Spark with delta-spark, and delta-rs, in turn on the same table, compared after each
# step. Arguments choose scenarios (delta/scenarios.py); core is a few, with one Spark only. Installs the Python packages below
# .venv, or where WEIR_DELTA_VENV (delta-rs), WEIR_SPARK_VENV and WEIR_SPARK4_VENV (Spark 3.5 and 4.0) say, and Spark's jars from
# Maven Central. Needs go, python3 and a JDK (17); fails loudly.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/packages.sh"
deltars=$(packages "${WEIR_DELTA_VENV:-$ROOT/.venv/delta}" requirements-delta.txt)
spark4=$(packages "${WEIR_SPARK4_VENV:-$ROOT/.venv/spark4}" requirements-spark4.txt)
spark=-
if [ "${1:-}" != core ]; then
  spark=$(packages "${WEIR_SPARK_VENV:-$ROOT/.venv/spark}" requirements-spark.txt)
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$ROOT" && go build -o "$work/peer" ./test/interop/delta/peer)
"$deltars" "$here/delta/round_trips.py" "$work" "$work/peer" "$spark" "$spark4" "$@" || {
  tail -n 20 "$work"/*.log
  echo "delta interop: failed"
  exit 1
}
