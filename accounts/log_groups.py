"""What to subscribe in the application accounts: the stack file, compared with what is there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from accounts.inventory import Inventory
from accounts.parallel import in_parallel
from accounts.session import AWS_ERRORS
from topology import roles
from topology.names import filter_name
from topology.selection import (
    SUBSCRIBABLE,
    AccountWide,
    Existing,
    select,
    select_all,
    unselectable,
    unsubscribable,
)
from topology.settings import Application, LogGroup, SettingsError
from topology.stack_file import file_name

MAX_FILTERS = 5
"""Subscription filters that a log group takes, by the newest page of AWS ("Subscriptions")."""
SURE_FILTERS = 2
"""Those that it takes by every page ("CloudWatch Logs quotas")."""


@dataclass(frozen=True)
class AccountPlan:
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


def plan_accounts(
    applications: Iterable[Application], stack: str, *, check_existing_filters: bool
) -> dict[str, AccountPlan]:
    """Return account → what to subscribe there. Accounts are read side by side.

    Args:
        applications: the accounts.
        stack: the stack's name; errors name its file.
        check_existing_filters: read the filters and policies that are there too, for what a preview has to say of them.

    Raises:
        SettingsError: with everything that keeps the stack from being deployed.
    """
    plans = in_parallel(
        lambda application: _plan(application, stack, check_existing_filters=check_existing_filters), applications
    )
    if problems := [problem for plan in plans for problem in plan.problems]:
        raise SettingsError.of(file_name(stack), problems)
    return {plan.account: plan for plan in plans}


def _plan(application: Application, stack: str, *, check_existing_filters: bool) -> AccountPlan:
    plan = AccountPlan(application.account)
    where = f"applications, account {application.account}"
    try:
        inventory = Inventory(application, stack)
        for region, wanted in application.regions.items():
            existing = inventory.log_groups(region)
            place = f"{where}, region {region}"
            plan.log_groups[region] = select(wanted, existing)
            if (everything := select_all(wanted, existing)) is not None:
                plan.account_wide[region] = everything
            plan.problems.extend(f"{place}: {problem}" for problem in unselectable(wanted, existing))
            if left_out := unsubscribable(wanted, existing):
                plan.warnings.append(
                    f"{place}: not archived, since AWS subscribes log groups of the class {SUBSCRIBABLE} only: "
                    f"{', '.join(left_out)}"
                )
            if check_existing_filters:
                _check_existing_filters(plan, inventory, region, existing, place)
    except AWS_ERRORS as error:
        role = roles.role_arn(application, next(iter(application.regions)))
        plan.problems.append(
            f"{where}: cannot be read through its deployer role {role}: {error}; see bootstrap/application-account.yaml"
        )
    return plan


def _check_existing_filters(
    plan: AccountPlan, inventory: Inventory, region: str, existing: Existing, place: str
) -> None:
    """Find out what the filters and policies that are there mean for those to come."""
    own, targets = filter_name(region), set[str]()
    for group in plan.log_groups[region]:
        filters = inventory.filters(region, group.name) if group.name in existing else []
        targets |= {each.destination for each in filters if each.name == own}
        # Where the function has been at work until now, its filter takes its place as those of others do.
        others = [each.name for each in filters if each.name != own]
        if len(others) >= MAX_FILTERS:
            plan.problems.append(
                f"{place}: the log group {group.name} has {len(others)} subscription filters of others, and AWS takes "
                f"{MAX_FILTERS}: {', '.join(others)}; delete one of them, or remove the log group"
            )
        elif len(others) >= SURE_FILTERS:
            plan.warnings.append(
                f"{place}: the log group {group.name} has {len(others)} subscription filters of others; AWS's pages "
                f"say both {SURE_FILTERS} and {MAX_FILTERS} for a log group, so another one may be refused"
            )
    everything = plan.account_wide.get(region)
    for policy in inventory.policies(region) if everything else ():
        if policy.name != own:
            plan.problems.append(
                f"{place}: all: the account has the policy {policy.name} already, to {policy.destination}, and AWS "
                "takes one in an account and region; name what is to be archived, or delete that policy"
            )
            continue
        targets.add(policy.destination)
        if everything is not None and policy.criteria != everything.criteria:
            plan.warnings.append(
                f"{place}: all leaves out other log groups than before, which the provider does by deleting the policy "
                "and making it again at once; what is written in between is not archived"
            )
    plan.targets[region] = targets
