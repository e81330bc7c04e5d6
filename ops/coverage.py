"""Which log groups of the application accounts are archived, by which entry of the stack file, and why others are not.

It reads with the rights of the deployer roles only. What counts is what AWS has, not what the stack file wants.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from accounts.inventory import Inventory, Subscription, read_accounts
from topology.names import own_filter_names
from topology.patterns import OWN, entries_of, is_pattern, matches
from topology.selection import SUBSCRIBABLE, Existing
from topology.settings import Application, RegionLogGroups

_WHOLE = 100
ALL = "all"


@dataclass(frozen=True)
class Line:
    """A log group of an account and region.

    Attributes:
        status: ``archived``; ``excluded``, since the stack file says so; or ``missed``.
        entry: what in the stack file means it: a name, a pattern, ``all``, or an exclusion; None: nothing does.
        reason: why it is not archived, or what will change with the next update; empty: there is nothing to say.
    """

    account: str
    region: str
    log_group: str
    status: Literal["archived", "excluded", "missed"]
    entry: str | None
    reason: str


@dataclass(frozen=True)
class Totals:
    """How many log groups of an account and region are archived, missed and excluded."""

    account: str
    region: str
    archived: int
    missed: int
    excluded: int


def totals(lines: Iterable[Line]) -> list[Totals]:
    """Return the totals of each account and region, in the order of the lines."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for line in lines:
        counts.setdefault((line.account, line.region), Counter())[line.status] += 1
    return [
        Totals(*place, archived=count["archived"], missed=count["missed"], excluded=count["excluded"])
        for place, count in counts.items()
    ]


@dataclass(frozen=True)
class Requirement:
    """A share of log groups that have to be archived. Those that the stack file excludes do not count.

    Attributes:
        pattern: which log groups: a name or pattern.
        percent: of them, 0 to 100.
    """

    pattern: str
    percent: Fraction

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """Read ``100%`` or ``PATTERN=100%``.

        Raises:
            ValueError: it is neither.
        """
        found = re.fullmatch(r"(?:(.+)=)?([0-9]{1,3}(?:\.[0-9]+)?)%", text)
        if found is None or Fraction(found[2]) > _WHOLE:
            raise ValueError(f'"{text}" is not a share; write 100% or PATTERN=100%, of 0 to 100')
        return cls(found[1] or "*", Fraction(found[2]))

    def unmet(self, lines: Iterable[Line]) -> str | None:
        """Say what is missing; None: nothing."""
        counted = [line for line in lines if line.status != "excluded" and matches(self.pattern, line.log_group)]
        archived = sum(line.status == "archived" for line in counted)
        if not counted:
            return f"{self.pattern} matches no log group that counts"
        if Fraction(_WHOLE * archived, len(counted)) < self.percent:
            return (
                f"{archived} of {len(counted)} log groups that match {self.pattern} are archived, not "
                f"{float(self.percent):g} %"
            )
        return None


def survey(applications: Iterable[Application], stack: str, done: Callable[[], object]) -> list[Line]:
    """Return a line for each log group, in the order of the stack file. Accounts are read side by side.

    Args:
        applications: the accounts.
        stack: for which stack they are read.
        done: called when an account has been read.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: an account cannot be read.
    """
    return read_accounts(applications, stack, _read, done)


def _read(application: Application, inventory: Inventory) -> Iterator[Line]:
    for region, wanted in application.regions.items():
        yield from _read_region(inventory, application.account, region, wanted)


def _read_region(inventory: Inventory, account: str, region: str, wanted: RegionLogGroups) -> Iterator[Line]:
    existing = inventory.log_groups(region)
    policies = inventory.policies(region)
    named = {entry.name for entry in wanted.log_groups if not entry.is_pattern}
    for name in sorted(existing.keys() | named):
        filters = inventory.filters(region, name) if name in existing else []
        archived = existing.get(name) == SUBSCRIBABLE and subscribed(name, region, filters, policies)
        yield Line(account, region, name, *judge(name, existing, wanted, archived=archived))


def subscribed(name: str, region: str, filters: Iterable[Subscription], policies: Iterable[Subscription]) -> bool:
    """Say whether a filter or a policy of the archive leads the events of a log group there."""
    own = own_filter_names(region)
    return any(each.name in own for each in filters) or any(
        each.name in own and name not in _left_out(each.criteria) for each in policies
    )


def judge(
    name: str, existing: Existing, wanted: RegionLogGroups, *, archived: bool
) -> tuple[Literal["archived", "excluded", "missed"], str | None, str]:
    """Return status, entry and reason of a log group.

    Args:
        name: of the log group.
        existing: the log groups that are there.
        wanted: what the stack file says of the account and region.
        archived: whether it is subscribed.
    """
    exclusions = [pattern for pattern in wanted.exclude or () if matches(pattern, name)]
    entries = entries_of(name, [entry.name for entry in wanted.log_groups], wanted.exclude or ())
    entry = next(iter(entries), ALL if wanted.all and not exclusions else None)
    if name in OWN:
        return "excluded", None, "the archive's own"
    if archived:
        return "archived", entry, "" if entry else "nothing means it any more: the next update ends it"
    if entry is None and exclusions:
        return "excluded", exclusions[0], ""
    if name not in existing:
        return "missed", entry, "there is no such log group"
    if existing[name] != SUBSCRIBABLE:
        return "missed", entry, f"AWS subscribes no {existing[name]} log group"
    if entry is None:
        return "missed", entry, "no entry means it"
    by_function = wanted.auto_subscribe and is_pattern(entry)
    return "missed", entry, f"not subscribed: {'the function looks once an hour' if by_function else 'run pulumi up'}"


def _left_out(criteria: str) -> list[str]:
    _, _, names = criteria.partition(" NOT IN ")
    return list(json.loads(names)) if names else []
