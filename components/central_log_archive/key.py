"""The KMS key of the archive."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.central_log_archive.bucket import Options
from topology import policies


def make_key(
    name: str,
    *,
    account: str,
    region: str,
    bucket_arn: pulumi.Input[str],
    log_groups: Sequence[str],
    child: Options,
    retain: bool,
) -> aws.kms.Key:
    """Make the key of bucket, stream and log groups. Without it, nothing that it encrypted can be read again.

    Args:
        name: logical name of the key.
        account: id of the archive's account.
        region: home region.
        bucket_arn: ARN of the bucket, the only one that it encrypts.
        log_groups: names of the log groups that it encrypts; a ``*`` stands for what Pulumi adds to a name.
        child: gives the options of a child in the home region.
        retain: protect the key, and keep it when it leaves the stack.
    """
    policy = pulumi.Output.from_input(bucket_arn).apply(
        lambda arn: policies.key_policy(
            home_region=region,
            account=account,
            bucket_arn=arn,
            log_groups=log_groups,
        )
    )
    return aws.kms.Key(
        name,
        description="Central log archive: bucket, stream and log groups",
        policy=policy,
        enable_key_rotation=True,  # every year; AWS keeps what older objects need
        opts=child(protect=retain, retain_on_delete=retain),
    )
