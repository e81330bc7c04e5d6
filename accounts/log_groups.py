"""What to subscribe in the application accounts: the stack file, compared with the existing log groups and filters."""

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
    selection_problems,
    unsubscribable,
)
from topology.settings import Application, LogGroup, SettingsError
from topology.stack_file import file_name

MAX_FILTERS = 5
"""Quota of subscription filters per log group, by AWS's newest page ("Subscriptions")."""

UNDISPUTED_FILTERS = 2
"""The lower quota on another page ("CloudWatch Logs quotas")."""


@dataclass(frozen=True)
class AccountPlan:
    """What to subscribe in an account, and what is wrong there.

    Attributes:
        account: ID of the account.
        log_groups: region → log groups with a filter of their own, every pattern resolved.
        account_wide: region → what a policy of the account and region subscribes, if there is one.
        targets: region → ARNs of the destinations of the archive's existing filters and policies.
        problems: what prevents a deployment, a line each.
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
    """Return account → what to subscribe there. Accounts are read in parallel.

    Args:
        applications: the accounts.
        stack: the stack's name; errors name its file.
        check_existing_filters: also check existing filters and policies, as previews do.

    Raises:
        SettingsError: with everything that prevents a deployment of the stack.
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
            if (account_wide := select_all(wanted, existing)) is not None:
                plan.account_wide[region] = account_wide
            plan.problems.extend(f"{place}: {problem}" for problem in selection_problems(wanted, existing))
            if left_out := unsubscribable(wanted, existing):
                plan.warnings.append(
                    f"{place}: not archived, because only log groups of class {SUBSCRIBABLE} support subscription "
                    f"filters: {', '.join(left_out)}"
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
    """Add the problems and warnings that result from existing filters and policies."""
    own, targets = filter_name(region), set[str]()
    for group in plan.log_groups[region]:
        filters = inventory.filters(region, group.name) if group.name in existing else []
        targets |= {each.destination for each in filters if each.name == own}
        # A filter of the autoSubscribe function counts like any other.
        others = [each.name for each in filters if each.name != own]
        if len(others) >= MAX_FILTERS:
            plan.problems.append(
                f"{place}: the log group {group.name} has {len(others)} other subscription filters, and AWS allows "
                f"{MAX_FILTERS} in total: {', '.join(others)}; delete one of them, or remove the entry"
            )
        elif len(others) >= UNDISPUTED_FILTERS:
            plan.warnings.append(
                f"{place}: the log group {group.name} has {len(others)} other subscription filters; AWS documents both "
                f"{UNDISPUTED_FILTERS} and {MAX_FILTERS} as the quota of a log group, so AWS may reject another one"
            )
    account_wide = plan.account_wide.get(region)
    if account_wide is not None:
        for policy in inventory.policies(region):
            if policy.name != own:
                plan.problems.append(
                    f"{place}: all: the account already has the policy {policy.name}, to {policy.destination}, and AWS "
                    "allows one for each account and region; list the log groups to archive, or delete that policy"
                )
                continue
            targets.add(policy.destination)
            if policy.criteria != account_wide.criteria:
                plan.warnings.append(
                    f"{place}: all: the excluded log groups change, so the provider deletes and immediately recreates "
                    "the policy; events written in between are not archived"
                )
    plan.targets[region] = targets
