#!/usr/bin/env bash
# awscli over the results of the two tutorials: sync, listings, a query by hand, presigned URL, errors by name.
set -euo pipefail
aws s3 sync s3://lake/rides "$WORK/copy" --only-show-errors
diff -r "$WORK/copy" "$WEIR_DATA/objects/lake/rides"
aws s3 sync "$WORK/copy" s3://lake/copy --only-show-errors
test "$(aws s3 ls --recursive s3://lake/copy/ | wc -l)" = "$(find "$WORK/copy" -type f | wc -l)"
test -z "$(aws s3 sync "$WORK/copy" s3://lake/copy)" # nothing is new
head -c 20000000 /dev/urandom >"$WORK/copy/in parts"
aws s3 sync "$WORK/copy" s3://lake/copy --delete --only-show-errors
aws s3 cp 's3://lake/copy/in parts' - | cmp - "$WORK/copy/in parts"
aws s3 rm --recursive --only-show-errors s3://lake/copy/
test -z "$(aws s3 ls s3://lake/copy/ || true)"

aws kinesis describe-stream-summary --stream-name input-stream --query StreamDescriptionSummary.StreamStatus --output text | grep -qx ACTIVE
aws kinesis list-shards --stream-name input-stream --query 'length(Shards)' --output text | grep -qx 4
it=$(aws kinesis get-shard-iterator --stream-name r-d-kinesis-stream --shard-id shardId-000000000000 --shard-iterator-type TRIM_HORIZON --query ShardIterator --output text)
aws kinesis get-records --shard-iterator "$it" --query 'length(Records)' --output text | grep -qx 50
aws firehose describe-delivery-stream --delivery-stream-name r-d-firehose --query DeliveryStreamDescription.DeliveryStreamStatus --output text | grep -qx ACTIVE

aws firehose create-delivery-stream --delivery-stream-name direct --query DeliveryStreamARN --output text --extended-s3-destination-configuration \
  'BucketARN=arn:aws:s3:::lake,RoleARN=arn:aws:iam::000000000000:role/r-d-firehose,Prefix=direct/,BufferingHints={IntervalInSeconds=1,SizeInMBs=1},CompressionFormat=GZIP' |
  grep -qx arn:aws:firehose:us-east-1:000000000000:deliverystream/direct
aws firehose put-record --delivery-stream-name direct --record '{"Data":"one,"}' --query 'length(RecordId) > `0`' --output text | grep -qx True
aws firehose put-record-batch --delivery-stream-name direct --records '[{"Data":"two,"},{"Data":"three"}]' --query FailedPutCount --output text | grep -qx 0
for _ in $(seq 30); do
  delivered=$(for f in $(aws s3api list-objects-v2 --bucket lake --prefix direct/ --query 'Contents[].Key' --output text); do aws s3 cp "s3://lake/$f" - | gunzip; done 2>/dev/null || true)
  test "$delivered" = one,two,three && break
done
test "$delivered" = one,two,three
aws cloudwatch get-metric-statistics --namespace AWS/Firehose --metric-name DeliveryToS3.Records --dimensions Name=DeliveryStreamName,Value=direct --period 3600 \
  --statistics Sum --start-time "$(date -u +%FT00:00:00Z)" --end-time "$(date -u +%FT23:59:59Z)" --query 'sum(Datapoints[].Sum)' --output text | grep -qx 3.0

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
