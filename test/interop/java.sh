#!/usr/bin/env bash
# The Java SDK v2 (CBOR, HTTP/2 without TLS), the Kinesis Client Library 3 with polling and with enhanced fan-out while the
# stream is resharded, and amazon_kclpy, against a real weir; KCL's DynamoDB is DynamoDB Local. Needs a JDK (17 or later),
# Maven, python3 and their package registries; fails loudly.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/server.sh"
RECORDS=${RECORDS:-10000} SEED=${SEED:-1} KCLPY=3.1.3
for tool in java mvn python3; do command -v $tool >/dev/null || { echo "java: $tool is needed"; exit 1; }; done

cd "$WORK"
cp -r "$here/java" . && cd java
for project in . daemon; do
  (cd $project && mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib >mvn.log 2>&1) || { cat $project/mvn.log; exit 1; }
done
venv=${WEIR_VENV:-$ROOT/.venv}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install -q boto3 setuptools
# Only its Python side: installing it would fetch the daemon again.
"$venv/bin/pip" download -q --no-deps --no-binary amazon_kclpy "amazon_kclpy==$KCLPY"
tar xzf amazon_kclpy-*.tar.gz

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
java -Djava.library.path=lib -cp 'lib/*' com.amazonaws.services.dynamodbv2.local.main.ServerRunner \
  -inMemory -port "$port" -disableTelemetry >dynamodb.log 2>&1 &
export DYNAMODB_URL=http://127.0.0.1:$port AWS_ACCESS_KEY_ID=weir AWS_SECRET_ACCESS_KEY=weir
start_weir java
for _ in $(seq 100); do curl -s -o /dev/null "$DYNAMODB_URL" && break; sleep 0.2; done

# check LOG COMMAND… shows only the lines of the result, and the whole log if it fails.
check() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 || { tail -n 60 "$log"; [ ! -f daemon.log ] || tail -n 30 daemon.log; echo "java: ${log%.log} failed"; exit 1; }
  grep -E '^(java sdk|kcl|kclpy)' "$log"
}
check sdk.log java -cp 'lib/*' SdkCheck.java
check polling.log java -cp 'lib/*' KclCheck.java polling "$RECORDS" "$SEED"
check fanout.log java -cp 'lib/*' KclCheck.java fanout "$RECORDS" "$SEED"
check kclpy.log "$venv/bin/python" kclpy_check.py "amazon_kclpy-$KCLPY"
echo "java: all parts passed"
