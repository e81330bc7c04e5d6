"""The bucket that events are delivered to, with its settings, and the part of them that every bucket has."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.scope import Scope
from topology import policies
from topology.settings import Bucket, Lifecycle


def make_bucket(scope: Scope) -> aws.s3.Bucket:
    """Create the bucket itself. ``secure_bucket`` adds its settings: the key that they use requires the bucket first.

    Args:
        scope: the home region.
    """
    return aws.s3.Bucket(
        f"{scope.name}-bucket",
        force_destroy=not scope.retain,
        opts=scope.child(protect=scope.retain, retain_on_delete=scope.retain),
    )


def secure_bucket(scope: Scope, bucket: aws.s3.Bucket, settings: Bucket, *, key_arn: pulumi.Input[str] | None) -> None:
    """Make the bucket private, encrypted, versioned and TLS only. A retained bucket retains these settings.

    Args:
        scope: the home region.
        bucket: the bucket.
        settings: its settings.
        key_arn: ARN of the KMS key that encrypts objects; None: SSE-S3.
    """
    name = f"{scope.name}-bucket"
    make_private(scope, name, bucket, key_arn=key_arn, retain=scope.retain)

    def part(*depends_on: pulumi.Resource) -> pulumi.ResourceOptions:
        return scope.child(retain_on_delete=scope.retain, depends_on=depends_on)

    versioning = aws.s3.BucketVersioning(
        f"{name}-versioning",
        bucket=bucket.bucket,
        versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
        opts=part(),
    )
    aws.s3.BucketLifecycleConfiguration(
        f"{name}-lifecycle",
        bucket=bucket.bucket,
        rules=[_rule(settings.lifecycle)],
        opts=part(versioning),  # only versioned buckets have noncurrent versions
    )
    if settings.object_lock is not None:
        # S3 requires a checksum with each object that it locks (API operation PutObject), and retries end after a day.
        pulumi.warn(
            "archive.bucket.objectLock: AWS does not document that Firehose can deliver to a bucket that locks new "
            "objects, and it has not been verified. Run ops verify right after the update: what Firehose cannot "
            "deliver within 24 hours is lost."
        )
        aws.s3.BucketObjectLockConfiguration(
            f"{name}-object-lock",
            bucket=bucket.bucket,
            rule=aws.s3.BucketObjectLockConfigurationRuleArgs(
                default_retention=aws.s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(
                    mode=settings.object_lock.mode.upper(), days=settings.object_lock.days
                )
            ),
            opts=part(versioning),  # Object Lock requires versioning
        )
    if settings.access_logs is not None:
        aws.s3.BucketLogging(
            f"{name}-access-logs",
            bucket=bucket.bucket,
            target_bucket=settings.access_logs.bucket,
            target_prefix=settings.access_logs.prefix,
            opts=part(),
        )


def make_private(
    scope: Scope, name: str, bucket: aws.s3.Bucket, *, key_arn: pulumi.Input[str] | None, retain: bool
) -> list[pulumi.Resource]:
    """Make a bucket private, encrypted and TLS only; return the settings that have to exist before it is used.

    Args:
        scope: the home region.
        name: logical name of the bucket.
        bucket: the bucket.
        key_arn: ARN of the KMS key that encrypts objects; None: SSE-S3.
        retain: whether the settings are retained.
    """

    def part(*depends_on: pulumi.Resource) -> pulumi.ResourceOptions:
        return scope.child(retain_on_delete=retain, depends_on=depends_on)

    ownership = aws.s3.BucketOwnershipControls(
        f"{name}-ownership",
        bucket=bucket.bucket,
        rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
        opts=part(),
    )
    public_access_block = aws.s3.BucketPublicAccessBlock(
        f"{name}-public-access-block",
        bucket=bucket.bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        # In sequence: S3 rejects concurrent changes of access settings as conflicting operations.
        opts=part(ownership),
    )
    policy = aws.s3.BucketPolicy(
        f"{name}-policy",
        bucket=bucket.bucket,
        policy=pulumi.Output.all(bucket=bucket.arn, key=key_arn).apply(
            lambda arns: policies.bucket_policy(bucket_arn=arns["bucket"], key_arn=arns["key"])
        ),
        opts=part(public_access_block),
    )
    encryption = aws.s3.BucketServerSideEncryptionConfiguration(
        f"{name}-encryption",
        bucket=bucket.bucket,
        rules=[
            aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                apply_server_side_encryption_by_default=(
                    aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm="AES256" if key_arn is None else "aws:kms", kms_master_key_id=key_arn
                    )
                ),
                bucket_key_enabled=key_arn is not None,  # without it, S3 calls KMS for every object
                # S3 blocks keys of callers on new buckets by itself since 2026, but older ones have to ask for it.
                blocked_encryption_types=["SSE-C"],
            )
        ],
        opts=part(),
    )
    return [policy, encryption]


def _rule(lifecycle: Lifecycle) -> aws.s3.BucketLifecycleConfigurationRuleArgs:
    expiration = noncurrent = None
    if lifecycle.expire_days is not None:
        expiration = aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=lifecycle.expire_days)
    if lifecycle.noncurrent_days is not None:
        noncurrent = aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
            noncurrent_days=lifecycle.noncurrent_days
        )
    return aws.s3.BucketLifecycleConfigurationRuleArgs(
        id="archive",
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
        transitions=[
            aws.s3.BucketLifecycleConfigurationRuleTransitionArgs(storage_class=storage_class, days=days)
            for storage_class, days in lifecycle.steps
        ],
        expiration=expiration,
        noncurrent_version_expiration=noncurrent,
        abort_incomplete_multipart_upload=(
            aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                days_after_initiation=lifecycle.abort_uploads_days
            )
        ),
    )
