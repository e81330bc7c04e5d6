"""Which log groups of the application accounts are archived, by which entry of the stack file, and why others are not.

What counts is what exists in AWS, not what the stack file declares. Only the deployer roles are needed to read it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from accounts.inventory import Inventory, Subscription, read_accounts
from accounts.parallel import OnProgress
from ops.errors import OperatorError
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
        status: ``archived``; ``excluded`` by the stack file; or ``missed``.
        entry: the matching entry of the stack file: a name, a pattern, ``all``, or an exclusion; None: no match.
        reason: why it is not archived, or what the next update will change; may be empty.
    """

    account: str
    region: str
    log_group: str
    status: Literal["archived", "excluded", "missed"]
    entry: str | None
    reason: str


@dataclass(frozen=True)
class Totals:
    """How many log groups of an account and region are archived, excluded and missed."""

    account: str
    region: str
    archived: int
    excluded: int
    missed: int


def totals(lines: Iterable[Line]) -> list[Totals]:
    """Return the totals of each account and region, in the order of the lines."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for line in lines:
        counts.setdefault((line.account, line.region), Counter())[line.status] += 1
    return [
        Totals(*place, archived=count["archived"], excluded=count["excluded"], missed=count["missed"])
        for place, count in counts.items()
    ]


@dataclass(frozen=True)
class Requirement:
    """The minimum share of log groups to be archived. Excluded log groups do not count.

    Attributes:
        pattern: name or pattern of the log groups.
        percent: minimum share, from 0 to 100.
    """

    pattern: str
    percent: Fraction

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """Parse ``100%`` or ``PATTERN=100%``.

        Raises:
            OperatorError: it is neither.
        """
        found = re.fullmatch(r"(?:(.+)=)?([0-9]{1,3}(?:\.[0-9]+)?)%", text)
        if found is None or Fraction(found[2]) > _WHOLE:
            raise OperatorError(f'"{text}" is not a valid requirement; use 100% or PATTERN=100%, from 0% to 100%')
        return cls(found[1] or "*", Fraction(found[2]))

    def unmet(self, lines: Iterable[Line]) -> str | None:
        """Return why the requirement is not met; None if it is."""
        counted = [line for line in lines if line.status != "excluded" and matches(self.pattern, line.log_group)]
        archived = sum(line.status == "archived" for line in counted)
        if not counted:
            return f"no log group matches {self.pattern}, except for excluded ones"
        if Fraction(_WHOLE * archived, len(counted)) < self.percent:
            return (
                f"{archived} of {len(counted)} log groups that match {self.pattern} are archived, which is less than "
                f"{float(self.percent):g}%"
            )
        return None


def survey(applications: Iterable[Application], stack: str, on_progress: OnProgress) -> list[Line]:
    """Return a line for each log group, in the order of the stack file.

    Args:
        applications: the accounts.
        stack: the stack they are read for.
        on_progress: called as accounts are done.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: an account cannot be read.
    """
    return read_accounts(applications, stack, _read, on_progress)


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
    """Return whether a filter or a policy of the archive subscribes a log group."""
    own = own_filter_names(region)
    return any(each.name in own for each in filters) or any(
        each.name in own and name not in _excluded_by(each.criteria) for each in policies
    )


def judge(
    name: str, existing: Existing, wanted: RegionLogGroups, *, archived: bool
) -> tuple[Literal["archived", "excluded", "missed"], str | None, str]:
    """Return status, entry and reason of a log group.

    Args:
        name: name of the log group.
        existing: the existing log groups.
        wanted: what the stack file declares for the account and region.
        archived: whether the log group is subscribed.
    """
    exclusions = [pattern for pattern in wanted.exclude or () if matches(pattern, name)]
    entries = entries_of(name, [entry.name for entry in wanted.log_groups], wanted.exclude or ())
    entry = next(iter(entries), ALL if wanted.all and not exclusions else None)
    if name in OWN:
        return "excluded", None, "used by the archive itself"
    if archived:
        return "archived", entry, "" if entry else "no entry matches it anymore: the next update unsubscribes it"
    if entry is None and exclusions:
        return "excluded", exclusions[0], ""
    if name not in existing:
        return "missed", entry, "the log group does not exist"
    if existing[name] != SUBSCRIBABLE:
        return "missed", entry, f"the log class {existing[name]} does not support subscription filters"
    if entry is None:
        return "missed", entry, "no entry matches it"
    by_function = wanted.auto_subscribe and is_pattern(entry)
    return "missed", entry, f"not subscribed: {'the function checks once an hour' if by_function else 'run pulumi up'}"


def _excluded_by(criteria: str) -> list[str]:
    _, _, names = criteria.partition(" NOT IN ")
    return list(json.loads(names)) if names else []
