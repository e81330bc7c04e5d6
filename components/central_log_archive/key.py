"""The KMS keys of the archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.scope import Scope
from topology import policies
from topology.settings import CREATE, Archive


@dataclass(frozen=True, kw_only=True)
class KeyArns:
    """ARNs of KMS keys; None: keys that AWS owns or manages.

    Attributes:
        objects: of the objects in the bucket.
        stream: of the stream.
        log_groups: of the archive's own log groups.
    """

    objects: pulumi.Input[str] | None
    stream: pulumi.Input[str] | None
    log_groups: pulumi.Input[str] | None

    @property
    def in_use(self) -> list[pulumi.Input[str]]:
        """The ARNs, where one key encrypts several things more than once."""
        return [each for each in (self.objects, self.stream, self.log_groups) if each is not None]


def archive_keys(
    scope: Scope, archive: Archive, *, bucket_arns: Sequence[pulumi.Input[str]], log_groups: Sequence[str]
) -> KeyArns:
    """Return the keys of an archive; create one if its settings ask for it. For the arguments see ``_make_key``."""
    choices = archive.key.choices
    created = None
    if CREATE in choices.values():
        created = _make_key(
            scope, deployer_role=archive.deployer_role, bucket_arns=bucket_arns, log_groups=log_groups
        ).arn
    objects, stream, groups = (created if choice == CREATE else choice for choice in choices.values())
    return KeyArns(objects=objects, stream=stream, log_groups=groups)


def _make_key(
    scope: Scope, *, deployer_role: str, bucket_arns: Sequence[pulumi.Input[str]], log_groups: Sequence[str]
) -> aws.kms.Key:
    """Create the key of bucket, stream and log groups. If it is deleted, nothing that it encrypted can be read again.

    Args:
        scope: the home region.
        deployer_role: name of the role that creates it, and everything that it encrypts.
        bucket_arns: ARNs of the only buckets that it encrypts.
        log_groups: names of the log groups that it encrypts; ``*`` stands for the suffix of an auto-named one.
    """
    return aws.kms.Key(
        f"{scope.name}-key",
        description="Central log archive: bucket, stream and log groups",
        policy=pulumi.Output.all(*bucket_arns).apply(
            lambda arns: policies.key_policy(
                home_region=scope.region,
                account=scope.account,
                deployer_role=deployer_role,
                bucket_arns=arns,
                log_groups=log_groups,
            )
        ),
        enable_key_rotation=True,  # every year; AWS keeps the previous key material for older objects
        opts=scope.child(protect=scope.retain, retain_on_delete=scope.retain),
    )
