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
from topology.selection import excluded_by
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


@dataclass(frozen=True)
class Kept:
    """A filter that leads to the archive, is not the program's own, and is not superseded.

    Attributes:
        name: name of the filter.
        reason: why it stays.
    """

    account: str
    region: str
    log_group: str
    name: str
    reason: str


def judged(settings: Settings, stack: str, on_progress: OnProgress) -> tuple[list[Superseded], list[Kept]]:
    """Return the superseded filters of all accounts and regions of a stack, and others that lead to the archive.

    Args:
        settings: settings of the stack.
        stack: the stack the accounts are read for; CloudTrail shows its name.
        on_progress: called as accounts are done.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: an account cannot be read.
    """
    found = read_accounts(settings.sources, stack, _read, on_progress)
    return [each for each in found if isinstance(each, Superseded)], [each for each in found if isinstance(each, Kept)]


def _read(account: Application, inventory: Inventory) -> Iterator[Superseded | Kept]:
    for region in account.regions:
        names = own_filter_names(region)
        filters = {name: inventory.filters(region, name) for name in sorted(inventory.log_groups(region))}
        of_all = [each for each in inventory.policies(region) if each.name in names]
        archive = {each.destination for found in (*filters.values(), of_all) for each in found if each.name in names}
        for log_group, found in filters.items():
            covering = [each for each in of_all if log_group not in excluded_by(each.criteria)]
            same = partial(_same, bucket_of=partial(inventory.bucket, region))
            for each, reason in judge(region, [*found, *covering], same):
                if reason is None:
                    yield Superseded(account.account, region, log_group, each.name, each.destination)
                elif any(same(each.destination, one) for one in archive):
                    yield Kept(account.account, region, log_group, each.name, reason)


def judge(
    region: str, filters: Iterable[Subscription], same: Callable[[str, str], bool]
) -> Iterator[tuple[Subscription, str | None]]:
    """Yield each filter of a log group that is not the program's own, and why it stays; None: it is superseded.

    Args:
        region: region of the log group.
        filters: all filters of the log group, and the program's account policy if it covers the log group.
        same: returns whether events reach the same place through two destinations.
    """
    names, filters = own_filter_names(region), list(filters)
    own = [each for each in filters if each.name in names]
    for each in filters:
        if each.name in names:
            continue
        to_same = [one for one in own if same(one.destination, each.destination)]
        if any(one.filter_pattern in ("", each.filter_pattern) for one in to_same):
            yield each, None
        elif to_same:
            yield each, f"its pattern forwards other events than {to_same[0].name}: {each.filter_pattern or 'all'}"
        else:
            yield each, "the log group has no filter of the program to the same place"


def _same(one: str, other: str, *, bucket_of: Callable[[str], str | None]) -> bool:
    """Return whether two destinations are the same, or streams that write to the same bucket.

    Filters of the central account lead to streams; after an adoption, those can be the old one and the new one.

    Args:
        one: ARN of a destination, or of a stream.
        other: another one.
        bucket_of: returns the bucket that a stream writes to, given its ARN; None: it cannot be found out.
    """
    if one == other or not (_STREAM in one and _STREAM in other):
        return one == other
    bucket = bucket_of(one)
    return bucket is not None and bucket == bucket_of(other)


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
