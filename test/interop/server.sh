# To be sourced: builds weir and starts it in a new folder WORK on a free port; both go away when the script ends. Nothing of
# the user's own AWS settings is read. start_weir may be called again with other flags: another server, another URL.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
WORK=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$WORK"' EXIT
unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
export AWS_DEFAULT_REGION=us-east-1 AWS_REGION=us-east-1 AWS_PAGER="" PYTHONWARNINGS=ignore::DeprecationWarning
export ROOT WORK WEIR=${WEIR:-}

if [ -z "$WEIR" ]; then # set it to try a binary that is there already
  WEIR=$WORK/weir
  (cd "$ROOT" && go build -o "$WEIR" ./cmd/weir)
fi

# start_weir NAME [FLAG…] serves the data directory WORK/NAME and sets WEIR_DATA and AWS_ENDPOINT_URL.
start_weir() {
  local name=$1 log=$WORK/$1.serve.log
  shift
  export WEIR_DATA=$WORK/$name
  "$WEIR" serve --listen 127.0.0.1:0 --data "$WEIR_DATA" "$@" >"$log" 2>&1 &
  for _ in $(seq 300); do grep -q 'weir is ready' "$log" && break; sleep 0.1; done
  AWS_ENDPOINT_URL=$(grep -o 'http://[0-9.:]*' "$log" | head -n 1) || { cat "$log"; return 1; }
  export AWS_ENDPOINT_URL
}
