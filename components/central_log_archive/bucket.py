"""The bucket that events are delivered to, with its settings, and the part of them that every bucket has."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.scope import Scope
from topology import policies
from topology.regions import PARTITIONS, role_arn
from topology.roles import REPLICATION_ROLE
from topology.settings import Bucket, Lifecycle, Replica

REPLICATION_RULE = "archive"
"""ID of the rule that replicates the bucket."""


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
    policy = pulumi.Output.all(bucket=bucket.arn, key=key_arn).apply(
        lambda arns: policies.bucket_policy(bucket_arn=arns["bucket"], key_arn=arns["key"], lock=_lock(scope, settings))
    )
    if settings.break_glass_role is None and scope.retain:
        pulumi.warn(
            "archive.bucket.breakGlassRole: is not set, so whoever has the deployer role can shorten how long events "
            "are kept, or let somebody else delete them. Name a role of the central account that nobody uses otherwise."
        )
    if settings.object_lock is None and scope.retain:
        pulumi.warn(
            "archive.bucket.objectLock: is not set, so whoever may delete objects can delete events. Lock them for as "
            "long as they have to be evidence, like objectLock: {mode: governance, days: 365}, and run ops verify "
            "right after the update."
        )
    # The name is known once it is known that the bucket may be changed, or need not be: all settings wait for that.
    bucket_name: pulumi.Output[str] = pulumi.Output.all(bucket.bucket, policy).apply(
        lambda known: _unless_locked(scope, str(known[0]), str(known[1]))
    )

    def part(*depends_on: pulumi.Resource) -> pulumi.ResourceOptions:
        return scope.child(retain_on_delete=scope.retain, depends_on=depends_on)

    versioning = aws.s3.BucketVersioning(
        f"{name}-versioning",
        bucket=bucket_name,
        versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
        opts=part(),
    )
    lifecycle = aws.s3.BucketLifecycleConfiguration(
        f"{name}-lifecycle",
        bucket=bucket_name,
        rules=[_rule(settings.lifecycle)],
        opts=part(versioning),  # only versioned buckets have noncurrent versions
    )
    protection: list[pulumi.Resource] = [versioning, lifecycle]
    if settings.object_lock is not None:
        # S3 requires a checksum with each object that it locks (API operation PutObject), and retries end after a day.
        pulumi.warn(
            "archive.bucket.objectLock: AWS does not document that Firehose can deliver to a bucket that locks new "
            "objects, and it has not been verified. Run ops verify right after the update: what Firehose cannot "
            "deliver within 24 hours is lost."
        )
        protection.append(
            aws.s3.BucketObjectLockConfiguration(
                f"{name}-object-lock",
                bucket=bucket_name,
                rule=aws.s3.BucketObjectLockConfigurationRuleArgs(
                    default_retention=aws.s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(
                        mode=settings.object_lock.mode.upper(), days=settings.object_lock.days
                    )
                ),
                opts=part(versioning),  # Object Lock requires versioning
            )
        )
    if settings.access_logs is not None:
        protection.append(
            aws.s3.BucketLogging(
                f"{name}-access-logs",
                bucket=bucket_name,
                target_bucket=settings.access_logs.bucket,
                target_prefix=settings.access_logs.prefix,
                opts=part(),
            )
        )
    if settings.replica is not None:
        protection.append(
            aws.s3.BucketReplicationConfig(
                f"{name}-replication",
                bucket=bucket_name,
                role=role_arn(scope.region, scope.account, REPLICATION_ROLE),
                rules=[_replication(scope, settings.replica)],
                opts=part(versioning),  # replication requires versioning
            )
        )
    make_private(
        scope,
        name,
        bucket_name,
        key_arn=key_arn,
        policy=policy,
        retain=scope.retain,
        # The policy may lock the others.
        before_policy=protection if settings.break_glass_role is not None else [],
    )


def _lock(scope: Scope, settings: Bucket) -> policies.Lock | None:
    if settings.break_glass_role is None:
        return None
    arn = role_arn(scope.region, scope.account, settings.break_glass_role)
    return policies.Lock(role_arn=arn, fingerprint=settings.fingerprint)


async def _unless_locked(scope: Scope, bucket: str, policy: str) -> str:
    """Return the name of a bucket, unless its policy locks it with other settings than the stack file's.

    Raises:
        pulumi.RunError: it does, and S3 would deny whatever the update changes.
    """
    opts = pulumi.InvokeOptions(parent=scope.parent, provider=scope.providers[scope.region])
    try:
        read = await pulumi.runtime.invoke_async("aws:s3/getBucketPolicy:getBucketPolicy", {"bucket": bucket}, opts)
    except Exception as error:  # noqa: BLE001 - the SDK raises no other type
        if "AccessDenied" in str(error):
            pulumi.warn(
                f"The policy of {bucket} could not be read, so it was not checked whether the bucket can be changed: "
                f"{error}. Deploy bootstrap/archive-account.yaml again."
            )
        return bucket  # it has no policy yet
    if policies.is_locked(read["policy"]) and json.loads(read["policy"]) != json.loads(policy):
        raise pulumi.RunError(
            f"archive.bucket: the bucket {bucket} is locked with other settings (breakGlassRole), and the stack file "
            "changes them. Undo the change; or delete the policy of the bucket as the break-glass role, and then run "
            f"pulumi up, which puts a new one: aws s3api delete-bucket-policy --bucket {bucket}"
        )
    return bucket


def make_private(
    scope: Scope,
    name: str,
    bucket: pulumi.Input[str],
    *,
    key_arn: pulumi.Input[str] | None,
    policy: pulumi.Input[str],
    retain: bool,
    before_policy: Sequence[pulumi.Resource] = (),
) -> list[pulumi.Resource]:
    """Make a bucket private, encrypted and TLS only; return the settings that have to exist before it is used.

    Args:
        scope: the home region.
        name: logical name of the bucket.
        bucket: name of the bucket.
        key_arn: ARN of the KMS key that encrypts objects; None: SSE-S3.
        policy: the policy of the bucket.
        retain: whether the settings are retained.
        before_policy: what has to exist before the policy.
    """

    def part(*depends_on: pulumi.Resource) -> pulumi.ResourceOptions:
        return scope.child(retain_on_delete=retain, depends_on=depends_on)

    ownership = aws.s3.BucketOwnershipControls(
        f"{name}-ownership",
        bucket=bucket,
        rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
        opts=part(),
    )
    public_access_block = aws.s3.BucketPublicAccessBlock(
        f"{name}-public-access-block",
        bucket=bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        # In sequence: S3 rejects concurrent changes of access settings as conflicting operations.
        opts=part(ownership),
    )
    encryption = aws.s3.BucketServerSideEncryptionConfiguration(
        f"{name}-encryption",
        bucket=bucket,
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
    bucket_policy = aws.s3.BucketPolicy(
        f"{name}-policy",
        bucket=bucket,
        policy=policy,
        opts=part(public_access_block, *([encryption, *before_policy] if before_policy else [])),
    )
    return [bucket_policy, encryption]


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


def _replication(scope: Scope, replica: Replica) -> aws.s3.BucketReplicationConfigRuleArgs:
    """Return the rule that replicates every new object, and no deletion, and gives replicas to the bucket's owner."""
    owner = replica.account if replica.account not in (None, scope.account) else None
    selection = encryption = translation = None
    if replica.key is not None:
        selection = aws.s3.BucketReplicationConfigRuleSourceSelectionCriteriaArgs(
            sse_kms_encrypted_objects=aws.s3.BucketReplicationConfigRuleSourceSelectionCriteriaSseKmsEncryptedObjectsArgs(
                status="Enabled"
            )
        )
        encryption = aws.s3.BucketReplicationConfigRuleDestinationEncryptionConfigurationArgs(
            replica_kms_key_id=replica.key
        )
    if owner is not None:
        translation = aws.s3.BucketReplicationConfigRuleDestinationAccessControlTranslationArgs(owner="Destination")
    return aws.s3.BucketReplicationConfigRuleArgs(
        id=REPLICATION_RULE,
        status="Enabled",
        priority=1,
        filter=aws.s3.BucketReplicationConfigRuleFilterArgs(prefix=""),
        delete_marker_replication=aws.s3.BucketReplicationConfigRuleDeleteMarkerReplicationArgs(status="Disabled"),
        source_selection_criteria=selection,
        destination=aws.s3.BucketReplicationConfigRuleDestinationArgs(
            bucket=f"arn:{PARTITIONS[scope.region]}:s3:::{replica.bucket}",
            account=owner,
            access_control_translation=translation,
            encryption_configuration=encryption,
            metrics=aws.s3.BucketReplicationConfigRuleDestinationMetricsArgs(status="Enabled"),  # for the alarm
        ),
    )
