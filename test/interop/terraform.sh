#!/usr/bin/env bash
# examples/users for real: terraform init, plan, apply, a second plan that must find nothing to do; people go in, Athena counts
# them in the workgroup that Terraform made; destroy, and nothing may be left. Then terraform/wide, with more of every resource.
# Takes minutes, as the provider waits for changes to settle. Needs terraform and python3; takes the AWS provider from the registry or from the folder TF_PLUGIN_DIR.
set -euo pipefail
command -v terraform >/dev/null || { echo "terraform is not installed: see https://developer.hashicorp.com/terraform/install"; exit 1; }
here=$(cd "$(dirname "$0")" && pwd)
source "$here/server.sh"
venv=${WEIR_VENV:-$ROOT/.venv}
if [ ! -x "$venv/bin/aws" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q -r "$here/requirements.txt"
fi
export PATH=$venv/bin:$PATH
start_weir data
export AWS_ACCESS_KEY_ID=weir AWS_SECRET_ACCESS_KEY=weir TF_VAR_endpoint=$AWS_ENDPOINT_URL TF_IN_AUTOMATION=1 TF_INPUT=0 TF_CLI_ARGS=-no-color CHECKPOINT_DISABLE=1

# quietly COMMAND… shows what it said only if it fails.
quietly() { "$@" >"$WORK/last.log" 2>&1 || { cat "$WORK/last.log"; echo "terraform: failed: $*"; exit 1; }; }

# provision FOLDER copies the folder's files, and does all until the second plan.
provision() {
  mkdir "$WORK/$(basename "$1")" && cd "$WORK/$(basename "$1")"
  cp "$1"/*.tf .
  quietly terraform init ${TF_PLUGIN_DIR:+-plugin-dir="$TF_PLUGIN_DIR"}
  quietly terraform plan -out=kinesis-stack-plan
  terraform apply kinesis-stack-plan | grep '^Apply complete'
  unchanged
}
unchanged() { quietly terraform plan -detailed-exitcode; }

# empty COMMAND… fails unless the listing counts nothing.
empty() { test "$(aws "$@" --output text)" = 0 || { echo "terraform: left behind: aws $*"; exit 1; }; }
nothing_left() {
  empty kinesis list-streams --query 'length(StreamNames)'
  empty firehose list-delivery-streams --query 'length(DeliveryStreamNames)'
  empty s3api list-buckets --query "length(Buckets[?Name!='weir-query-results'])"
  empty glue get-databases --query "length(DatabaseList[?Name!='default'])"
  empty glue get-crawlers --query 'length(Crawlers)'
  empty iam list-roles --query 'length(Roles)'
  empty iam list-policies --scope Local --query 'length(Policies)'
  empty athena list-work-groups --query "length(WorkGroups[?Name!='primary'])"
  empty athena list-named-queries --query 'length(NamedQueryIds)'
}

export TF_VAR_buffer_seconds=1 TF_VAR_crawler=true
provision "$ROOT/examples/users/terraform"
python "$ROOT/examples/users/data-producer.py" --amount 20 >/dev/null 2>&1
"$WEIR" produce users --stream "$(terraform output -raw stream)" --amount 80 2>/dev/null
python "$here/terraform_check.py" 100
unchanged
terraform destroy -auto-approve | grep '^Destroy complete'
nothing_left

unset TF_VAR_buffer_seconds TF_VAR_crawler
provision "$here/terraform/wide"
export TF_VAR_changed=true
quietly terraform apply -auto-approve
unchanged
terraform destroy -auto-approve | grep '^Destroy complete'
nothing_left
echo "terraform: apply, empty second plan, change, destroy passed"
