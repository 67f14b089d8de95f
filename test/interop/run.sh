#!/usr/bin/env bash
# Other people's clients and readers against a real weir: boto3 and awscli drive both tutorials, delta-rs and DuckDB read
# the tables from disk, and those that pipelines of all kinds make. Installs the Python packages below .venv (needs python3 and a package index); fails loudly.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/server.sh"
venv=${WEIR_VENV:-$ROOT/.venv}
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then # not made yet, or for other versions
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv"
fi
export PATH=$venv/bin:$PATH

cd "$WORK"
# run SCRIPT keeps a trace of its commands, and shows the last ones if it fails.
run() {
  printf '\n--- %s\n' "$1"
  BASH_XTRACEFD=9 bash -x "$here/$1" 9>"$WORK/$1.log" || { tail -n 5 "$WORK"/*.log; echo "interop: $1 failed"; exit 1; }
}
start_weir open
export AWS_ACCESS_KEY_ID=weir AWS_SECRET_ACCESS_KEY=weir
python "$here/empty_check.py"
printf '\n--- kinesis_sweep.py\n'
python "$here/kinesis_sweep.py"
python "$here/kinesis_sweep.py" --cli
run rides.sh
run users.sh
run awscli.sh

cp "$ROOT/examples/rides/aws.cfg.example" keys.cfg
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
start_weir closed --credentials keys.cfg
run credentials.sh

cat >accounts.cfg <<'CFG'
[default]
aws_access_key_id = ownerkey
aws_secret_access_key = ownersecret
[stranger]
aws_access_key_id = strangerkey
aws_secret_access_key = strangersecret
aws_account_id = 111122223333
CFG
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
start_weir limited --credentials accounts.cfg --limits aws
python "$here/limits_check.py" "$WORK/accounts.cfg"
printf '\n--- pipeline_tables.sh\n'
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
"$here/pipeline_tables.sh"
printf '\ninterop: all parts passed\n'
