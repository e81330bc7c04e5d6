"""Roles of the archive."""

from __future__ import annotations

import pulumi_aws as aws

from components.scope import Scope
from topology.regions import boundary_arn


def make_role(
    logical_name: str, scope: Scope, *, description: str, trust: str, name: str | None = None
) -> aws.iam.Role:
    """Create a role within the permissions boundary of the bootstrap, without which the deployer role may create none.

    Args:
        logical_name: logical name of the role.
        scope: the role's account.
        description: what the role does.
        trust: the trust policy.
        name: name of the role; None: auto-named.
    """
    return aws.iam.Role(
        logical_name,
        name=name,
        description=description,
        assume_role_policy=trust,
        permissions_boundary=boundary_arn(scope.region, scope.account),
        opts=scope.child(),
    )
