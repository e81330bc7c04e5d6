"""Asks the archive a query, as the analyst role: what it will read, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from accounts.session import AssumedRole
from components.archive_outputs import ArchiveOutputs
from ops.errors import OperatorError
from queries import ALL, Query, Scope, bucket
from queries.athena import Answer, QueryError, Workgroup, run
from topology.layouts import LAYOUTS, OTHER
from topology.settings import Archive, listed
from topology.silence import Expectation

DOLLARS_PER_TERABYTE = 5.0
"""Price of Athena in most regions ("Amazon Athena pricing")."""

_LEAST_BYTES = 10_000_000  # that Athena charges for a query
_TERABYTE = 1_000_000_000_000
_SECONDS = 1800.0  # Athena's own limit of a query's run ("Service Quotas")


@dataclass(frozen=True)
class Reading:
    """What a query reads.

    Attributes:
        accounts: IDs of the accounts that have objects; empty, if the layout does not say them.
        regions: the same for regions.
        dates: first and last day on which its objects arrived; None: there are none.
        objects: how many.
        size: their bytes, compressed as they are, each of which Athena reads.
        skipped: objects in GLACIER or DEEP_ARCHIVE, which Athena ignores.
    """

    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    dates: tuple[str, str] | None
    objects: int
    size: int
    skipped: int

    @property
    def dollars(self) -> float:
        """What Athena charges at most, at ``DOLLARS_PER_TERABYTE``."""
        return max(self.size, _LEAST_BYTES) / _TERABYTE * DOLLARS_PER_TERABYTE


@dataclass(frozen=True)
class Silence:
    """When the log groups of an expectation wrote their last event.

    Attributes:
        log_groups: how many wrote events.
        events: how many events they wrote.
        last_event: the moment of the last; None: there was none.
    """

    account: str
    region: str
    entry: str
    log_groups: int
    events: int
    last_event: datetime | None


class Analyst:
    """The analyst role of an archive."""

    def __init__(self, archive: ArchiveOutputs, stack: str) -> None:
        """Assume the role.

        Args:
            archive: the archive.
            stack: the stack that is asked for, for CloudTrail.

        Raises:
            OperatorError: the archive has nothing to query it with.
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: AWS denies it, or cannot be reached.
        """
        if archive.analysis is None:
            raise OperatorError(
                f"stack {archive.stack} has nothing to query its archive with: set archive.analysis: true in its stack "
                f"file, and run pulumi up -s {archive.stack}"
            )
        self._archive, self._workgroup = archive, Workgroup.of(archive.analysis)
        role = AssumedRole(archive.analysis["analystRole"], archive.region, stack)
        self._s3, self._athena = role.client("s3", archive.region), role.client("athena", archive.region)
        self._parts = LAYOUTS[archive.layout].parts

    def scope(self, query: Query, scope: Scope, given: Mapping[str, str]) -> Scope:
        """Return a scope with the log groups of the bucket, where the layout needs them.

        Args:
            query: the query.
            scope: the scope without log groups.
            given: the query's own values.
        """
        if "group" not in self._parts:
            return scope
        parts = self._parts[: self._parts.index("group") + 1]
        found = bucket.places(self._s3, self._archive.bucket, parts, scope.reads)
        return replace(scope, groups=query.groups((place["group"] for place in found), given))

    def reading(self, scope: Scope) -> Reading:
        """Return what a query reads, as lists of the bucket say before it does."""
        places = bucket.places(self._s3, self._archive.bucket, self._parts, scope.reads)
        found = [each for each in bucket.objects(self._s3, self._archive.bucket, places) if each.count or each.skipped]

        def values(part: str) -> tuple[str, ...]:
            return tuple(sorted({each.place[part] for each in found if part in each.place}))

        dates = values("date")
        return Reading(
            values("account"),
            values("region"),
            (dates[0], dates[-1]) if dates else None,
            sum(each.count for each in found),
            sum(each.size for each in found),
            sum(each.skipped for each in found),
        )

    def ask(self, query: Query, scope: Scope, given: Mapping[str, str], on_progress: Callable[[int], object]) -> Answer:
        """Return what a query returns.

        Args:
            query: the query.
            scope: the events.
            given: the query's own values.
            on_progress: called with the bytes read so far.

        Raises:
            OperatorError: a value is missing or wrong, or Athena does not answer.
        """
        try:
            statement = query.bind(scope, given)
            return run(self._athena, statement, self._workgroup, seconds=_SECONDS, on_progress=on_progress)
        except (QueryError, ValueError) as error:
            raise OperatorError(str(error)) from None


def check_place(archive: Archive, scope: Scope) -> None:
    """Refuse an account or region whose events no query returns, instead of an answer without rows.

    Args:
        archive: settings of the archive.
        scope: what is asked for.

    Raises:
        OperatorError: queries read no events of the account or region.
    """
    for option, given, known, remedy in (
        ("--account", scope.account, archive.queried_accounts, "add it to archive.analysis.accounts, if it sends"),
        ("--region", scope.region, archive.queried_regions, "add it to archive.destinationRegions, if it is to send"),
    ):
        if archive.delivery.is_partitioned and given not in {ALL, OTHER, *known}:
            raise OperatorError(f"{option} {given}: queries read {listed(known)}; {remedy}")


def silences(expected: Iterable[Expectation], answer: Answer) -> list[Silence]:
    """Return the answer of the query ``silence`` for each expectation: the silent ones first.

    Args:
        expected: the expectations.
        answer: rows of account, region, log group, events and last event.
    """
    names = [name for name, _ in answer.columns]
    rows: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in answer.rows]
    found = []
    for each in dict.fromkeys(expected):
        own = [row for row in rows if each.fulfilled_by((row["account"], row["region"], row["log_group"]))]
        last = max((row["last_event"] for row in own), default=None)
        found.append(Silence(each.account, each.region, each.entry, len(own), sum(row["events"] for row in own), last))
    return sorted(found, key=lambda each: each.last_event is not None)
