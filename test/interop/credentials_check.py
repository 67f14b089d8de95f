"""What boto3 raises for keys that are right, wrong, unknown, or missing: AWS's own exceptions, service by service."""
import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

RIGHT = {"aws_access_key_id": "youraccesskey", "aws_secret_access_key": "yoursecretkey"}
WRONG_SECRET = {**RIGHT, "aws_secret_access_key": "another"}
UNKNOWN_KEY = {**RIGHT, "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE"}

CALLS = {
    "kinesis": lambda c: c.list_streams(),
    "firehose": lambda c: c.list_delivery_streams(),
    "glue": lambda c: c.get_databases(),
    "athena": lambda c: c.list_work_groups(),
    "cloudwatch": lambda c: c.list_metrics(),
    "sts": lambda c: c.get_caller_identity(),
    "iam": lambda c: c.list_roles(),
    "s3": lambda c: c.list_buckets(),
}
# Each as AWS answers: (wrong secret, unknown key, no signature at all), exception name and HTTP status.
JSON = (("InvalidSignatureException", 400), ("UnrecognizedClientException", 400), ("MissingAuthenticationTokenException", 400))
QUERY = (("SignatureDoesNotMatch", 403), ("InvalidClientTokenId", 403), ("MissingAuthenticationToken", 403))
S3 = (("SignatureDoesNotMatch", 403), ("InvalidAccessKeyId", 403), ("AccessDenied", 403))
CBOR = tuple((name, 400) for name, _ in QUERY)  # the names of the Query protocol, which boto3 does not speak to CloudWatch any more
EXPECTED = {"cloudwatch": CBOR, "sts": QUERY, "iam": QUERY, "s3": S3}


def refused(service, **settings):
    try:
        CALLS[service](boto3.client(service, **settings))
    except ClientError as e:
        return e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"]
    return "nothing", 200


failed = []
for service, call in CALLS.items():
    call(boto3.client(service, **RIGHT))
    got = tuple(refused(service, **s) for s in (WRONG_SECRET, UNKNOWN_KEY, {"config": Config(signature_version=UNSIGNED)}))
    if got != EXPECTED.get(service, JSON):
        failed.append(f"{service}: {got}")
assert not failed, "\n".join(failed)
print(f"{len(CALLS)} services refuse wrong, unknown and missing keys as AWS does")
