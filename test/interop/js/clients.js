// AWS's JavaScript SDK, a few calls of every service. Its Kinesis client speaks HTTP/2, also where there is no TLS.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Athena } from "@aws-sdk/client-athena";
import { CloudWatch } from "@aws-sdk/client-cloudwatch";
import { Firehose } from "@aws-sdk/client-firehose";
import { Glue } from "@aws-sdk/client-glue";
import { Kinesis, waitUntilStreamExists } from "@aws-sdk/client-kinesis";
import { GetObjectCommand, S3 } from "@aws-sdk/client-s3";
import { STS } from "@aws-sdk/client-sts";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const path = { forcePathStyle: true };
const [athena, cloudwatch, firehose, glue, kinesis, s3, sts] =
  [new Athena(), new CloudWatch(), new Firehose(), new Glue(), new Kinesis(), new S3(path), new STS()];
const bytes = (text) => new TextEncoder().encode(text);
const parse = (data) => JSON.parse(new TextDecoder().decode(data));

async function until(what, done) {
  for (const end = Date.now() + 30_000; Date.now() < end; await sleep(50)) {
    const value = await done();
    if (value) return value;
  }
  throw new Error(`timed out waiting for ${what}`);
}

async function streams() {
  assert.equal(kinesis.config.requestHandler.metadata.handlerProtocol, "h2");
  await kinesis.createStream({ StreamName: "js", ShardCount: 2 });
  await waitUntilStreamExists({ client: kinesis, maxWaitTime: 30, minDelay: 1 }, { StreamName: "js" });
  await kinesis.putRecord({ StreamName: "js", PartitionKey: "0", Data: bytes('{"n":0}') });
  const Records = Array.from({ length: 499 }, (_, i) => ({ PartitionKey: `${i + 1}`, Data: bytes(`{"n":${i + 1}}`) }));
  const put = await kinesis.putRecords({ StreamName: "js", Records });
  assert.equal(put.FailedRecordCount, 0);
  const numbers = new Set();
  for (const { ShardId } of (await kinesis.listShards({ StreamName: "js" })).Shards) {
    let { ShardIterator } = await kinesis.getShardIterator({ StreamName: "js", ShardId, ShardIteratorType: "TRIM_HORIZON" });
    for (let more = true; more; ) {
      const got = await kinesis.getRecords({ ShardIterator });
      got.Records.forEach((r) => numbers.add(parse(r.Data).n));
      ShardIterator = got.NextShardIterator;
      more = got.Records.length > 0;
    }
  }
  assert.equal(numbers.size, 500);
  await assert.rejects(kinesis.describeStream({ StreamName: "none" }), { name: "ResourceNotFoundException" });
}

async function objects() {
  await s3.createBucket({ Bucket: "js-lake" });
  const Body = randomBytes(6 << 20);
  await s3.putObject({ Bucket: "js-lake", Key: "a b/ü.bin", Body });
  const whole = await s3.getObject({ Bucket: "js-lake", Key: "a b/ü.bin" });
  assert.deepEqual(Buffer.from(await whole.Body.transformToByteArray()), Body);
  const part = await s3.getObject({ Bucket: "js-lake", Key: "a b/ü.bin", Range: "bytes=10-19" });
  assert.deepEqual(Buffer.from(await part.Body.transformToByteArray()), Body.subarray(10, 20));
  const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket: "js-lake", Key: "a b/ü.bin" }), { expiresIn: 60 });
  assert.deepEqual(Buffer.from(await (await fetch(url)).arrayBuffer()), Body);

  const upload = { Bucket: "js-lake", Key: "parts" };
  const { UploadId } = await s3.createMultipartUpload(upload);
  const Parts = [];
  for (const [i, piece] of [Body.subarray(0, 5 << 20), Body.subarray(5 << 20)].entries()) {
    const { ETag, ChecksumCRC32 } = await s3.uploadPart({ ...upload, UploadId, PartNumber: i + 1, Body: piece });
    Parts.push({ ETag, ChecksumCRC32, PartNumber: i + 1 });
  }
  await s3.completeMultipartUpload({ ...upload, UploadId, MultipartUpload: { Parts } });
  assert.deepEqual(Buffer.from(await (await s3.getObject(upload)).Body.transformToByteArray()), Body);

  await assert.rejects(s3.putObject({ ...upload, Body: "no", IfNoneMatch: "*" }), { name: "PreconditionFailed" });
  await assert.rejects(s3.getObject({ Bucket: "js-lake", Key: "none" }), { name: "NoSuchKey" });
  const keys = (await s3.listObjectsV2({ Bucket: "js-lake" })).Contents.map((o) => o.Key);
  assert.deepEqual(keys, ["a b/ü.bin", "parts"]);
  const deleted = await s3.deleteObjects({ Bucket: "js-lake", Delete: { Objects: keys.map((Key) => ({ Key })) } });
  assert.equal(deleted.Deleted.length, 2);
}

async function delivered() {
  await glue.createDatabase({ DatabaseInput: { Name: "js" } });
  await glue.createTable({
    DatabaseName: "js",
    TableInput: {
      Name: "numbers",
      TableType: "EXTERNAL_TABLE",
      StorageDescriptor: {
        Location: "s3://js-lake/numbers/",
        Columns: [{ Name: "n", Type: "bigint" }],
        InputFormat: "org.apache.hadoop.mapred.TextInputFormat",
        OutputFormat: "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        SerdeInfo: { SerializationLibrary: "org.openx.data.jsonserde.JsonSerDe" },
      },
    },
  });
  await firehose.createDeliveryStream({
    DeliveryStreamName: "js",
    DeliveryStreamType: "DirectPut",
    ExtendedS3DestinationConfiguration: {
      BucketARN: "arn:aws:s3:::js-lake",
      RoleARN: "arn:aws:iam::000000000000:role/js",
      Prefix: "numbers/",
      BufferingHints: { IntervalInSeconds: 1, SizeInMBs: 1 },
    },
  });
  await until("the delivery stream", async () =>
    (await firehose.describeDeliveryStream({ DeliveryStreamName: "js" })).DeliveryStreamDescription.DeliveryStreamStatus === "ACTIVE");
  await firehose.putRecord({ DeliveryStreamName: "js", Record: { Data: bytes('{"n":1}\n') } });
  const Records = [2, 3, 4].map((n) => ({ Data: bytes(`{"n":${n}}\n`) }));
  const put = await firehose.putRecordBatch({ DeliveryStreamName: "js", Records });
  assert.equal(put.FailedPutCount, 0);
  await until("1 + 2 + 3 + 4 in the table", async () => (await ask("SELECT sum(n) FROM js.numbers"))[0][0] === "10");
  await assert.rejects(glue.getTable({ DatabaseName: "js", Name: "none" }), { name: "EntityNotFoundException" });
}

async function ask(QueryString) {
  const { QueryExecutionId } = await athena.startQueryExecution({ QueryString, ResultConfiguration: { OutputLocation: "s3://js-lake/_results/" } });
  const status = await until(QueryString, async () => {
    const { Status } = (await athena.getQueryExecution({ QueryExecutionId })).QueryExecution;
    return ["SUCCEEDED", "FAILED", "CANCELLED"].includes(Status.State) && Status;
  });
  assert.equal(status.State, "SUCCEEDED", status.StateChangeReason);
  const { ResultSet } = await athena.getQueryResults({ QueryExecutionId });
  return ResultSet.Rows.slice(1).map((row) => row.Data.map((d) => d.VarCharValue));
}

async function measured() {
  const hour = 3_600_000;
  const got = await cloudwatch.getMetricStatistics({
    Namespace: "AWS/Kinesis",
    MetricName: "IncomingRecords",
    Dimensions: [{ Name: "StreamName", Value: "js" }],
    StartTime: new Date(Date.now() - hour),
    EndTime: new Date(Date.now() + hour),
    Period: 60,
    Statistics: ["Sum"],
  });
  assert.equal(got.Datapoints.reduce((sum, p) => sum + p.Sum, 0), 500);
  await cloudwatch.putMetricData({ Namespace: "js", MetricData: [{ MetricName: "m", Value: 1.5 }] });
  const { Metrics } = await cloudwatch.listMetrics({ Namespace: "js" });
  assert.deepEqual(Metrics, [{ Namespace: "js", MetricName: "m", Dimensions: [] }]);
}

async function caller() {
  assert.equal((await sts.getCallerIdentity({})).Account, "000000000000");
}

for (const part of [caller, streams, objects, delivered, measured]) {
  await part();
  console.log(`${part.name}: passed`);
}
