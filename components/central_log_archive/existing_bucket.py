"""An existing bucket: it is never changed, but what it lacks is reported."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from components.scope import Scope
from topology.policies import requires_tls
from topology.settings import Archive


def report_existing_bucket(scope: Scope, archive: Archive) -> None:
    """Warn of what the archive's existing bucket lacks, or of what its owner has to do.

    Args:
        scope: the home region.
        archive: settings of the archive.
    """
    bucket = archive.existing_bucket
    if bucket is None:
        return
    if archive.bucket_owner == archive.account:
        _report_settings(bucket.name, pulumi.InvokeOptions(parent=scope.parent, provider=scope.providers[scope.region]))
    else:
        pulumi.warn(
            f"The bucket {bucket.name} belongs to account {archive.bucket_owner}, so none of its settings are read: "
            "encryption, versioning, public access and TLS are up to its owner. Its bucket policy has to allow what "
            "the output requiredBucketPolicy contains."
        )


def findings(properties: Mapping[str, Any], policy: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a bucket lacks compared with a bucket created here, and how to fix it.

    Args:
        properties: the bucket's properties in CloudFormation (resource type AWS::S3::Bucket).
        policy: its policy document; empty if it has none.
    """
    if not properties.get("BucketEncryption"):
        yield "has no default encryption", "set SSE-S3, or SSE-KMS with a bucket key"
    block = properties.get("PublicAccessBlockConfiguration", {})
    flags = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    if not all(block.get(flag) for flag in flags):
        yield "does not block public access", "turn on all four settings of Block Public Access"
    if properties.get("VersioningConfiguration", {}).get("Status") != "Enabled":
        yield "has no versioning", "enable it, or overwritten objects are lost"
    if not requires_tls(policy):
        yield "accepts requests without TLS", "deny s3:* to everyone if aws:SecureTransport is false"


def _report_settings(bucket: str, opts: pulumi.InvokeOptions) -> None:
    # The only function that returns all settings of a bucket: the provider has none for some of them.
    settings = aws.cloudcontrol.get_resource_output(type_name="AWS::S3::Bucket", identifier=bucket, opts=opts)

    def warn(properties: str, policy: str | None) -> None:
        for finding, remedy in findings(json.loads(properties), json.loads(policy or "{}")):
            pulumi.warn(f"The bucket {bucket} {finding}, and its settings are not changed: {remedy}.")

    pulumi.Output.all(settings.properties, _policy(bucket, opts)).apply(lambda read: warn(*read))


async def _policy(bucket: str, opts: pulumi.InvokeOptions) -> str | None:
    """Return the policy of a bucket, or None if it has none, which is an error of the provider's function."""
    try:
        found = await pulumi.runtime.invoke_async("aws:s3/getBucketPolicy:getBucketPolicy", {"bucket": bucket}, opts)
    except Exception as error:
        if "NoSuchBucketPolicy" not in str(error):
            raise
        return None
    return str(found["policy"])
