"""Who should have written events, by the stack files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from topology.patterns import entries_of
from topology.settings import Application, Archive

Place = tuple[str, str, str]
"""Account, region and log group."""


@dataclass(frozen=True)
class Expectation:
    """That at least one log group of an account and region writes events.

    Attributes:
        entry: the entry of the stack file that selects it: a name, or a pattern.
        exclude: names and patterns of log groups that a pattern does not select.
    """

    account: str
    region: str
    entry: str
    exclude: tuple[str, ...] = ()

    def fulfilled_by(self, place: Place) -> bool:
        """Return whether an event of a place fulfills it."""
        account, region, log_group = place
        return (account, region) == (self.account, self.region) and bool(
            entries_of(log_group, [self.entry], self.exclude)
        )


def expectations(applications: Iterable[Application], archive: Archive | None = None) -> Iterator[Expectation]:
    """Yield what the entries of stack files expect, in their order.

    Args:
        applications: the application accounts.
        archive: the archive whose own log groups are expected too.
    """
    if archive is not None:
        for group in archive.own_log_groups:
            yield Expectation(archive.account, archive.region, group.name)
    for application in applications:
        for region, wanted in application.regions.items():
            exclude = tuple(wanted.exclude or ())
            for entry in (*(group.name for group in wanted.log_groups), *(["*"] if wanted.all else [])):
                yield Expectation(application.account, region, entry, exclude)
