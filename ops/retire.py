"""Deletes subscription filters that were made by hand, once the program's own have taken their place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from accounts.inventory import Inventory, Subscription, read_accounts
from accounts.session import AssumedRole
from ops.by_hand import all_of
from topology import roles
from topology.names import own_filter_names
from topology.settings import Application, Settings


@dataclass(frozen=True)
class Superseded:
    """A filter that passes on nothing which the program's own does not pass on to the same place.

    Attributes:
        name: of the filter.
        destination: ARN of what both lead to.
    """

    account: str
    region: str
    log_group: str
    name: str
    destination: str


def superseded(settings: Settings, stack: str, told: Callable[[], object]) -> list[Superseded]:
    """Return the filters that may go, of all accounts and regions of a stack. Accounts are read side by side.

    Args:
        settings: of the stack.
        stack: for which stack they are read; CloudTrail names it.
        told: called when an account has been read.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: an account cannot be read.
    """
    return read_accounts(accounts(settings), stack, _read, told)


def _read(account: Application, inventory: Inventory) -> Iterator[Superseded]:
    for region in account.regions:
        for log_group in sorted(inventory.log_groups(region)):
            for each in of_log_group(region, inventory.filters(region, log_group)):
                yield Superseded(account.account, region, log_group, each.name, each.destination)


def accounts(settings: Settings) -> list[Application]:
    """Return the accounts of a stack that can have such filters: the central one only where it archives its own."""
    archive = settings.archive
    if archive is None or not archive.own_log_groups:
        return list(settings.applications)
    return [all_of(archive.account, [archive.region], archive.deployer_role), *settings.applications]


def of_log_group(region: str, filters: Iterable[Subscription]) -> Iterator[Subscription]:
    """Yield the filters of a log group that may go."""
    names, filters = own_filter_names(region), list(filters)
    own = [each for each in filters if each.name in names]
    for each in filters:
        if each.name not in names and any(
            one.destination == each.destination and one.filter_pattern in ("", each.filter_pattern) for one in own
        ):
            yield each


def delete(filters: Iterable[Superseded], settings: Settings, stack: str, told: Callable[[], object]) -> None:
    """Delete filters, one after the other in each account.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: one cannot be deleted; the rest stays.
    """
    by_id = {account.account: account for account in accounts(settings)}
    accesses: dict[str, AssumedRole] = {}
    for each in filters:
        if each.account not in accesses:
            role = roles.role_arn(by_id[each.account], each.region)
            accesses[each.account] = AssumedRole(role, each.region, stack)
        logs = accesses[each.account].client("logs", each.region)
        logs.delete_subscription_filter(logGroupName=each.log_group, filterName=each.name)
        told()
