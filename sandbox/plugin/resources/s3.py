"""Resource types of Amazon S3."""

from __future__ import annotations

from typing import ClassVar

import pulumi_aws as sdk

from sandbox.plugin.aws import Aws, Values
from sandbox.plugin.resource_type import ResourceType


class Bucket(ResourceType):
    service, arguments = "s3", sdk.s3.BucketArgs
    inputs = frozenset({"bucket", "forceDestroy", "tags"})
    computed = frozenset({"arn", "bucketDomainName", "bucketRegionalDomainName", "region"})
    identity, named_by, longest_name = ("bucket",), "bucket", 63
    delete_operation = "delete_bucket"

    # The official plugin reads all of these of every bucket.
    _READS: ClassVar = (
        "get_bucket_accelerate_configuration", "get_bucket_acl", "get_bucket_cors", "get_bucket_encryption",
        "get_bucket_lifecycle_configuration", "get_bucket_location", "get_bucket_logging", "get_bucket_policy",
        "get_bucket_replication", "get_bucket_request_payment", "get_bucket_versioning", "get_bucket_website",
        "get_object_lock_configuration",
    )  # fmt: skip

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        # us-east-1 is the only region that must not be named (API operation CreateBucket).
        configuration = {
            "locationConstraint": None if aws.region == "us-east-1" else aws.region,
            "tags": tags or None,
        }
        aws.call("s3", "create_bucket", bucket=inputs["bucket"], createBucketConfiguration=configuration)
        return str(inputs["bucket"])

    def find(self, aws: Aws, resource_id: str) -> Values | None:
        if aws.find("s3", "head_bucket", bucket=resource_id) is None:
            return None
        for operation in self._READS:
            aws.find("s3", operation, bucket=resource_id)
        tags = aws.call("s3control", "list_tags_for_resource", **self._tag_address(aws, resource_id))["tags"]
        return {
            "bucket": resource_id,
            "arn": f"arn:{aws.partition}:s3:::{resource_id}",
            "bucketDomainName": f"{resource_id}.s3.amazonaws.com",
            "bucketRegionalDomainName": f"{resource_id}.s3.{aws.region}.amazonaws.com",
            "region": aws.region,
            "tagsAll": tags,
        }

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        """Do nothing: only tags and ``forceDestroy`` change in place, and the latter is the plugin's own."""

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        if state.get("forceDestroy"):
            s3 = aws.client("s3")
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=resource_id):
                for item in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                    s3.delete_object(Bucket=resource_id, Key=item["Key"], VersionId=item["VersionId"])
        super().delete(aws, resource_id, state)

    def tag(self, aws: Aws, state: Values, tags: dict[str, str], removed: list[str]) -> None:
        # The official plugin uses S3's own actions, and those of buckets only where S3 Control denies or lacks them
        # (hashicorp/terraform-provider-aws#45251 and #45784).
        bucket = self._tag_address(aws, state["bucket"])
        if tags:
            aws.call("s3control", "tag_resource", **bucket, tags=tags)
        if removed:
            aws.call("s3control", "untag_resource", **bucket, tagKeys=removed)

    def _tag_address(self, aws: Aws, bucket: str) -> Values:
        return {"accountId": aws.account, "resourceArn": f"arn:{aws.partition}:s3:::{bucket}"}


class _BucketSetting(ResourceType):
    """A setting of a bucket; its ID is the bucket's name."""

    service, identity = "s3", ("bucket",)


class _PermanentBucketSetting(_BucketSetting):
    """A setting that cannot be deleted, only reset."""

    reset: ClassVar[Values]  # the parameters that reset it

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        aws.find("s3", self.create_operation, bucket=resource_id, **self.reset)


class BucketOwnershipControls(_BucketSetting):
    arguments = sdk.s3.BucketOwnershipControlsArgs
    inputs = frozenset({"bucket", "rule"})
    create_operation = "put_bucket_ownership_controls"
    read_operation = "get_bucket_ownership_controls"
    delete_operation = "delete_bucket_ownership_controls"

    def parameters(self, inputs: Values) -> Values:
        return {"ownershipControls": {"rules": [inputs["rule"]]}}

    def properties(self, found: Values) -> Values:
        (rule,) = found["ownershipControls"]["rules"]
        return {"rule": rule}


class BucketPublicAccessBlock(_BucketSetting):
    arguments = sdk.s3.BucketPublicAccessBlockArgs
    inputs = frozenset({
        "blockPublicAcls", "blockPublicPolicy", "bucket", "ignorePublicAcls", "restrictPublicBuckets",
    })  # fmt: skip
    create_operation = "put_public_access_block"
    read_operation = "get_public_access_block"
    delete_operation = "delete_public_access_block"

    def parameters(self, inputs: Values) -> Values:
        return {"publicAccessBlockConfiguration": super().parameters(inputs)}

    def properties(self, found: Values) -> Values:
        return dict(found["publicAccessBlockConfiguration"])


class BucketVersioning(_PermanentBucketSetting):
    arguments = sdk.s3.BucketVersioningInitArgs  # the plain name is a nested type's
    inputs = frozenset({"bucket", "versioningConfiguration"})
    create_operation, read_operation = "put_bucket_versioning", "get_bucket_versioning"
    reset: ClassVar = {"versioningConfiguration": {"status": "Suspended"}}

    def properties(self, found: Values) -> Values | None:
        return {"versioningConfiguration": {"status": found["status"]}} if "status" in found else None


class BucketServerSideEncryptionConfiguration(_BucketSetting):
    arguments = sdk.s3.BucketServerSideEncryptionConfigurationInitArgs  # the plain name is a nested type's
    inputs = frozenset({"bucket", "rules"})
    create_operation = "put_bucket_encryption"
    read_operation = "get_bucket_encryption"
    delete_operation = "delete_bucket_encryption"

    def parameters(self, inputs: Values) -> Values:
        rules = [
            {**rule, "blockedEncryptionTypes": {"encryptionType": rule["blockedEncryptionTypes"]}}
            if "blockedEncryptionTypes" in rule
            else rule
            for rule in inputs["rules"]
        ]
        return {"serverSideEncryptionConfiguration": {"rules": rules}}

    def properties(self, found: Values) -> Values:
        rules = [
            {**rule, "blockedEncryptionTypes": rule.get("blockedEncryptionTypes", {}).get("encryptionType", [])}
            for rule in found["serverSideEncryptionConfiguration"]["rules"]
        ]
        return {"rules": rules}


class BucketPolicy(_BucketSetting):
    arguments = sdk.s3.BucketPolicyArgs
    inputs = frozenset({"bucket", "policy"})
    create_operation = "put_bucket_policy"
    read_operation = "get_bucket_policy"
    delete_operation = "delete_bucket_policy"


class BucketLifecycleConfiguration(_BucketSetting):
    arguments = sdk.s3.BucketLifecycleConfigurationArgs
    inputs = frozenset({"bucket", "rules"})
    create_operation = "put_bucket_lifecycle_configuration"
    read_operation = "get_bucket_lifecycle_configuration"
    delete_operation = "delete_bucket_lifecycle"

    def parameters(self, inputs: Values) -> Values:
        return {"lifecycleConfiguration": {"rules": [{"filter": {"prefix": ""}, **rule} for rule in inputs["rules"]]}}

    def properties(self, found: Values) -> Values:
        return {"rules": [{"transitions": [], **rule} for rule in found["rules"]]}


class BucketObjectLockConfiguration(_PermanentBucketSetting):
    arguments = sdk.s3.BucketObjectLockConfigurationInitArgs  # the plain name is a nested type's
    inputs = frozenset({"bucket", "rule"})
    create_operation, read_operation = "put_object_lock_configuration", "get_object_lock_configuration"
    reset: ClassVar = {"objectLockConfiguration": {"objectLockEnabled": "Enabled"}}

    def parameters(self, inputs: Values) -> Values:
        return {"objectLockConfiguration": {"objectLockEnabled": "Enabled", "rule": inputs["rule"]}}

    def properties(self, found: Values) -> Values | None:
        rule = found["objectLockConfiguration"].get("rule")
        return rule and {"rule": rule}


class BucketLogging(_PermanentBucketSetting):
    arguments = sdk.s3.BucketLoggingInitArgs  # the plain name is a nested type's
    inputs = frozenset({"bucket", "targetBucket", "targetPrefix"})
    create_operation, read_operation = "put_bucket_logging", "get_bucket_logging"
    reset: ClassVar = {"bucketLoggingStatus": {}}

    def parameters(self, inputs: Values) -> Values:
        return {"bucketLoggingStatus": {"loggingEnabled": super().parameters(inputs)}}

    def properties(self, found: Values) -> Values | None:
        return found.get("loggingEnabled")


class BucketReplicationConfig(_BucketSetting):
    arguments = sdk.s3.BucketReplicationConfigArgs
    inputs = frozenset({"bucket", "role", "rules"})
    create_operation = "put_bucket_replication"
    read_operation = "get_bucket_replication"
    delete_operation = "delete_bucket_replication"

    def parameters(self, inputs: Values) -> Values:
        return {"replicationConfiguration": super().parameters(inputs)}

    def properties(self, found: Values) -> Values:
        return dict(found["replicationConfiguration"])
