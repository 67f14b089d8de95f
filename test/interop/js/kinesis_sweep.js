// AWS's JavaScript SDK over HTTP/2: every operation of Kinesis that it knows is called, and its answer looked at.
import assert from "node:assert/strict";
import * as sdk from "@aws-sdk/client-kinesis";
import { S3 } from "@aws-sdk/client-s3";

const account = "000000000000";
const [a, b] = ["sweep-a", "sweep-b"];
const arn = (name) => `arn:aws:kinesis:us-east-1:${account}:stream/${name}`;
const text = (data) => new TextDecoder().decode(data);
const bytes = (data) => new TextEncoder().encode(data);

const client = new sdk.KinesisClient();
const called = new Set();
async function call(op, input = {}) {
  const answer = await client.send(new sdk[`${op}Command`](input));
  called.add(op);
  return answer;
}
const refused = (name, op, input) => assert.rejects(client.send(new sdk[`${op}Command`](input)), { name }, `${op} was not refused with ${name}`);
async function all(pages, member) {
  const found = [];
  for await (const page of pages) found.push(...page[member]);
  return found;
}

async function streams() {
  await call("CreateStream", { StreamName: a, ShardCount: 2, Tags: { team: "rides" } });
  await refused("ResourceInUseException", "CreateStream", { StreamName: a, ShardCount: 2 });
  await call("CreateStream", { StreamName: b, ShardCount: 1 });
  await sdk.waitUntilStreamExists({ client, maxWaitTime: 30, minDelay: 1 }, { StreamName: a });
  const { StreamDescription } = await call("DescribeStream", { StreamName: a });
  assert.equal(StreamDescription.StreamARN, arn(a));
  const { StreamDescriptionSummary } = await call("DescribeStreamSummary", { StreamARN: arn(a) });
  assert.equal(StreamDescriptionSummary.OpenShardCount, 2);
  assert.ok(Date.now() - StreamDescriptionSummary.StreamCreationTimestamp < 3600e3);
  assert.deepEqual((await call("ListStreams", { ExclusiveStartStreamName: "sweep" })).StreamNames, [a, b]);
  assert.deepEqual(await all(sdk.paginateListStreams({ client, pageSize: 1 }, { ExclusiveStartStreamName: "sweep" }), "StreamNames"), [a, b]);
  assert.ok((await call("DescribeLimits")).OpenShardCount >= 3);
  await refused("ResourceNotFoundException", "DescribeStreamSummary", { StreamName: "none" });
}

async function records() {
  const { ShardId } = await call("PutRecord", { StreamName: b, PartitionKey: "kü", Data: bytes("one") });
  const Records = [{ PartitionKey: "a", Data: bytes("two") }, { PartitionKey: "c", ExplicitHashKey: "0", Data: bytes("three") }];
  assert.equal((await call("PutRecords", { StreamARN: arn(b), Records })).FailedRecordCount, 0);
  assert.deepEqual((await call("ListShards", { StreamName: b })).Shards.map((s) => s.ShardId), [ShardId]);
  const { ShardIterator } = await call("GetShardIterator", { StreamName: b, ShardId, ShardIteratorType: "AT_TIMESTAMP", Timestamp: new Date(1.6e12) });
  const got = await call("GetRecords", { ShardIterator });
  assert.deepEqual(got.Records.map((r) => text(r.Data)), ["one", "two", "three"]);
  assert.equal(got.Records[0].PartitionKey, "kü");
  assert.ok(Math.abs(Date.now() - got.Records[0].ApproximateArrivalTimestamp) < 3600e3);
  await refused("DryRunOperationException", "PutRecord", { StreamName: b, PartitionKey: "k", Data: bytes("x"), DryRun: true });
  await refused("InvalidArgumentException", "GetRecords", { ShardIterator: "AAAA" });
}

async function consumers() {
  const { ConsumerARN } = (await call("RegisterStreamConsumer", { StreamARN: arn(b), ConsumerName: "c", Tags: { a: "b" } })).Consumer;
  assert.equal((await call("DescribeStreamConsumer", { ConsumerARN })).ConsumerDescription.StreamARN, arn(b));
  assert.equal((await call("ListStreamConsumers", { StreamARN: arn(b) })).Consumers.length, 1);
  assert.deepEqual((await call("ListTagsForResource", { ResourceARN: ConsumerARN })).Tags, [{ Key: "a", Value: "b" }]);
  const push = await call("SubscribeToShard", { ConsumerARN, ShardId: "shardId-000000000000", StartingPosition: { Type: "TRIM_HORIZON" } });
  for await (const { SubscribeToShardEvent: event } of push.EventStream) {
    assert.deepEqual(event.Records.map((r) => text(r.Data)), ["one", "two", "three"]);
    assert.ok(event.ContinuationSequenceNumber);
    break;
  }
  await call("DeregisterStreamConsumer", { ConsumerARN });
  await refused("ResourceNotFoundException", "DescribeStreamConsumer", { ConsumerARN });
}

async function tags() {
  await call("AddTagsToStream", { StreamName: a, Tags: { env: "test" } });
  await call("TagResource", { ResourceARN: arn(a), Tags: { more: "ü" } });
  await call("RemoveTagsFromStream", { StreamName: a, TagKeys: ["team"] });
  await call("UntagResource", { ResourceARN: arn(a), TagKeys: ["env"] });
  assert.deepEqual((await call("ListTagsForStream", { StreamName: a })).Tags, [{ Key: "more", Value: "ü" }]);
}

async function settings() {
  await call("IncreaseStreamRetentionPeriod", { StreamName: a, RetentionPeriodHours: 48 });
  await call("DecreaseStreamRetentionPeriod", { StreamName: a, RetentionPeriodHours: 30 });
  await refused("InvalidArgumentException", "IncreaseStreamRetentionPeriod", { StreamName: a, RetentionPeriodHours: 9000 });
  assert.equal((await call("EnableEnhancedMonitoring", { StreamName: a, ShardLevelMetrics: ["ALL"] })).DesiredShardLevelMetrics.length, 7);
  assert.equal((await call("DisableEnhancedMonitoring", { StreamName: a, ShardLevelMetrics: ["IncomingBytes"] })).DesiredShardLevelMetrics.length, 6);
  await call("UpdateMaxRecordSize", { StreamARN: arn(a), MaxRecordSizeInKiB: 2048 });
  const key = { StreamName: a, EncryptionType: "KMS", KeyId: "alias/aws/kinesis" };
  await call("StartStreamEncryption", key);
  const { StreamDescriptionSummary: s } = await call("DescribeStreamSummary", { StreamName: a });
  assert.deepEqual([s.EncryptionType, s.RetentionPeriodHours, s.MaxRecordSizeInKiB], ["KMS", 30, 2048]);
  await call("StopStreamEncryption", key);
  await call("UpdateAccountSettings", { MinimumThroughputBillingCommitment: { Status: "ENABLED" } });
  assert.equal((await call("DescribeAccountSettings")).MinimumThroughputBillingCommitment.Status, "ENABLED");
}

async function shards() {
  await call("SplitShard", { StreamName: a, ShardToSplit: "shardId-000000000000", NewStartingHashKey: "1000" });
  await call("MergeShards", { StreamName: a, ShardToMerge: "shardId-000000000002", AdjacentShardToMerge: "shardId-000000000003" });
  const scaled = await call("UpdateShardCount", { StreamName: a, TargetShardCount: 3, ScalingType: "UNIFORM_SCALING" });
  assert.deepEqual([scaled.CurrentShardCount, scaled.TargetShardCount], [2, 3]);
  assert.equal((await call("ListShards", { StreamName: a, ShardFilter: { Type: "AT_LATEST" } })).Shards.length, 3);
}

async function onDemand() {
  const StreamARN = arn(b);
  await call("UpdateStreamMode", { StreamARN, StreamModeDetails: { StreamMode: "ON_DEMAND" } });
  assert.equal((await call("UpdateStreamWarmThroughput", { StreamARN, WarmThroughputMiBps: 4 })).WarmThroughput.TargetMiBps, 4);
  await call("UpdateStreamRecordDistributionStrategy", { StreamARN, RecordDistributionStrategy: "AUTO" });
  await refused("ValidationException", "SplitShard", { StreamName: b, ShardToSplit: "shardId-000000000001", NewStartingHashKey: "9" });
}

async function policies() {
  const ResourceARN = arn(b);
  assert.equal((await call("GetResourcePolicy", { ResourceARN })).Policy, "{}");
  const policy = { Version: "2012-10-17", Statement: [{
    Effect: "Allow", Principal: { AWS: "arn:aws:iam::111111111111:root" }, Action: ["kinesis:ListShards", "kinesis:GetRecords"], Resource: ResourceARN }] };
  await call("PutResourcePolicy", { ResourceARN, Policy: JSON.stringify(policy) });
  assert.deepEqual(JSON.parse((await call("GetResourcePolicy", { ResourceARN })).Policy), policy);
  await call("DeleteResourcePolicy", { ResourceARN });
  await refused("ResourceNotFoundException", "DeleteResourcePolicy", { ResourceARN });
}

async function channels() {
  await new S3({ forcePathStyle: true }).createBucket({ Bucket: b });
  const { ChannelDescription } = await call("CreateChannel", {
    ChannelName: b,
    ServiceExecutionRoleARN: `arn:aws:iam::${account}:role/channels`,
    StreamConfigurationList: [{ StreamARN: arn(b), RecordConfiguration: { RecordFormatType: "JSON" } }],
    S3DestinationConfiguration: {
      DataFreshnessInSeconds: 300,
      StorageConfiguration: { BucketARN: `arn:aws:s3:::${b}`, ExpectedBucketOwner: account, CompressionType: "GZIP" },
    },
  });
  const { ChannelARN } = ChannelDescription;
  assert.ok(JSON.stringify(await call("ListChannels", { StreamFilter: [{ StreamARN: arn(b) }] })).includes(ChannelARN));
  await call("UpdateChannel", { ChannelARN, S3DestinationConfiguration: { DataFreshnessInSeconds: 600 } });
  assert.ok(JSON.stringify(await call("DescribeChannel", { ChannelARN })).includes("600"));
  await call("DeleteChannel", { ChannelARN });
  await refused("ResourceNotFoundException", "DescribeChannel", { ChannelARN });
}

async function end() {
  await call("DeleteStream", { StreamName: a });
  await call("DeleteStream", { StreamName: b, EnforceConsumerDeletion: true });
  await sdk.waitUntilStreamNotExists({ client, maxWaitTime: 30, minDelay: 1 }, { StreamName: a });
}

assert.equal(client.config.requestHandler.metadata.handlerProtocol, "h2");
for (const part of [streams, records, consumers, tags, settings, shards, onDemand, policies, channels, end]) await part();
const known = Object.keys(sdk).flatMap((name) => /^(?!\$)(.+)Command$/.exec(name)?.[1] ?? []);
assert.deepEqual(known.filter((op) => !called.has(op)), [], "operations that were never called");
assert.ok(known.length >= 45, `${known.length} operations`);
client.destroy();
console.log(`kinesis_sweep.js: ${called.size} operations over HTTP/2`);
