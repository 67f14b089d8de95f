#!/usr/bin/env bash
# Other people's clients and readers against a real weir: boto3 and awscli drive both tutorials, delta-rs and DuckDB read
# the tables from disk. Installs the Python packages below .venv (needs python3 and a package index); fails loudly.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/test/interop
venv=${WEIR_VENV:-$root/.venv}
if [ ! -x "$venv/bin/aws" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q -r "$here/requirements.txt"
fi
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT

(cd "$root" && go build -o "$work/weir" ./cmd/weir)
"$work/weir" serve --listen 127.0.0.1:0 --data "$work/data" >"$work/serve.log" 2>&1 &
for _ in $(seq 100); do grep -q 'http://' "$work/serve.log" && break; sleep 0.1; done
url=$(grep -o 'http://[0-9.:]*' "$work/serve.log" | head -n 1)
test -n "$url" || { cat "$work/serve.log"; exit 1; }

export PATH=$venv/bin:$PATH WEIR=$work/weir WEIR_DATA=$work/data WORK=$work ROOT=$root
export AWS_ENDPOINT_URL=$url AWS_ACCESS_KEY_ID=weir AWS_SECRET_ACCESS_KEY=weir AWS_DEFAULT_REGION=us-east-1 AWS_REGION=us-east-1 AWS_PAGER=""
cd "$work"
for part in rides.sh users.sh awscli.sh; do
  printf '\n--- %s\n' "$part"
  bash "$here/$part" || { echo "interop: $part failed"; tail -n 50 "$work"/*.log; exit 1; }
done
echo
echo "interop: all parts passed"
