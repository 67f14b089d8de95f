#!/usr/bin/env bash
# Delta tables with features that the collections of other people's tables lack: Spark makes them, weir reads them, and the rows
# are compared with Spark's, the outcome with docs/delta-tables.md; the argument -update rewrites that. Installs PySpark below
# .venv, or where WEIR_SPARK4_VENV says, and Delta's jars from Maven Central. Needs go, python3 and a JDK (17); fails loudly.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/packages.sh"
python=$(packages "${WEIR_SPARK4_VENV:-$ROOT/.venv/spark4}" requirements-spark4.txt)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TZ=UTC LC_ALL=C.UTF-8

mkdir "$work/tables"
# spark SCRIPT shows what it says if it fails.
spark() { "$python" "$here/$1" "$work/tables" 2>>"$work/log" || { tail -n 20 "$work/log"; echo "delta tables: $1 failed"; exit 1; }; }
spark delta_tables.py
spark ../accept/truth.py >"$work/answers.txt"
cd "$ROOT"
WEIR_MADE_TABLES=$work/tables WEIR_MADE_ANSWERS=$work/answers.txt go test -count=1 -run 'TestMadeTables' ./test/accept "$@"
go test -count=1 -run TestTables ./test/accept "$@"
cat test/accept/testdata/made.md
