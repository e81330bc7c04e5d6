"""The functions that the sandbox's plugin implements, by their tokens."""

from __future__ import annotations

import json
from collections.abc import Callable

from sandbox.plugin.aws import Aws, AwsError, Values, present

_GET_RESOURCE = "aws:cloudcontrol/getResource:getResource"
# Other reads of the handler of AWS::S3::Bucket, according to the permissions in its schema.
_READS = (
    "get_bucket_abac", "get_bucket_accelerate_configuration", "get_bucket_cors", "get_bucket_lifecycle_configuration",
    "get_bucket_logging", "get_bucket_metadata_table_configuration", "get_bucket_notification_configuration",
    "get_bucket_ownership_controls", "get_bucket_replication", "get_bucket_tagging", "get_bucket_website",
    "get_object_lock_configuration",
    "list_bucket_analytics_configurations", "list_bucket_intelligent_tiering_configurations",
    "list_bucket_inventory_configurations", "list_bucket_metrics_configurations",
)  # fmt: skip


def _get_bucket_policy(aws: Aws, arguments: Values) -> Values:
    """Return the policy of a bucket; a bucket without one is an error, as in the official plugin."""
    bucket = arguments["bucket"]
    return {"bucket": bucket, "policy": aws.client("s3").get_bucket_policy(Bucket=bucket)["Policy"]}


def _get_resource(aws: Aws, arguments: Values) -> Values:
    """Return a bucket's properties in CloudFormation's form. Cloud Control reads with the caller's permissions."""
    type_name, bucket = arguments["typeName"], arguments["identifier"]
    if type_name != "AWS::S3::Bucket":
        raise AwsError(
            f"the sandbox's plugin does not implement {type_name} in {_GET_RESOURCE}; implemented: AWS::S3::Bucket"
        )
    aws.find("cloudcontrol", "get_resource", typeName=type_name, identifier=bucket)  # requires a permission of its own
    if aws.find("s3", "head_bucket", bucket=bucket) is None:
        raise AwsError(f"ResourceNotFoundException: Resource of type '{type_name}' with identifier '{bucket}'")
    for operation in _READS:
        aws.find("s3", operation, bucket=bucket)
    bucket_arn = f"arn:{aws.partition}:s3:::{bucket}"
    aws.find("s3control", "list_tags_for_resource", accountId=aws.account, resourceArn=bucket_arn)
    s3 = aws.client("s3")
    encryption = present(s3.get_bucket_encryption, Bucket=bucket) or {}
    block = present(s3.get_public_access_block, Bucket=bucket) or {}
    rules = [
        {"ServerSideEncryptionByDefault": rule.get("ApplyServerSideEncryptionByDefault", {})}
        for rule in encryption.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    ]
    versioning = s3.get_bucket_versioning(Bucket=bucket)
    properties = {
        "BucketName": bucket,
        "BucketEncryption": {"ServerSideEncryptionConfiguration": rules} if rules else None,
        "PublicAccessBlockConfiguration": block.get("PublicAccessBlockConfiguration"),
        "VersioningConfiguration": {"Status": versioning["Status"]} if "Status" in versioning else None,
    }
    return {**arguments, "properties": json.dumps({key: value for key, value in properties.items() if value})}


FUNCTIONS: dict[str, Callable[[Aws, Values], Values]] = {
    _GET_RESOURCE: _get_resource,
    "aws:s3/getBucketPolicy:getBucketPolicy": _get_bucket_policy,
}
