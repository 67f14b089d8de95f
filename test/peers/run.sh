#!/usr/bin/env bash
# The same load on weir, kinesalite, kinesis-local and Apache Kafka: make peers, or run.sh [-duration 10s] [-peers a,b] [-json FILE].
# Needs node with npm, java 17 or later and mvn with their package registries; installs below .venv/peers of the checkout.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
tools=$root/.venv/peers
for tool in node npm java mvn go; do
  command -v "$tool" >/dev/null || { echo "peers: $tool is not installed" >&2; exit 1; }
done
mkdir -p "$tools"
if [ ! -d "$tools/node_modules/kinesalite" ] || [ ! -d "$tools/node_modules/kinesis-local" ]; then
  npm install --prefix "$tools" --no-audit --no-fund kinesalite@3.3.3 kinesis-local@0.6.2 >"$tools/npm.log" 2>&1 || { cat "$tools/npm.log" >&2; exit 1; }
fi
if ! ls "$tools"/kafka/kafka_*.jar >/dev/null 2>&1; then
  mvn -q -B -f "$here/kafka/pom.xml" dependency:copy-dependencies -DoutputDirectory="$tools/kafka" >"$tools/mvn.log" 2>&1 || { cat "$tools/mvn.log" >&2; exit 1; }
fi
(cd "$root" && go build -o "$tools/weir" ./cmd/weir)
(cd "$here" && go build -o "$tools/peers" .)
mkdir -p "$root/.venv/peers/data"
exec "$tools/peers" -tools "$tools" -weir "$tools/weir" -dir "$root/.venv/peers/data" "$@"
