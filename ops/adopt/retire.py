"""Deletes subscription filters that the program's own filters supersede."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from accounts.inventory import Inventory, Subscription, read_accounts
from accounts.parallel import OnProgress
from accounts.session import AssumedRole
from ops.adopt.existing_archive import whole_account
from topology import roles
from topology.names import own_filter_names
from topology.settings import Application, Settings


@dataclass(frozen=True)
class Superseded:
    """A filter whose events all reach the same destination through the program's own filter, too.

    Attributes:
        name: name of the filter.
        destination: ARN of the destination of both.
    """

    account: str
    region: str
    log_group: str
    name: str
    destination: str


def superseded(settings: Settings, stack: str, on_progress: OnProgress) -> list[Superseded]:
    """Return the superseded filters of all accounts and regions of a stack.

    Args:
        settings: settings of the stack.
        stack: the stack the accounts are read for; CloudTrail shows its name.
        on_progress: called as accounts are done.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: an account cannot be read.
    """
    return read_accounts(_accounts(settings), stack, _read, on_progress)


def _read(account: Application, inventory: Inventory) -> Iterator[Superseded]:
    for region in account.regions:
        for log_group in sorted(inventory.log_groups(region)):
            for each in superseded_of(region, inventory.filters(region, log_group)):
                yield Superseded(account.account, region, log_group, each.name, each.destination)


def _accounts(settings: Settings) -> list[Application]:
    """Return the accounts that can have such filters. The central one can if it archives log groups of its own."""
    archive = settings.archive
    if archive is None or not archive.own_log_groups:
        return list(settings.applications)
    return [whole_account(archive.account, [archive.region], archive.deployer_role), *settings.applications]


def superseded_of(region: str, filters: Iterable[Subscription]) -> Iterator[Subscription]:
    """Yield the superseded filters of a log group."""
    names, filters = own_filter_names(region), list(filters)
    own = [each for each in filters if each.name in names]
    for each in filters:
        if each.name not in names and any(
            one.destination == each.destination and one.filter_pattern in ("", each.filter_pattern) for one in own
        ):
            yield each


def delete(filters: Iterable[Superseded], settings: Settings, stack: str, on_progress: OnProgress) -> None:
    """Delete filters one by one.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: one cannot be deleted; the rest stays.
    """
    filters, by_id = list(filters), {account.account: account for account in _accounts(settings)}
    deployers: dict[str, AssumedRole] = {}
    for done, each in enumerate(filters, start=1):
        if each.account not in deployers:
            role = roles.role_arn(by_id[each.account], each.region)
            deployers[each.account] = AssumedRole(role, each.region, stack)
        logs = deployers[each.account].client("logs", each.region)
        logs.delete_subscription_filter(logGroupName=each.log_group, filterName=each.name)
        on_progress(done, len(filters))
