"""The log groups that are there, asked of AWS at preview, which then shows those that join and leave the archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from components.selection import AccountWide, select, select_all, unselectable
from components.settings import Application, LogGroup

Providers = Mapping[str, aws.Provider]


@dataclass(frozen=True)
class Found:
    """What to subscribe in an account.

    Attributes:
        log_groups: region → log groups with a filter of their own, every pattern replaced by what it matches.
        account_wide: region → what a policy of the account and region subscribes, where there is one.
    """

    log_groups: dict[str, list[LogGroup]] = field(default_factory=dict)
    account_wide: dict[str, AccountWide] = field(default_factory=dict)


def resolve(applications: Mapping[str, tuple[Application, Providers]]) -> dict[str, Found]:
    """Return account → what to subscribe there.

    Args:
        applications: account → application, and region → provider of the account.

    Raises:
        pulumi.RunError: with every entry that means no log group, or one that another entry means too.
    """
    resolved: dict[str, Found] = {}
    problems = []
    for account, (application, providers) in applications.items():
        resolved[account] = Found()
        for region, wanted in application.regions.items():
            asked = pulumi.InvokeOptions(provider=providers[region])
            existing = aws.cloudwatch.get_log_groups(opts=asked).log_group_names
            resolved[account].log_groups[region] = select(wanted, existing)
            if (everything := select_all(wanted, existing)) is not None:
                resolved[account].account_wide[region] = everything
            problems += [
                f"applications, account {account}, region {region}: {problem}"
                for problem in unselectable(wanted, existing)
            ]
    if problems:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise pulumi.RunError("\n  ".join([f"Pulumi.{pulumi.get_stack()}.yaml has {count}:", *problems]))
    return resolved
