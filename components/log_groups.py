"""What to subscribe in the application accounts: the stack file, compared with what is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import pulumi

from components import deployer
from components.access import READ_ERRORS
from components.inventory import Inventory
from components.selection import (
    SUBSCRIBABLE,
    AccountWide,
    Existing,
    select,
    select_all,
    unselectable,
    unsubscribable,
)
from components.settings import Application, LogGroup, filter_name

MAX_FILTERS = 5
"""Subscription filters that a log group takes, by the newest page of AWS ("Subscriptions")."""
SURE_FILTERS = 2
"""Those that it takes by every page ("CloudWatch Logs quotas")."""

_READERS = 8


@dataclass(frozen=True)
class Found:
    """What to subscribe in an account, and what is wrong there.

    Attributes:
        account: id of the account.
        log_groups: region → log groups with a filter of their own, every pattern replaced by what it matches.
        account_wide: region → what a policy of the account and region subscribes, where there is one.
        targets: region → ARNs of the destinations that the filters and the policy of this program lead to now.
        problems: what forbids to go on, a line each.
        warnings: what the operator should know, a line each.
    """

    account: str
    log_groups: dict[str, list[LogGroup]] = field(default_factory=dict)
    account_wide: dict[str, AccountWide] = field(default_factory=dict)
    targets: dict[str, set[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def resolve(applications: Iterable[Application], stack: str, *, thoroughly: bool) -> dict[str, Found]:
    """Return account → what to subscribe there. Accounts are read side by side.

    Args:
        applications: the accounts.
        stack: the stack's name; errors name its file.
        thoroughly: read the filters and policies that are there too, for what a preview has to say of them.

    Raises:
        pulumi.RunError: with everything that forbids to go on.
    """
    with ThreadPoolExecutor(_READERS) as readers:
        resolved = list(
            readers.map(lambda application: _resolve(application, stack, thoroughly=thoroughly), applications)
        )
    problems = [problem for found in resolved for problem in found.problems]
    if problems:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise pulumi.RunError("\n  ".join([f"Pulumi.{stack}.yaml has {count}:", *problems]))
    for warning in [warning for found in resolved for warning in found.warnings]:
        pulumi.warn(warning)
    return {found.account: found for found in resolved}


def announce_gaps(applications: Mapping[str, Found], destinations: Mapping[str, pulumi.Input[str]]) -> None:
    """Say in words, at preview, where events will be missing for a moment.

    The provider turns no filter and no policy to another destination: Pulumi deletes it and makes it again.
    """

    def announce(account: str, region: str, targets: set[str], destination: str) -> None:
        for target in sorted(targets - {destination}):
            pulumi.warn(
                f"account {account}, region {region}: filters turn from {target} to {destination}. Each is deleted and "
                "made again at once; what is written in between is not archived."
            )

    for account, found in applications.items():
        for region, targets in found.targets.items():
            pulumi.Output.from_input(destinations[region]).apply(partial(announce, account, region, targets))


def _resolve(application: Application, stack: str, *, thoroughly: bool) -> Found:
    found = Found(application.account)
    where = f"applications, account {application.account}"
    try:
        inventory = Inventory(application, stack)
        for region, wanted in application.regions.items():
            existing = inventory.log_groups(region)
            place = f"{where}, region {region}"
            found.log_groups[region] = select(wanted, existing)
            if (everything := select_all(wanted, existing)) is not None:
                found.account_wide[region] = everything
            found.problems.extend(f"{place}: {problem}" for problem in unselectable(wanted, existing))
            if left_out := unsubscribable(wanted, existing):
                found.warnings.append(
                    f"{place}: not archived, since AWS subscribes log groups of the class {SUBSCRIBABLE} only: "
                    f"{', '.join(left_out)}"
                )
            if thoroughly:
                _look_around(found, inventory, region, existing, place)
    except READ_ERRORS as error:
        role = deployer.role_arn(application, next(iter(application.regions)))
        found.problems.append(
            f"{where}: cannot be read through its deployer role {role}: {error}; see bootstrap/application-account.yaml"
        )
    return found


def _look_around(found: Found, inventory: Inventory, region: str, existing: Existing, place: str) -> None:
    """Find out what the filters and policies that are there mean for those to come."""
    own, targets = filter_name(region), set[str]()
    for group in found.log_groups[region]:
        filters = inventory.filters(region, group.name) if group.name in existing else []
        targets |= {each.destination for each in filters if each.name == own}
        # Where the function has been at work until now, its filter takes its place as those of others do.
        others = [each.name for each in filters if each.name != own]
        if len(others) >= MAX_FILTERS:
            found.problems.append(
                f"{place}: the log group {group.name} has {len(others)} subscription filters of others, and AWS takes "
                f"{MAX_FILTERS}: {', '.join(others)}; delete one of them, or remove the log group"
            )
        elif len(others) >= SURE_FILTERS:
            found.warnings.append(
                f"{place}: the log group {group.name} has {len(others)} subscription filters of others; AWS's pages "
                f"say both {SURE_FILTERS} and {MAX_FILTERS} for a log group, so another one may be refused"
            )
    everything = found.account_wide.get(region)
    for policy in inventory.policies(region) if everything else ():
        if policy.name != own:
            found.problems.append(
                f"{place}: all: the account has the policy {policy.name} already, to {policy.destination}, and AWS "
                "takes one in an account and region; name what is to be archived, or delete that policy"
            )
            continue
        targets.add(policy.destination)
        if everything is not None and policy.criteria != everything.criteria:
            found.warnings.append(
                f"{place}: all leaves out other log groups than before, which the provider does by deleting the policy "
                "and making it again at once; what is written in between is not archived"
            )
    found.targets[region] = targets
