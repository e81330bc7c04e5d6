"""What to subscribe in the application accounts: the stack file, compared with the existing log groups and filters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from accounts.inventory import Inventory, Subscription
from accounts.parallel import in_parallel
from accounts.session import AWS_ERRORS
from topology import roles
from topology.names import filter_name
from topology.patterns import CANARY
from topology.selection import (
    SUBSCRIBABLE,
    AccountWide,
    select,
    select_all,
    selection_problems,
    unsubscribable,
)
from topology.settings import Application, LogGroup, Settings, SettingsError
from topology.stack_file import file_name

MAX_FILTERS = 5
"""Quota of subscription filters per log group, by AWS's newest page ("Subscriptions")."""

UNDISPUTED_FILTERS = 2
"""The lower quota on another page ("CloudWatch Logs quotas")."""

Filters = Mapping[str, list[Subscription]]
"""Log group → its subscription filters."""


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


def plan_accounts(settings: Settings, stack: str, *, check_existing_filters: bool) -> dict[str, AccountPlan]:
    """Return account → what to subscribe there. Accounts are read in parallel.

    Args:
        settings: settings of the stack.
        stack: the stack's name; errors name its file.
        check_existing_filters: also check existing filters and policies, as previews do; else only canaries' filters.

    Raises:
        SettingsError: with everything that prevents a deployment of the stack.
    """
    plans = in_parallel(
        lambda application: _plan(application, settings, stack, check_existing_filters=check_existing_filters),
        settings.sources,
    )
    if problems := [problem for plan in plans for problem in plan.problems]:
        raise SettingsError.of(file_name(stack), problems)
    return {plan.account: plan for plan in plans}


def _plan(application: Application, settings: Settings, stack: str, *, check_existing_filters: bool) -> AccountPlan:
    plan = AccountPlan(application.account)
    is_central = settings.archive is not None and application.account == settings.archive.account
    where = f"{'archive.ownLogGroups' if is_central else 'applications'}, account {application.account}"
    try:
        inventory = Inventory(application, stack)
        if not is_central:
            plan.problems.extend(f"{where}: {problem}" for problem in _missing_grants(application, inventory, settings))
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
            # An update reads only one filter, which has a role if the others have: a call for each would be throttled.
            read = [CANARY, *(group.name for group in plan.log_groups[region] if check_existing_filters)]
            filters = {name: inventory.filters(region, name) for name in read if name in existing}
            if not is_central:  # there filters have the sender role
                plan.problems.extend(f"{place}: {problem}" for problem in _role_problems(filters, region, settings))
            if check_existing_filters:
                _check_existing_filters(plan, inventory, region, filters, place)
    except AWS_ERRORS as error:
        role = roles.role_arn(application, next(iter(application.regions)))
        plan.problems.append(
            f"{where}: cannot be read through its deployer role {role}: {error}; see bootstrap/"
            f"{'archive' if is_central else 'application'}-account.yaml"
        )
    return plan


def _missing_grants(application: Application, inventory: Inventory, settings: Settings) -> Iterator[str]:
    """Yield what the deployer role may not do although the stack file needs it."""
    for grant in roles.grants(application, filters_have_roles=settings.filters_have_roles):
        if denied := inventory.denied(grant.action, grant.resources):
            yield (
                f"{grant.key} needs {grant.action} on {', '.join(denied)}, which its deployer role "
                f"{application.deployer_role} is not allowed; deploy bootstrap/application-account.yaml there again "
                f"with {grant.parameter}={','.join(grant.values)}"
            )


def _role_problems(filters: Filters, region: str, settings: Settings) -> Iterator[str]:
    """Yield why the archive's own filters of a region would stop if their roles changed in the order of this update.

    A filter needs a role before the policy of its destination admits an organization (API operation
    PutDestinationPolicy, ``forceUpdate``). It keeps its role: the provider's ``role_arn`` is optional and computed, so
    that a role which the program no longer sets is no difference to it.

    Args:
        filters: the existing filters, those of the canary among them: all filters of an account get a role together.
        region: the region.
        settings: settings of the stack.
    """
    roles_of = {
        name: each.role for name, found in filters.items() for each in found if each.name == filter_name(region)
    }
    organization = settings.archive.sender_organization if settings.archive is not None else None
    without = sorted(name for name, role in roles_of.items() if not role)
    if organization is not None and without:
        yield (
            f"subscription filters have no role yet, like that of {without[0]}, and would stop when the archive admits "
            f"the organization {organization}; set filterRoles: true and remove archive.senders.organization, run "
            "pulumi up, then add it again"
        )
    if not settings.filters_have_roles and (having := sorted(roles_of.keys() - without)):
        yield (
            f"subscription filters have a role, like that of {having[0]}, which the provider cannot take away, and "
            "would stop when it is deleted; set filterRoles: true"
        )


def _check_existing_filters(plan: AccountPlan, inventory: Inventory, region: str, filters: Filters, place: str) -> None:
    """Add the problems and warnings that result from existing filters and policies."""
    own, targets = filter_name(region), set[str]()
    for group in plan.log_groups[region]:
        found = filters.get(group.name, [])
        targets |= {each.destination for each in found if each.name == own}
        # A filter of the autoSubscribe function counts like any other.
        others = [each.name for each in found if each.name != own]
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
