"""Deletes subscription filters that the program's own filters supersede."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from accounts.inventory import Inventory, Subscription, read_accounts
from accounts.parallel import OnProgress
from accounts.session import AssumedRole
from topology import roles
from topology.names import own_filter_names
from topology.settings import Application, Settings

_STREAM = ":deliverystream/"


@dataclass(frozen=True)
class Superseded:
    """A filter whose events all reach the same destination or bucket through the program's own filter, too.

    Attributes:
        name: name of the filter.
        destination: ARN of the destination, or of the stream, that it leads to.
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
    return read_accounts(settings.sources, stack, _read, on_progress)


def _read(account: Application, inventory: Inventory) -> Iterator[Superseded]:
    for region in account.regions:
        for log_group in sorted(inventory.log_groups(region)):
            for each in superseded_of(region, inventory.filters(region, log_group), partial(inventory.bucket, region)):
                yield Superseded(account.account, region, log_group, each.name, each.destination)


def superseded_of(
    region: str, filters: Iterable[Subscription], bucket_of: Callable[[str], str | None]
) -> Iterator[Subscription]:
    """Yield the superseded filters of a log group.

    Args:
        region: region of the log group.
        filters: all filters of the log group.
        bucket_of: returns the bucket that a stream writes to, given its ARN; None: it cannot be found out. Filters of
            the central account lead to streams; after an adoption, those can be the old one and the new one.
    """

    def same(one: str, other: str) -> bool:
        if one == other or not (_STREAM in one and _STREAM in other):
            return one == other
        bucket = bucket_of(one)
        return bucket is not None and bucket == bucket_of(other)

    names, filters = own_filter_names(region), list(filters)
    own = [each for each in filters if each.name in names]
    for each in filters:
        if each.name not in names and any(
            one.filter_pattern in ("", each.filter_pattern) and same(one.destination, each.destination) for one in own
        ):
            yield each


def delete(filters: Iterable[Superseded], settings: Settings, stack: str, on_progress: OnProgress) -> None:
    """Delete filters one by one.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: one cannot be deleted; the rest stays.
    """
    filters, by_id = list(filters), {account.account: account for account in settings.sources}
    deployers: dict[str, AssumedRole] = {}
    for done, each in enumerate(filters, start=1):
        if each.account not in deployers:
            role = roles.role_arn(by_id[each.account], each.region)
            deployers[each.account] = AssumedRole(role, each.region, stack)
        logs = deployers[each.account].client("logs", each.region)
        logs.delete_subscription_filter(logGroupName=each.log_group, filterName=each.name)
        on_progress(done, len(filters))
