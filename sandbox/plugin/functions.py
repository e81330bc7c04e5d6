"""The functions that the sandbox's plugin knows, by their tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sandbox.plugin.aws import Aws, AwsError, present

Values = dict[str, Any]


# What else the handler of AWS::S3::Bucket reads, after the rights that its schema lists.
_READS = (
    "get_bucket_accelerate_configuration", "get_bucket_cors", "get_bucket_lifecycle_configuration",
    "get_bucket_logging", "get_bucket_notification_configuration", "get_bucket_ownership_controls",
    "get_bucket_replication", "get_bucket_tagging", "get_bucket_website", "get_object_lock_configuration",
    "list_bucket_analytics_configurations", "list_bucket_intelligent_tiering_configurations",
    "list_bucket_inventory_configurations", "list_bucket_metrics_configurations",
)  # fmt: skip


def _get_bucket_policy(aws: Aws, arguments: Values) -> Values:
    """The policy of a bucket. One without is an error, as with the official plugin."""
    bucket = arguments["bucket"]
    return {"bucket": bucket, "policy": aws.client("s3").get_bucket_policy(Bucket=bucket)["Policy"]}


def _get_resource(aws: Aws, arguments: Values) -> Values:
    """The properties of a bucket in CloudFormation's form: Cloud Control reads them with the rights of the caller."""
    if arguments["typeName"] != "AWS::S3::Bucket":
        raise AwsError(f"the sandbox's plugin reads no {arguments['typeName']} through Cloud Control")
    bucket = arguments["identifier"]
    control, s3 = aws.client("cloudcontrol"), aws.client("s3")
    present(control.get_resource, TypeName=arguments["typeName"], Identifier=bucket)  # for the right to call it
    if present(s3.head_bucket, Bucket=bucket) is None:
        raise AwsError(f"ResourceNotFoundException: Resource of type 'AWS::S3::Bucket' with identifier '{bucket}'")
    for read in _READS:
        present(getattr(s3, read), Bucket=bucket)
    encryption = present(s3.get_bucket_encryption, Bucket=bucket) or {}
    block = present(s3.get_public_access_block, Bucket=bucket) or {}
    versioning = s3.get_bucket_versioning(Bucket=bucket)
    properties = {
        "BucketName": bucket,
        "BucketEncryption": encryption.get("ServerSideEncryptionConfiguration"),
        "PublicAccessBlockConfiguration": block.get("PublicAccessBlockConfiguration"),
        "VersioningConfiguration": {"Status": versioning["Status"]} if "Status" in versioning else None,
    }
    return {**arguments, "properties": json.dumps({key: value for key, value in properties.items() if value})}


FUNCTIONS: dict[str, Callable[[Aws, Values], Values]] = {
    "aws:cloudcontrol/getResource:getResource": _get_resource,
    "aws:s3/getBucketPolicy:getBucketPolicy": _get_bucket_policy,
}
