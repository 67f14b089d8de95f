#!/usr/bin/env bash
# Streaming queries run by Spark Structured Streaming and by weir over the same micro-batches, compared. Arguments are those of
# parity/parity.py. Installs PySpark below .venv, or where WEIR_SPARK_VENV says. Needs go, python3 and a JDK (17); fails loudly.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/server.sh"
source "$here/packages.sh"
spark=$(packages "${WEIR_SPARK_VENV:-$ROOT/.venv/spark}" requirements-spark.txt)
start_weir parity
curl -fsS -X PUT "$AWS_ENDPOINT_URL/lake" >/dev/null
export PYTHONDONTWRITEBYTECODE=1
python3 "$here/parity/parity.py" "$WORK" "$WEIR" "$spark" "$@"
