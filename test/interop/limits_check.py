"""A server with the limits of AWS, and a caller of another account: boto3's own retries, given time, get through what is throttled, and a
stream is shared by a resource policy. Arguments: the credentials file of the server, whose profile `stranger` is of account
111122223333."""
import os
import sys
import time

os.environ["AWS_SHARED_CREDENTIALS_FILE"] = sys.argv[1]
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

# The usual three attempts come within a second by chance, which is not enough for what is allowed once a second.
owner = boto3.Session(profile_name="default").client("kinesis", config=Config(retries={"mode": "standard", "total_max_attempts": 10}))
once = boto3.Session(profile_name="default").client("kinesis", config=Config(retries={"total_max_attempts": 1}))
stranger = boto3.Session(profile_name="stranger").client("kinesis")


def refusal(call, **kwargs):
    try:
        call(**kwargs)
    except ClientError as e:
        return e.response["Error"]["Code"], e.response["Error"]["Message"]
    return "nothing", ""


retries = 0


def retried(answer):
    global retries
    retries += answer["ResponseMetadata"]["RetryAttempts"]
    return answer


# What one gets without retries, and that retries get through.
for i in range(12):
    retried(owner.create_stream(StreamName=f"limited-{i}", ShardCount=1))
for _ in range(3):
    retried(owner.describe_limits())
assert refusal(once.describe_limits) == ("LimitExceededException", "Rate exceeded for account 000000000000."), refusal(once.describe_limits)
large = b"a" * 600_000
for i in range(5):
    retried(owner.put_record(StreamName="limited-0", PartitionKey="k", Data=large))
refused = [refusal(once.put_record, StreamName="limited-0", PartitionKey="k", Data=large) for _ in range(3)]
text = "Rate exceeded for shard shardId-000000000000 in stream limited-0 under account 000000000000."
assert ("ProvisionedThroughputExceededException", text) in refused, refused
many = owner.put_records(StreamName="limited-1", Records=[{"PartitionKey": "k", "Data": b"a"}] * 500)
more = [owner.put_records(StreamName="limited-1", Records=[{"PartitionKey": "k", "Data": b"a"}] * 500) for _ in range(4)]
failed = [r for out in more for r in out["Records"] if "ErrorCode" in r]
assert many["FailedRecordCount"] == 0 and failed, "no record was throttled"
assert len(failed) == sum(out["FailedRecordCount"] for out in more)
assert failed[0]["ErrorCode"] == "ProvisionedThroughputExceededException" and "limited-1" in failed[0]["ErrorMessage"]

iterator = retried(owner.get_shard_iterator(StreamName="limited-0", ShardId="0", ShardIteratorType="TRIM_HORIZON"))["ShardIterator"]
seen, until = 0, time.time() + 30
while seen < 5 and time.time() < until:
    page = retried(owner.get_records(ShardIterator=iterator, Limit=1))
    seen, iterator = seen + len(page["Records"]), page["NextShardIterator"]
assert seen == 5 and retries > 0, (seen, retries)

# Another account: nothing, until the owner shares; then what was shared.
time.sleep(1)
arn = owner.describe_stream_summary(StreamName="limited-2")["StreamDescriptionSummary"]["StreamARN"]
put = {"StreamARN": arn, "PartitionKey": "k", "Data": b"a"}
assert refusal(stranger.put_record, **put) == (
    "AccessDeniedException",
    f"User: arn:aws:iam::111122223333:user/stranger is not authorized to perform: kinesis:PutRecord on resource: {arn} "
    "because no resource-based policy allows the kinesis:PutRecord action",
), refusal(stranger.put_record, **put)
assert refusal(stranger.list_streams)[0] == "AccessDeniedException"
assert owner.get_resource_policy(ResourceARN=arn)["Policy"] == "{}"
owner.put_resource_policy(ResourceARN=arn, Policy='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":'
                          '"arn:aws:iam::111122223333:user/stranger"},"Action":["kinesis:PutRecord","kinesis:ListShards"],"Resource":"%s"}]}' % arn)
assert stranger.put_record(**put)["ShardId"] == "shardId-000000000000"
assert len(stranger.list_shards(StreamARN=arn)["Shards"]) == 1
assert refusal(stranger.describe_stream, StreamARN=arn)[0] == "AccessDeniedException"
assert refusal(stranger.put_record, StreamName="limited-2", PartitionKey="k", Data=b"a") == (
    "ResourceNotFoundException", "Stream limited-2 under account 111122223333 not found.")
owner.delete_resource_policy(ResourceARN=arn)
assert refusal(owner.delete_resource_policy, ResourceARN=arn)[0] == "ResourceNotFoundException"
for service in ("firehose", "glue", "athena", "s3"):
    call = {"firehose": "list_delivery_streams", "glue": "get_databases", "athena": "list_work_groups", "s3": "list_buckets"}[service]
    code = refusal(getattr(boto3.Session(profile_name="stranger").client(service), call))[0]
    assert code in ("AccessDeniedException", "AccessDenied"), (service, code)
who = boto3.Session(profile_name="stranger").client("sts").get_caller_identity()
assert who["Account"] == "111122223333", who
print(f"limits: all passed, {retries} retries of boto3")
