"""An existing bucket: it is never changed, but what it lacks is reported."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi

from components.scope import Scope
from topology.given_keys import customer_managed
from topology.policies import requires_tls
from topology.settings import Archive


def report_existing_bucket(scope: Scope, archive: Archive) -> None:
    """Warn of what the archive's existing bucket lacks, of what cannot be read, or of what its owner has to do.

    Args:
        scope: the home region.
        archive: settings of the archive.
    """
    bucket = archive.existing_bucket
    if bucket is None:
        return
    if archive.bucket_owner == archive.account:
        opts = pulumi.InvokeOptions(parent=scope.parent, provider=scope.providers[scope.region])
        pulumi.Output.all(_report(archive, bucket.name, opts, retain=scope.retain))
    else:
        pulumi.warn(
            f"The bucket {bucket.name} belongs to account {archive.bucket_owner}, so none of its settings are read: "
            "encryption, versioning, Object Lock, public access and TLS are up to its owner. Its bucket policy has to "
            "allow what the output requiredBucketPolicy contains, and the permissions boundary too: deploy "
            f"bootstrap/archive-account.yaml with BucketOfAnotherAccount={bucket.name}. If it encrypts with a KMS key "
            "by default, set archive.key.objects to that key."
        )


def settings_findings(properties: Mapping[str, Any], key: str | None, *, retain: bool) -> Iterator[tuple[str, str]]:
    """Yield what a bucket lacks compared with the bucket that is recommended, and how to fix it.

    Args:
        properties: the bucket's properties in CloudFormation (resource type AWS::S3::Bucket).
        key: the KMS key that the archive specifies for its objects, if any.
        retain: whether events are to be kept.
    """
    encryption = properties.get("BucketEncryption")
    if not encryption:
        yield "has no default encryption", "set SSE-S3, or SSE-KMS with a bucket key"
    elif key is None and (default := customer_managed(_default_key(encryption))):
        yield (
            f"encrypts with the KMS key {default} by default, which the delivery role may not use",
            "set archive.key to an object with the ARN of this key in objects, or no event is delivered",
        )
    block = properties.get("PublicAccessBlockConfiguration", {})
    flags = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    if not all(block.get(flag) for flag in flags):
        yield "does not block public access", "turn on all four settings of Block Public Access"
    if properties.get("VersioningConfiguration", {}).get("Status") != "Enabled":
        yield "has no versioning", "enable it, or overwritten objects are lost"
    if properties.get("ObjectLockConfiguration", {}).get("Rule"):
        yield (
            "locks new objects, and AWS does not document that Firehose can deliver them",
            "run ops verify right after the update",
        )
    elif retain:
        yield (
            "does not lock new objects, so whoever may delete objects can delete events",
            "enable Object Lock, with a default retention for as long as they have to be evidence",
        )


def unread_findings(properties: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what keeps queries from reading older objects of a bucket."""
    rules = properties.get("LifecycleConfiguration", {}).get("Rules", [])
    transitions = (each for rule in rules if rule["Status"] == "Enabled" for each in rule.get("Transitions", []))
    for storage_class in sorted({each["StorageClass"] for each in transitions} & {"DEEP_ARCHIVE", "GLACIER"}):
        yield (
            f"moves objects to {storage_class}, which Athena passes over without an error",
            "let its lifecycle use GLACIER_IR, or query the last days only",
        )


def policy_findings(policy: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the same for a bucket's policy document; empty if it has none."""
    if not requires_tls(policy):
        yield "accepts requests without TLS", "deny s3:* to everyone if aws:SecureTransport is false"


def _default_key(encryption: Mapping[str, Any]) -> str | None:
    """Return ID, ARN or alias of a bucket's default KMS key; None: another encryption, or the key that AWS manages."""
    rules = encryption["ServerSideEncryptionConfiguration"]
    return next((rule.get("ServerSideEncryptionByDefault", {}).get("KMSMasterKeyID") for rule in rules), None)


async def _report(archive: Archive, bucket: str, opts: pulumi.InvokeOptions, *, retain: bool) -> None:
    found: list[tuple[str, str]] = []
    # The only function that returns all settings of a bucket: the provider has none for some of them.
    arguments = {"typeName": "AWS::S3::Bucket", "identifier": bucket}
    try:
        read = await pulumi.runtime.invoke_async("aws:cloudcontrol/getResource:getResource", arguments, opts)
    except Exception as error:  # noqa: BLE001 - the SDK raises no other type
        _check_existence(bucket, error)
        _warn_of_unread(bucket, "encryption, public access and versioning", error)
    else:
        properties = json.loads(read["properties"])
        found += settings_findings(properties, archive.key.objects, retain=retain)
        if archive.analysis is not None:
            found += unread_findings(properties)
    try:
        read = await pulumi.runtime.invoke_async("aws:s3/getBucketPolicy:getBucketPolicy", {"bucket": bucket}, opts)
    except Exception as error:  # noqa: BLE001 - as above
        if "NoSuchBucketPolicy" in str(error):
            found += policy_findings({})
        else:
            _check_existence(bucket, error)
            _warn_of_unread(bucket, "policy", error)
    else:
        found += policy_findings(json.loads(read["policy"]))
    for finding, remedy in found:
        pulumi.warn(f"The bucket {bucket} {finding}, and its settings are not changed: {remedy}.")


def _check_existence(bucket: str, error: Exception) -> None:
    if any(code in str(error) for code in ("ResourceNotFoundException", "NoSuchBucket")):
        message = f"archive.existingBucket: there is no bucket {bucket}; create it, or fix the name: {error}"
        raise pulumi.RunError(message) from None


def _warn_of_unread(bucket: str, what: str, error: Exception) -> None:
    pulumi.warn(
        f"The bucket {bucket} was not checked: its {what} could not be read: {error}. Deploy "
        f"bootstrap/archive-account.yaml again with ExistingBucket={bucket}; the update does not depend on it."
    )
