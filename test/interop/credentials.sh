#!/usr/bin/env bash
# A server that verifies every request: the keys of aws.cfg work, whatever else is refused by AWS's own exceptions; awscli
# assumes a role and works with its temporary credentials.
set -euo pipefail
python "$ROOT/test/interop/credentials_check.py"

export AWS_ACCESS_KEY_ID=youraccesskey AWS_SECRET_ACCESS_KEY=yoursecretkey
aws kinesis create-stream --stream-name closed --shard-count 1
aws kinesis wait stream-exists --stream-name closed
aws s3 mb s3://closed
aws iam create-role --role-name producer --query Role.Arn --output text >"$WORK/role" \
  --assume-role-policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"sts:AssumeRole"}]}'
aws iam put-role-policy --role-name producer --policy-name put \
  --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kinesis:*","s3:*"],"Resource":"*"}]}'
read -r id secret token < <(aws sts assume-role --role-arn "$(cat "$WORK/role")" --role-session-name it \
  --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]' --output text)
export AWS_ACCESS_KEY_ID=$id AWS_SECRET_ACCESS_KEY=$secret AWS_SESSION_TOKEN=$token
aws sts get-caller-identity --query Arn --output text | grep -qx arn:aws:sts::000000000000:assumed-role/producer/it
aws kinesis put-record --stream-name closed --partition-key a --data eyJhIjoxfQ== --query ShardId --output text | grep -qx shardId-000000000000
echo "signed in pieces" | aws s3 cp - s3://closed/a/b.txt
aws s3 cp s3://closed/a/b.txt - | grep -qx 'signed in pieces'
url=$(aws s3 presign s3://closed/a/b.txt)
curl -sf "$url" | grep -qx 'signed in pieces'
test "$(curl -s -o "$WORK/refused" -w '%{http_code}' "${url/b.txt/c.txt}")" = 403
grep -q SignatureDoesNotMatch "$WORK/refused"
export AWS_SESSION_TOKEN=${token%????}AAAA
(aws kinesis list-streams 2>&1 || true) | grep -q UnrecognizedClientException
echo "credentials: all calls passed"
