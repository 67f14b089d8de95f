#!/bin/sh
# Delta tables with the features that the collections of other people's tables lack: Spark makes them, weir reads them, and
# the rows are compared with Spark's. Needs Python with venv, Java 17 and a way to PyPI and Maven Central.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TZ=UTC LC_ALL=C.UTF-8

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pyspark==4.0.1
mkdir "$work/tables"
"$work/venv/bin/python" "$here/delta_tables.py" "$work/tables"
"$work/venv/bin/python" "$here/../accept/truth.py" "$work/tables" >"$work/answers.txt"
cd "$here/../.."
WEIR_MADE_TABLES="$work/tables" WEIR_MADE_ANSWERS="$work/answers.txt" go test -count=1 -v -run TestMadeTables ./test/accept
