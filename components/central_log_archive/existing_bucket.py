"""A bucket that is there already: it is never changed, but what it lacks is said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from topology.policies import listed


def warn_of_what_it_lacks(bucket: str, opts: pulumi.InvokeOptions) -> None:
    """Read the settings of a bucket of the archive's account, and warn of everything that it lacks.

    Args:
        bucket: its name.
        opts: with the component, and the provider of the home region.
    """
    # The one function that reads all settings of a bucket: the provider has none for each of them.
    settings = aws.cloudcontrol.get_resource_output(type_name="AWS::S3::Bucket", identifier=bucket, opts=opts)

    def warn(properties: str, policy: str | None) -> None:
        for lack, remedy in lacks(json.loads(properties), json.loads(policy or "{}")):
            pulumi.warn(f"The bucket {bucket} {lack}, and is left as it is: {remedy}.")

    pulumi.Output.all(settings.properties, _policy(bucket, opts)).apply(lambda read: warn(*read))


def warn_that_it_is_foreign(bucket: str, account: str) -> None:
    """Say what the owner of a bucket of another account has to do."""
    pulumi.warn(
        f"The bucket {bucket} belongs to account {account}, so nothing of it is read: encryption, versioning, public "
        "access and TLS are its owner's. Its policy has to allow what the output requiredBucketPolicy says."
    )


def lacks(properties: Mapping[str, Any], policy: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a bucket lacks beside a bucket made here, and how to mend it.

    Args:
        properties: its properties as CloudFormation has them (resource type AWS::S3::Bucket).
        policy: its policy document, empty without one.
    """
    if not properties.get("BucketEncryption"):
        yield "has no default encryption", "set SSE-S3, or SSE-KMS with a bucket key"
    block = properties.get("PublicAccessBlockConfiguration", {})
    flags = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    if not all(block.get(flag) for flag in flags):
        yield "does not block public access", "set all four settings of its public access block"
    if properties.get("VersioningConfiguration", {}).get("Status") != "Enabled":
        yield "has no versioning", "enable it, or an overwritten object is lost"
    if not any(map(_demands_tls, listed(policy.get("Statement", [])))):
        yield "takes requests without TLS", "deny s3:* to everyone where aws:SecureTransport is false"


def _demands_tls(statement: Mapping[str, Any]) -> bool:
    return (
        statement["Effect"] == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"})
        and "s3:*" in listed(statement.get("Action", []))
        and str(statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")).lower() == "false"
    )


async def _policy(bucket: str, opts: pulumi.InvokeOptions) -> str | None:
    """Return the policy of a bucket; None without one, which the provider takes for an error."""
    try:
        found = await pulumi.runtime.invoke_async("aws:s3/getBucketPolicy:getBucketPolicy", {"bucket": bucket}, opts)
    except Exception as error:
        if "NoSuchBucketPolicy" not in str(error):
            raise
        return None
    return str(found["policy"])
