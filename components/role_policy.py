"""Inline policies of the archive's roles."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.scope import Scope


def make_role_policy(
    logical_name: str,
    scope: Scope,
    *,
    role: aws.iam.Role,
    policy: pulumi.Input[str],
    depends_on: Sequence[pulumi.Resource] = (),
) -> aws.iam.RolePolicy:
    """Create an inline policy of a role; a change replaces it, so that nothing loses a permission that it still uses.

    Updated in place, it would deny at once what the update has yet to turn to the new stream, function or bucket, and
    CloudWatch Logs does not retry what is denied. So the new policy is created beside the old one, which its being
    auto-named allows, and Pulumi deletes the old one at the end of the update, after everything that depended on it.

    Args:
        logical_name: logical name of the policy.
        scope: the role's account.
        role: the role.
        policy: the document. Until the end of an update that changes it, the role has both: together, all inline
            policies of a role may have 10,240 characters ("IAM and STS quotas").
        depends_on: what has to exist before the role is allowed anything.
    """
    return aws.iam.RolePolicy(
        logical_name,
        role=role.name,
        policy=policy,
        opts=scope.child(depends_on=depends_on, replace_on_changes=["policy"]),
    )
