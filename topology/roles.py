"""Roles of ``bootstrap/``: how Pulumi's provider and code that calls AWS assume them, and what parameters grant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from topology import regions
from topology.patterns import SUBSCRIBER
from topology.regions import PARTITIONS
from topology.settings import Application, Archive

FILTER_ROLE = "central-log-archive-filters"
"""Name of the role of the subscription filters in an application account."""

REPLICATION_ROLE = "central-log-archive-replication"
"""Name of the role that S3 assumes to replicate the archive, in the central account."""

GRANTS = ("AccountPolicies", "Alarms", "CreatedLogGroups", "FilterRoles", "Subscriber")
"""The parameters of ``bootstrap/application-account.yaml`` that grant what only some stack files need."""


def role_arn(account: Archive | Application, region: str) -> str:
    """Return the ARN of the role to assume in an account, in the partition of ``region``."""
    return regions.role_arn(region, account.account, account.assumed_role)


def filter_role_arn(application: Application) -> str:
    """Return the ARN of the role of the account's subscription filters."""
    return regions.role_arn(next(iter(application.regions)), application.account, FILTER_ROLE)


@dataclass(frozen=True)
class Grant:
    """What a parameter of ``bootstrap/application-account.yaml`` lets the deployer role of an account do.

    Attributes:
        key: key of the stack file that needs it.
        parameter: name of the parameter.
        values: its values, several in a list.
        action: an action that is allowed only with it.
        resources: ARNs of what the action is allowed on.
    """

    key: str
    parameter: str
    values: tuple[str, ...]
    action: str
    resources: tuple[str, ...]


def grants(application: Application, *, filters_have_roles: bool, alarms: bool) -> Iterator[Grant]:
    """Yield what an account needs beyond what its deployer role always has.

    Args:
        application: the account.
        filters_have_roles: whether subscription filters have a role.
        alarms: whether the account has alarms.
    """

    def arn(service: str, region: str, resource: str) -> str:
        return f"arn:{PARTITIONS[region]}:{service}:{region}:{application.account}:{resource}"

    wanted = application.regions
    if filters_have_roles:
        yield Grant("filterRoles", "FilterRoles", ("true",), "iam:PassRole", (filter_role_arn(application),))
    if any(each.all is not None for each in wanted.values()):
        yield Grant("all", "AccountPolicies", ("true",), "logs:PutAccountPolicy", ("*",))
    if alarms:
        yield Grant("alarms", "Alarms", ("true",), "logs:PutResourcePolicy", ("*",))
    functions = tuple(arn("lambda", region, f"function:{SUBSCRIBER}") for region in application.auto_subscribed)
    if functions:
        yield Grant("autoSubscribe", "Subscriber", ("true",), "lambda:CreateFunction", functions)
    created = [(region, group.name) for region in wanted for group in wanted[region].log_groups if group.create]
    if created:
        names = tuple(sorted({name for _, name in created}))
        groups = tuple(arn("logs", region, f"log-group:{name}:*") for region, name in created)
        yield Grant("create", "CreatedLogGroups", names, "logs:CreateLogGroup", groups)


def session_name(stack: str) -> str:
    """Return the session name that identifies a stack in CloudTrail, within AssumeRole's limit of 64 characters."""
    return re.sub(r"[^\w+=,.@-]", "-", f"central-log-archive-{stack}", flags=re.ASCII)[:64]
