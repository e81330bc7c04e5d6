"""The log groups that are there, asked of AWS at preview, which then shows those that join and leave the archive."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.selection import select, unselectable
from components.settings import Application, LogGroup

Providers = Mapping[str, aws.Provider]


def resolve(applications: Mapping[str, tuple[Application, Providers]]) -> dict[str, dict[str, list[LogGroup]]]:
    """Return account → region → log groups to subscribe, with every pattern replaced by what it matches.

    Args:
        applications: account → application, and region → provider of the account.

    Raises:
        pulumi.RunError: with every entry that means no log group, or one that another entry means too.
    """
    resolved: dict[str, dict[str, list[LogGroup]]] = {}
    problems = []
    for account, (application, providers) in applications.items():
        resolved[account] = {}
        for region, wanted in application.regions.items():
            found = aws.cloudwatch.get_log_groups(opts=pulumi.InvokeOptions(provider=providers[region]))
            resolved[account][region] = select(wanted, found.log_group_names)
            problems += [
                f"applications, account {account}, region {region}: {problem}"
                for problem in unselectable(wanted, found.log_group_names)
            ]
    if problems:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise pulumi.RunError("\n  ".join([f"Pulumi.{pulumi.get_stack()}.yaml has {count}:", *problems]))
    return resolved
