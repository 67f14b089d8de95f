#!/usr/bin/env bash
# AWS's JavaScript SDK (v3) against a real weir that verifies signatures. Needs node 20 or later and its package registry.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/server.sh"
cp "$here/js/package.json" "$here"/js/*.js "$WORK"
cd "$WORK"
npm install --silent --no-audit --no-fund >npm.log 2>&1 || { npm install; exit 1; }
export NODE_NO_WARNINGS=1
cp "$ROOT/examples/rides/aws.cfg.example" keys.cfg
start_weir js --credentials keys.cfg
export AWS_ACCESS_KEY_ID=youraccesskey AWS_SECRET_ACCESS_KEY=yoursecretkey
for program in kinesis_sweep.js clients.js; do
  node "$program" || { cat "$WORK"/*.log; exit 1; }
done
echo "js: all calls passed"
