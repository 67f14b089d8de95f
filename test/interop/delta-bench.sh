#!/usr/bin/env bash
# The same work on the same tables by weir and by delta-rs, each as a whole process, with its peak memory; prints a table with
# ratios. Installs delta-rs below .venv, or where WEIR_DELTA_VENV says. Needs go and python3, and some 5 GiB in BENCH_DIR.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
deltars=${WEIR_DELTA_VENV:-$root/.venv/delta}
[ -x "$deltars/bin/python" ] || python3 -m venv "$deltars"
"$deltars/bin/pip" install -q -r "$here/requirements-delta.txt"
work=$(mktemp -d -p "${BENCH_DIR:-${TMPDIR:-/tmp}}")
trap 'rm -rf "$work"' EXIT
(cd "$root" && go build -o "$work/bench" ./test/interop/delta/bench)
"$deltars/bin/python" "$here/delta/bench.py" "$work" "$work/bench" "$@"
