#!/usr/bin/env bash
# awscli over the results of the two tutorials: sync, listings, a query by hand, presigned URL, errors by name.
set -euo pipefail
aws s3 sync s3://lake/rides "$WORK/copy" --only-show-errors
diff -r "$WORK/copy" "$WEIR_DATA/objects/lake/rides"
aws s3 sync "$WORK/copy" s3://lake/copy --only-show-errors
test "$(aws s3 ls --recursive s3://lake/copy/ | wc -l)" = "$(find "$WORK/copy" -type f | wc -l)"
aws s3 rm --recursive --only-show-errors s3://lake/copy/
test -z "$(aws s3 ls s3://lake/copy/ || true)"

aws kinesis describe-stream-summary --stream-name input-stream --query StreamDescriptionSummary.StreamStatus --output text | grep -qx ACTIVE
aws kinesis list-shards --stream-name input-stream --query 'length(Shards)' --output text | grep -qx 4
it=$(aws kinesis get-shard-iterator --stream-name r-d-kinesis-stream --shard-id shardId-000000000000 --shard-iterator-type TRIM_HORIZON --query ShardIterator --output text)
aws kinesis get-records --shard-iterator "$it" --query 'length(Records)' --output text | grep -qx 50
aws firehose describe-delivery-stream --delivery-stream-name r-d-firehose --query DeliveryStreamDescription.DeliveryStreamStatus --output text | grep -qx ACTIVE
aws glue get-tables --database-name r_d --query 'TableList[].Name' --output text | grep -q found_users
q=$(aws athena start-query-execution --query-string 'SELECT count(*) FROM r_d.users' --result-configuration OutputLocation=s3://lake/_results/ --query QueryExecutionId --output text)
for _ in $(seq 100); do
  state=$(aws athena get-query-execution --query-execution-id "$q" --query QueryExecution.Status.State --output text)
  case $state in SUCCEEDED) break ;; FAILED | CANCELLED) echo "query $state"; exit 1 ;; esac
done
aws athena get-query-results --query-execution-id "$q" --query 'ResultSet.Rows[1].Data[0].VarCharValue' --output text | grep -qx 50
aws s3 cp "s3://lake/_results/$q.csv" - | diff - <(printf '"_col0"\n"50"\n')
curl -sf "$(aws s3 presign "s3://lake/_results/$q.csv")" | grep -qx '"50"'
aws sts get-caller-identity --query Account --output text | grep -qx 000000000000
aws cloudwatch list-metrics --namespace AWS/Kinesis --query 'Metrics[].MetricName' --output text | grep -q IncomingRecords
(aws kinesis describe-stream --stream-name none 2>&1 || true) | grep -q ResourceNotFoundException
(aws glue get-table --database-name r_d --name none 2>&1 || true) | grep -q EntityNotFoundException
(aws s3api get-object --bucket lake --key none "$WORK/none" 2>&1 || true) | grep -q NoSuchKey
echo "awscli: all calls passed"
