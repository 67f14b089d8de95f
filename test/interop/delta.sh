#!/usr/bin/env bash
# Round trips of Delta tables between weir, Spark with delta-spark, and delta-rs, in turn on the same table, compared after each
# step; arguments choose scenarios. Installs the Python packages below .venv, or where WEIR_VENV (delta-rs) and WEIR_SPARK_VENV
# (Spark) say, and Spark's jars from Maven Central. Needs go, python3 and a JDK (17 or 11); fails loudly.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
for tool in go java python3; do command -v $tool >/dev/null || { echo "delta interop: $tool is needed"; exit 1; }; done

# packages FOLDER REQUIREMENTS makes a folder of Python packages unless it has them.
packages() {
  if [ -x "$1/bin/python" ] && "$1/bin/pip" freeze 2>/dev/null | grep -Fxqf "$here/$2" &&
    [ "$("$1/bin/pip" freeze 2>/dev/null | grep -Fxcf "$here/$2")" = "$(grep -c . "$here/$2")" ]; then return; fi
  [ -x "$1/bin/python" ] || python3 -m venv "$1"
  "$1/bin/pip" install -q -r "$here/$2"
}
deltars=${WEIR_VENV:-$root/.venv/delta} spark=${WEIR_SPARK_VENV:-$root/.venv/spark}
packages "$deltars" requirements-delta.txt
packages "$spark" requirements-spark.txt

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$root" && go build -o "$work/peer" ./test/interop/delta/peer)
"$deltars/bin/python" "$here/delta/round_trips.py" "$work" "$work/peer" "$spark/bin/python" "$@" || {
  tail -n 20 "$work"/*.log
  echo "delta interop: failed"
  exit 1
}
