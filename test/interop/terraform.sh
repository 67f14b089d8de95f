#!/usr/bin/env bash
# terraform init, apply, a second plan that must find nothing to do, a run of the producer and a query, destroy: examples/users
# for real. Needs terraform in PATH, and its AWS provider from the registry or from the folder TF_PLUGIN_DIR.
set -euo pipefail
command -v terraform >/dev/null || { echo "terraform is not installed: see https://developer.hashicorp.com/terraform/install"; exit 1; }
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
(cd "$root" && go build -o "$work/weir" ./cmd/weir)
"$work/weir" serve --listen 127.0.0.1:0 --data "$work/data" >"$work/serve.log" 2>&1 &
for _ in $(seq 100); do grep -q 'http://' "$work/serve.log" && break; sleep 0.1; done
url=$(grep -o 'http://[0-9.:]*' "$work/serve.log" | head -n 1)
test -n "$url" || { cat "$work/serve.log"; exit 1; }
export AWS_ENDPOINT_URL=$url TF_VAR_endpoint=$url AWS_ACCESS_KEY_ID=weir AWS_SECRET_ACCESS_KEY=weir AWS_REGION=us-east-1 TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1
cp "$root"/examples/users/*.tf "$work"
cd "$work"
terraform init -input=false ${TF_PLUGIN_DIR:+-plugin-dir="$TF_PLUGIN_DIR"} >init.log || { cat init.log; exit 1; }
terraform plan -input=false -out=kinesis-stack-plan >plan.log
terraform apply -input=false kinesis-stack-plan | tail -n 3
echo "second plan"
terraform plan -input=false -detailed-exitcode >second.log || { cat second.log; echo "terraform: the second plan is not empty"; exit 1; }
"$work/weir" produce users --stream r-d-kinesis-stream --amount 100 --endpoint "$url"
sleep 3
terraform destroy -input=false -auto-approve | tail -n 1
echo "terraform: apply, empty second plan, destroy passed"
