"""Every operation of Kinesis that boto3 knows or, with --cli, awscli, called, and its answer looked at.

Fails if the client knows an operation that is neither called nor named below as one that weir does not have.
"""
import base64
import json
import os
import subprocess
import sys

import boto3
from botocore import xform_name
from botocore.exceptions import ClientError

# Operations of botocore's model that are younger than the model which weir serves.
UNSERVED = {
    "AcknowledgeDeadLetterQueueRecords", "AcknowledgeQueueRecords", "CreateQueue", "DeleteQueue", "DescribeQueue",
    "ListQueues", "ReceiveDeadLetterQueueRecords", "ReceiveQueueRecords", "RestoreDeadLetterQueueRecords",
    "UpdateDeadLetterQueueRecordsVisibility", "UpdateQueue", "UpdateQueueRecordsVisibility",
}
ACCOUNT = "000000000000"
ARN = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/"


class Refused(Exception):
    """An exception of the service; its text begins with the exception's name."""


def operations(model):
    """The members of the input of every operation."""
    inputs = {op: model.operation_model(op).input_shape for op in model.operation_names}
    return {op: list(shape.members) if shape else [] for op, shape in inputs.items()}


class Boto:
    def __init__(self):
        self.client = boto3.client("kinesis")
        self.operations = operations(self.client.meta.service_model)

    def call(self, op, **members):
        try:
            return getattr(self.client, xform_name(op))(**members)
        except ClientError as err:
            raise Refused(err.response["Error"]["Code"]) from err

    def data(self, record):
        return record["Data"]


class Cli:
    def __init__(self):
        # awscli carries a botocore of its own, older than boto3's, and leaves out event streams. It is asked in another
        # process, as its packages put themselves in the place of boto3's.
        ask = ("import json; from awscli.clidriver import create_clidriver; from kinesis_sweep import operations; "
               "print(json.dumps(operations(create_clidriver().session.get_service_model('kinesis'))))")
        here = os.path.dirname(os.path.abspath(__file__))
        self.operations = json.loads(subprocess.run([sys.executable, "-c", ask], cwd=here, check=True, capture_output=True).stdout)
        del self.operations["SubscribeToShard"]

    def call(self, op, **members):
        command = ["aws", "kinesis", xform_name(op, "-"), "--output", "json", "--cli-input-json", json.dumps(members)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0:
            return json.loads(done.stdout or "{}")
        _, _, rest = done.stderr.partition("An error occurred (")
        if not rest:
            raise RuntimeError(f"{op}: {done.stderr}")
        raise Refused(rest.partition(")")[0])

    def data(self, record):
        return base64.b64decode(record["Data"])


class Sweep:
    def __init__(self, client, prefix):
        self.client, self.called = client, set()
        self.a, self.b = prefix + "-a", prefix + "-b"

    def call(self, op, **members):
        answer = self.client.call(op, **members)
        self.called.add(op)
        return answer

    def knows(self, op, member=None):
        return op in self.client.operations and (not member or member in self.client.operations[op])

    def refused(self, name, op, **members):
        try:
            self.client.call(op, **members)
        except Refused as err:
            assert str(err) == name, f"{op}: {err}, not {name}"
        else:
            raise AssertionError(f"{op} {members} was not refused with {name}")

    def streams(self):
        a, b = self.a, self.b
        self.call("CreateStream", StreamName=a, ShardCount=2, Tags={"team": "rides"})
        self.refused("ResourceInUseException", "CreateStream", StreamName=a, ShardCount=2)
        self.call("CreateStream", StreamName=b, ShardCount=1)
        assert self.call("DescribeStream", StreamName=a)["StreamDescription"]["StreamARN"] == ARN + a
        summary = self.call("DescribeStreamSummary", StreamARN=ARN + a)["StreamDescriptionSummary"]
        assert summary["OpenShardCount"] == 2 and summary["StreamStatus"] == "ACTIVE", summary
        assert {a, b} <= set(self.call("ListStreams")["StreamNames"])
        assert self.call("DescribeLimits")["OpenShardCount"] >= 3
        self.refused("ResourceNotFoundException", "DescribeStreamSummary", StreamName="none")

    def records(self):
        b = self.b
        one = self.call("PutRecord", StreamName=b, PartitionKey="kü", Data="one")
        many = self.call("PutRecords", StreamARN=ARN + b, Records=[
            {"PartitionKey": "a", "Data": "two"}, {"PartitionKey": "c", "ExplicitHashKey": "0", "Data": "three"}])
        assert many["FailedRecordCount"] == 0 and len(many["Records"]) == 2, many
        assert [s["ShardId"] for s in self.call("ListShards", StreamName=b)["Shards"]] == [one["ShardId"]]
        at = dict(StreamName=b, ShardId=one["ShardId"])
        start = self.call("GetShardIterator", ShardIteratorType="AT_TIMESTAMP", Timestamp="2020-01-01T00:00:00Z", **at)["ShardIterator"]
        got = self.call("GetRecords", ShardIterator=start)
        assert [self.client.data(r) for r in got["Records"]] == [b"one", b"two", b"three"], got
        assert got["Records"][0]["PartitionKey"] == "kü" and got["MillisBehindLatest"] == 0, got
        if self.knows("PutRecord", "DryRun"):
            self.refused("DryRunOperationException", "PutRecord", StreamName=b, PartitionKey="k", Data="x", DryRun=True)
        self.refused("InvalidArgumentException", "GetRecords", ShardIterator="AAAA")

    def consumers(self):
        b = self.b
        arn = self.call("RegisterStreamConsumer", StreamARN=ARN + b, ConsumerName="c", Tags={"a": "b"})["Consumer"]["ConsumerARN"]
        assert self.call("DescribeStreamConsumer", ConsumerARN=arn)["ConsumerDescription"]["StreamARN"] == ARN + b
        assert [c["ConsumerName"] for c in self.call("ListStreamConsumers", StreamARN=ARN + b)["Consumers"]] == ["c"]
        assert self.call("ListTagsForResource", ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
        if self.knows("SubscribeToShard"):
            self.subscription(arn)
        self.call("DeregisterStreamConsumer", ConsumerARN=arn)
        self.refused("ResourceNotFoundException", "DescribeStreamConsumer", ConsumerARN=arn)

    def subscription(self, consumer):
        push = self.call("SubscribeToShard", ConsumerARN=consumer, ShardId="shardId-000000000000",
                         StartingPosition={"Type": "TRIM_HORIZON"})["EventStream"]
        event = next(iter(push))["SubscribeToShardEvent"]
        assert [r["Data"] for r in event["Records"]] == [b"one", b"two", b"three"], event
        assert event["ContinuationSequenceNumber"], event
        push.close()

    def tags(self):
        a = self.a
        self.call("AddTagsToStream", StreamName=a, Tags={"env": "test"})
        self.call("TagResource", ResourceARN=ARN + a, Tags={"more": "ü"})
        self.call("RemoveTagsFromStream", StreamName=a, TagKeys=["team"])
        self.call("UntagResource", ResourceARN=ARN + a, TagKeys=["env"])
        assert self.call("ListTagsForStream", StreamName=a)["Tags"] == [{"Key": "more", "Value": "ü"}]

    def settings(self):
        a = self.a
        self.call("IncreaseStreamRetentionPeriod", StreamName=a, RetentionPeriodHours=48)
        self.call("DecreaseStreamRetentionPeriod", StreamName=a, RetentionPeriodHours=30)
        self.refused("InvalidArgumentException", "IncreaseStreamRetentionPeriod", StreamName=a, RetentionPeriodHours=9000)
        assert len(self.call("EnableEnhancedMonitoring", StreamName=a, ShardLevelMetrics=["ALL"])["DesiredShardLevelMetrics"]) == 7
        assert len(self.call("DisableEnhancedMonitoring", StreamName=a, ShardLevelMetrics=["IncomingBytes"])["DesiredShardLevelMetrics"]) == 6
        self.call("UpdateMaxRecordSize", StreamARN=ARN + a, MaxRecordSizeInKiB=2048)
        key = dict(StreamName=a, EncryptionType="KMS", KeyId="alias/aws/kinesis")
        self.call("StartStreamEncryption", **key)
        summary = self.call("DescribeStreamSummary", StreamName=a)["StreamDescriptionSummary"]
        assert (summary["EncryptionType"], summary["RetentionPeriodHours"], summary["MaxRecordSizeInKiB"]) == ("KMS", 30, 2048), summary
        self.call("StopStreamEncryption", **key)
        self.call("UpdateAccountSettings", MinimumThroughputBillingCommitment={"Status": "ENABLED"})
        assert self.call("DescribeAccountSettings")["MinimumThroughputBillingCommitment"]["Status"] == "ENABLED"

    def shards(self):
        a = self.a
        self.call("SplitShard", StreamName=a, ShardToSplit="shardId-000000000000", NewStartingHashKey="1000")
        self.call("MergeShards", StreamName=a, ShardToMerge="shardId-000000000002", AdjacentShardToMerge="shardId-000000000003")
        scaled = self.call("UpdateShardCount", StreamName=a, TargetShardCount=3, ScalingType="UNIFORM_SCALING")
        assert (scaled["CurrentShardCount"], scaled["TargetShardCount"]) == (2, 3), scaled
        assert len(self.call("ListShards", StreamName=a, ShardFilter={"Type": "AT_LATEST"})["Shards"]) == 3

    def on_demand(self):
        arn = ARN + self.b
        self.call("UpdateStreamMode", StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})
        warm = self.call("UpdateStreamWarmThroughput", StreamARN=arn, WarmThroughputMiBps=4)
        assert warm["WarmThroughput"]["TargetMiBps"] == 4, warm
        if self.knows("UpdateStreamRecordDistributionStrategy"):
            self.call("UpdateStreamRecordDistributionStrategy", StreamARN=arn, RecordDistributionStrategy="AUTO")
        self.refused("ValidationException", "SplitShard", StreamName=self.b, ShardToSplit="shardId-000000000001", NewStartingHashKey="9")

    def policies(self):
        arn = ARN + self.b
        assert self.call("GetResourcePolicy", ResourceARN=arn)["Policy"] == "{}"
        policy = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": ["kinesis:ListShards", "kinesis:GetRecords"], "Resource": arn}]}
        self.call("PutResourcePolicy", ResourceARN=arn, Policy=json.dumps(policy))
        assert json.loads(self.call("GetResourcePolicy", ResourceARN=arn)["Policy"]) == policy
        self.call("DeleteResourcePolicy", ResourceARN=arn)
        self.refused("ResourceNotFoundException", "DeleteResourcePolicy", ResourceARN=arn)

    def channels(self):
        if not self.knows("CreateChannel"):
            return
        bucket = self.b
        boto3.client("s3").create_bucket(Bucket=bucket)
        channel = self.call(
            "CreateChannel", ChannelName=self.b, ServiceExecutionRoleARN=f"arn:aws:iam::{ACCOUNT}:role/channels",
            StreamConfigurationList=[{"StreamARN": ARN + self.b, "RecordConfiguration": {"RecordFormatType": "JSON"}}],
            S3DestinationConfiguration={"DataFreshnessInSeconds": 300, "StorageConfiguration": {
                "BucketARN": f"arn:aws:s3:::{bucket}", "ExpectedBucketOwner": ACCOUNT, "CompressionType": "GZIP"}})["ChannelDescription"]
        arn = channel["ChannelARN"]
        assert channel["ChannelName"] == self.b, channel
        listed = self.call("ListChannels", StreamFilter=[{"StreamARN": ARN + self.b}])
        assert arn in json.dumps(listed, default=str), listed
        self.call("UpdateChannel", ChannelARN=arn, S3DestinationConfiguration={"DataFreshnessInSeconds": 600})
        described = self.call("DescribeChannel", ChannelARN=arn)["ChannelDescription"]
        assert "600" in json.dumps(described, default=str), described
        self.call("DeleteChannel", ChannelARN=arn)
        self.refused("ResourceNotFoundException", "DescribeChannel", ChannelARN=arn)

    def end(self):
        self.call("DeleteStream", StreamName=self.a)
        self.call("DeleteStream", StreamName=self.b, EnforceConsumerDeletion=True)
        self.refused("ResourceNotFoundException", "DescribeStreamSummary", StreamName=self.a)

    def run(self):
        for part in (self.streams, self.records, self.consumers, self.tags, self.settings, self.shards, self.on_demand,
                     self.policies, self.channels, self.end):
            part()
        left = set(self.client.operations) - self.called - UNSERVED
        assert not left, f"never called: {sorted(left)}"
        if self.knows("ListQueues"):
            self.refused("UnknownOperationException", "ListQueues")
        print(f"{type(self.client).__name__.lower()}: {len(self.called)} operations of Kinesis")


if __name__ == "__main__":
    if "--cli" in sys.argv:
        Sweep(Cli(), "cli").run()
    else:
        Sweep(Boto(), "boto3").run()
