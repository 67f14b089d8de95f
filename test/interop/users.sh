#!/usr/bin/env bash
# Tutorial B without Terraform (see terraform.sh): provisioned with awscli, produced with boto3 and Faker after the tutorial's
# listing, delivered by Firehose as Parquet, found by a crawler, queried through Athena.
set -euo pipefail
bucket=r-d-data-lake
aws kinesis create-stream --stream-name r-d-kinesis-stream --shard-count 1
aws kinesis wait stream-exists --stream-name r-d-kinesis-stream
aws s3 mb s3://$bucket
role=$(aws iam create-role --role-name r-d-firehose --query Role.Arn --output text \
  --assume-role-policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"firehose.amazonaws.com"},"Action":"sts:AssumeRole"}]}')
aws glue create-database --database-input Name=r_d
aws glue create-table --database-name r_d --table-input '{"Name":"users","TableType":"EXTERNAL_TABLE","Parameters":{"classification":"parquet"},
  "StorageDescriptor":{"Location":"s3://'$bucket'/users/","InputFormat":"org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
  "OutputFormat":"org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat","SerdeInfo":{"SerializationLibrary":"org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
  "Columns":[{"Name":"uuid","Type":"string"},{"Name":"event_date","Type":"string"},{"Name":"status","Type":"string"},{"Name":"name","Type":"string"},
  {"Name":"last_name","Type":"string"},{"Name":"email","Type":"string"},{"Name":"phone","Type":"bigint"}]}}'
aws firehose create-delivery-stream --delivery-stream-name r-d-firehose --delivery-stream-type KinesisStreamAsSource \
  --kinesis-stream-source-configuration KinesisStreamARN=arn:aws:kinesis:us-east-1:000000000000:stream/r-d-kinesis-stream,RoleARN=$role \
  --extended-s3-destination-configuration '{"BucketARN":"arn:aws:s3:::'$bucket'","RoleARN":"'$role'","Prefix":"users/","ErrorOutputPrefix":"errors/",
  "BufferingHints":{"IntervalInSeconds":1,"SizeInMBs":64},"DataFormatConversionConfiguration":{"Enabled":true,
  "InputFormatConfiguration":{"Deserializer":{"OpenXJsonSerDe":{}}},"OutputFormatConfiguration":{"Serializer":{"ParquetSerDe":{}}},
  "SchemaConfiguration":{"RoleARN":"'$role'","DatabaseName":"r_d","TableName":"users","Region":"us-east-1","VersionId":"LATEST"}}}' >/dev/null
python "$ROOT/test/interop/users_tutorial.py" 40 >"$WORK/users.log"
python "$ROOT/examples/users/data-producer.py" --amount 10 >"$WORK/example-users.log" 2>&1
grep -q ' - INFO - 10 messages delivered to Kinesis.' "$WORK/example-users.log"
python "$ROOT/test/interop/users_check.py" 50
