"""Which log groups of the application accounts are archived, by which entry of the stack file, and why others are not.

What counts is what exists in AWS, not what the stack file declares: with another destination, pattern or role than the
program configures, a filter archives nothing. Only the deployer roles are needed to read it.
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
from components.archive_outputs import ArchiveOutputs
from ops.errors import OperatorError
from topology import roles
from topology.names import own_filter_names
from topology.patterns import OWN, entries_of, is_pattern, matches
from topology.regions import PARTITIONS
from topology.selection import SUBSCRIBABLE, Existing
from topology.settings import Application, RegionLogGroups, Settings

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


@dataclass(frozen=True)
class Expected:
    """What the archive's subscriptions of an account and region have in common.

    Attributes:
        destination: ARN that they deliver to; None: it is not known.
        role: ARN of their role; empty: they have none.
    """

    destination: str | None
    role: str

    def difference(self, found: Subscription, pattern: str) -> str | None:
        """Return how a subscription differs from what is expected, given the filter pattern of its entry."""
        for what, actual, expected in (
            ("destination", found.destination, self.destination),
            ("filter pattern", found.filter_pattern, pattern),
            ("role", found.role, self.role),
        ):
            if expected is not None and actual != expected:
                return f"the {what} of {found.name} is {actual or 'none'} instead of {expected or 'none'}"
        return None


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


def survey(settings: Settings, stack: str, archive: ArchiveOutputs | None, on_progress: OnProgress) -> list[Line]:
    """Return a line for each log group, in the order of the stack file.

    Args:
        settings: settings of the stack.
        stack: the stack.
        archive: the archive that it sends to; None: destinations are not compared.
        on_progress: called as accounts are done.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: an account cannot be read.
    """

    def read(application: Application, inventory: Inventory) -> Iterator[Line]:
        for region, wanted in application.regions.items():
            expected = _expected(settings, application, region, archive)
            yield from _read_region(inventory, application.account, region, wanted, expected)

    return read_accounts(settings.sources, stack, read, on_progress)


def _expected(settings: Settings, application: Application, region: str, archive: ArchiveOutputs | None) -> Expected:
    if settings.archive is not None and application.account == settings.archive.account:
        sender = f"arn:{PARTITIONS[region]}:iam::{application.account}:role/{settings.archive.sender_role_name}"
        return Expected(archive.stream_arn if archive else None, sender)
    role = roles.filter_role_arn(application) if settings.filters_have_roles else ""
    return Expected(archive.destinations.get(region) if archive else None, role)


def _read_region(
    inventory: Inventory, account: str, region: str, wanted: RegionLogGroups, expected: Expected
) -> Iterator[Line]:
    existing = inventory.log_groups(region)
    policies = inventory.policies(region)
    named = {entry.name for entry in wanted.log_groups if not entry.is_pattern}
    for name in sorted(existing.keys() | named):
        filters = inventory.filters(region, name) if name in existing else []
        own = own_subscriptions(name, region, filters, policies)
        yield Line(account, region, name, *judge(name, existing, wanted, own, expected))


def own_subscriptions(
    name: str, region: str, filters: Iterable[Subscription], policies: Iterable[Subscription]
) -> list[Subscription]:
    """Return the filters and policies of the archive that subscribe a log group."""
    own = own_filter_names(region)
    of_account = [each for each in policies if name not in _excluded_by(each.criteria)]
    return [each for each in (*filters, *of_account) if each.name in own]


def judge(
    name: str, existing: Existing, wanted: RegionLogGroups, own: Iterable[Subscription], expected: Expected
) -> tuple[Literal["archived", "excluded", "missed"], str | None, str]:
    """Return status, entry and reason of a log group.

    Args:
        name: name of the log group.
        existing: the existing log groups.
        wanted: what the stack file declares for the account and region.
        own: the subscriptions of the archive that the log group has.
        expected: what these must be like.
    """
    exclusions = [pattern for pattern in wanted.exclude or () if matches(pattern, name)]
    patterns = {entry.name: entry.filter_pattern for entry in wanted.log_groups}
    entries = entries_of(name, list(patterns), wanted.exclude or ())
    entry = next(iter(entries), ALL if wanted.all and not exclusions else None)
    if name in OWN:
        return "excluded", None, "used by the archive itself"
    subscribed = existing.get(name) == SUBSCRIBABLE and list(own)
    if subscribed and entry is None:
        return "archived", entry, "no entry matches it anymore: the next update unsubscribes it"
    if subscribed and entry is not None:
        pattern = patterns.get(entry, wanted.all.filter_pattern if wanted.all else "")
        differences = [expected.difference(each, pattern) for each in subscribed]
        if None in differences:
            return "archived", entry, ""
        return "missed", entry, f"{differences[0]}: run pulumi up --refresh"
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
