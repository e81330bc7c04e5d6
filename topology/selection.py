"""Which log groups of a region a stack file selects. Pure: nothing is read from AWS here."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from topology.patterns import CANARY, SUBSCRIBER, entries_of, is_pattern, matches
from topology.settings import Filter, LogGroup, RegionLogGroups

MAX_CRITERIA_BYTES = 25 * 1024
"""Maximum size of the selection criteria of an account policy (API operation PutAccountPolicy)."""

SUBSCRIBABLE = "STANDARD"
"""The only log class that supports subscription filters ("Log classes"). The class of a log group never changes."""

Existing = Mapping[str, str]
"""The existing log groups: name → class."""


def select(wanted: RegionLogGroups, existing: Existing) -> list[LogGroup]:
    """Return the log groups that get a subscription filter from Pulumi, sorted by name.

    A name takes precedence over a pattern that matches it too, so that a pattern's settings can be overridden for one
    log group. With ``autoSubscribe``, patterns are left to the function.
    """
    entries = {entry.name: entry for entry in wanted.log_groups}
    chosen = {name: entry for name, entry in entries.items() if not entry.is_pattern}
    for name in () if wanted.auto_subscribe else sorted(_subscribable(existing) - chosen.keys()):
        for entry in entries_of(name, entries, wanted.exclude or ()):
            chosen[name] = entries[entry].model_copy(update={"name": name})
    return [chosen[name] for name in sorted(chosen)]


def selection_problems(wanted: RegionLogGroups, existing: Existing) -> Iterator[str]:
    """Yield the problems of a region's entries, given the existing log groups: what is wrong, and how to fix it."""
    exclude = wanted.exclude or ()
    names = [entry.name for entry in wanted.log_groups]
    selected_by = {name: entries_of(name, names, exclude) for name in _subscribable(existing)}
    for entry in wanted.log_groups:
        if entry.is_pattern:
            if not wanted.auto_subscribe and not any(entries_of(name, [entry.name], exclude) for name in selected_by):
                yield f"the pattern {entry.name} matches no log group; correct or remove it"
        elif entry.name not in existing:
            if not entry.create:
                near = difflib.get_close_matches(entry.name, existing, n=1)
                suggestion = f"did you mean {near[0]}? " if near else ""
                yield (
                    f"the log group {entry.name} does not exist; {suggestion}create it, or remove the entry; in "
                    "applications, create: true and retentionDays let the archive create it"
                )
        elif entry.name not in selected_by:
            yield (
                f"the log group {entry.name} is of class {existing[entry.name]}, and only {SUBSCRIBABLE} supports "
                "subscription filters; a class cannot be changed, so remove the entry"
            )
    account_wide = select_all(wanted, existing)
    if account_wide is not None and (size := len(account_wide.criteria.encode())) > MAX_CRITERIA_BYTES:
        yield (
            f"all: the names of the {len(account_wide.excluded)} excluded log groups take {size} bytes, and AWS "
            f"accepts {MAX_CRITERIA_BYTES}; exclude fewer, or list the log groups to archive in logGroups"
        )
    for name, entries in sorted(selected_by.items()):
        if len(entries) > 1:
            yield (
                f"the log group {name} matches more than one pattern, {' and '.join(entries)}; add an entry with its "
                "name, or narrow the patterns"
            )


def unsubscribable(wanted: RegionLogGroups, existing: Existing) -> list[str]:
    """Return the log groups that a pattern or ``all`` selects, but that do not support subscription filters."""
    exclude = wanted.exclude or ()
    entries = [entry.name for entry in wanted.log_groups if entry.is_pattern] + (["*"] if wanted.all else [])
    return sorted(name for name in existing.keys() - _subscribable(existing) if entries_of(name, entries, exclude))


@dataclass(frozen=True)
class AccountWide:
    """All log groups of an account and region, except some.

    Attributes:
        filter: what is forwarded.
        excluded: names of the log groups that ``exclude`` names, or that have a filter of their own.
    """

    filter: Filter
    excluded: tuple[str, ...]

    def but(self, name: str) -> AccountWide:
        """Return the same without another log group."""
        return AccountWide(self.filter, tuple(sorted({*self.excluded, name})))

    @property
    def criteria(self) -> str:
        """The selection criteria of the account policy (API operation PutAccountPolicy)."""
        return f"LogGroupName NOT IN {json.dumps(self.excluded)}"


def excluded_by(criteria: str) -> list[str]:
    """Return the log groups that the selection criteria of an account policy exclude; none without criteria."""
    return json.loads(criteria.partition(" NOT IN ")[2] or "[]")  # type: ignore[no-any-return]


def select_all(wanted: RegionLogGroups, existing: Existing) -> AccountWide | None:
    """Return what a policy of the account and region subscribes, or None without ``all``.

    AWS accepts names only. So a pattern excludes the log groups that exist, and a future one with the next update.
    """
    if wanted.all is None:
        return None
    exclude = wanted.exclude or ()
    own = {entry.name for entry in select(wanted, existing)}
    excluded = {name for name in existing if any(matches(pattern, name) for pattern in exclude)}
    named = {entry for entry in exclude if not is_pattern(entry)}
    function = existing.keys() & {SUBSCRIBER}
    return AccountWide(wanted.all, tuple(sorted(own | excluded | named | function | {CANARY})))


def _subscribable(existing: Existing) -> set[str]:
    return {name for name, log_class in existing.items() if log_class == SUBSCRIBABLE}
