"""Which log groups of a region the entries of a stack file mean. Plain values; nothing is asked of AWS here."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from components.settings import Filter, LogGroup, RegionLogGroups

MAX_CRITERIA_BYTES = 25 * 1024
"""What AWS takes as the selection criteria of an account policy (API operation PutAccountPolicy)."""


def matches(pattern: str, name: str) -> bool:
    """Say whether a log group's name is meant by a name or pattern, in which ``*`` stands for any characters."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None


def select(wanted: RegionLogGroups, existing: Collection[str]) -> list[LogGroup]:
    """Return the log groups to subscribe, an entry each, in the order of their names.

    A name goes before a pattern that matches it too, so that a pattern's settings can be overridden for one group.

    Args:
        wanted: the entries for the region.
        existing: names of the log groups that are there.
    """
    named = {entry.name: entry for entry in wanted.log_groups if not entry.is_pattern}
    matched = {
        name: entry.model_copy(update={"name": name})
        for entry in wanted.log_groups
        if entry.is_pattern
        for name in existing
        if matches(entry.name, name) and not _excluded(wanted, name)
    }
    chosen = {**matched, **named}
    return [chosen[name] for name in sorted(chosen)]


def unselectable(wanted: RegionLogGroups, existing: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with the entries, given the log groups that are there: what, and how to mend it."""
    for entry in wanted.log_groups:
        if entry.is_pattern:
            if not any(matches(entry.name, name) and not _excluded(wanted, name) for name in existing):
                yield f"the pattern {entry.name} matches no log group; correct or remove it"
        elif not entry.create and entry.name not in existing:
            near = difflib.get_close_matches(entry.name, existing, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            yield (
                f"there is no log group {entry.name}; {meant}make it, let the archive make it with create: true and "
                "retentionDays, or remove it"
            )
    everything = select_all(wanted, existing)
    if everything is not None and (size := len(everything.criteria.encode())) > MAX_CRITERIA_BYTES:
        yield (
            f"all leaves out {len(everything.without)} log groups by their names, which takes {size} bytes, and AWS "
            f"takes {MAX_CRITERIA_BYTES}; exclude fewer, or name what is to be archived"
        )
    named = {entry.name for entry in wanted.log_groups if not entry.is_pattern}
    for name in sorted(set(existing) - named):
        meant_by = [entry.name for entry in wanted.log_groups if entry.is_pattern and matches(entry.name, name)]
        if len(meant_by) > 1 and not _excluded(wanted, name):
            yield f"the log group {name} is matched by {' and by '.join(meant_by)}; name it, or narrow the patterns"


@dataclass(frozen=True)
class AccountWide:
    """All log groups of an account and region, but some.

    Attributes:
        filter: how events are passed on.
        without: names of the log groups that are left out, since they are excluded or have a filter of their own.
    """

    filter: Filter
    without: tuple[str, ...]

    @property
    def criteria(self) -> str:
        """What is left out, in the words of AWS; empty: nothing (API operation PutAccountPolicy)."""
        return f"LogGroupName NOT IN {json.dumps(self.without)}" if self.without else ""


def select_all(wanted: RegionLogGroups, existing: Collection[str]) -> AccountWide | None:
    """Return what a policy of the account and region subscribes, or None where the stack file wants none.

    AWS takes names only. So patterns leave out what is there, and a log group to come that they match is left out with
    the next update.
    """
    if wanted.all is None:
        return None
    own = {entry.name for entry in select(wanted, existing)}
    excluded = {name for name in existing if _excluded(wanted, name)}
    named = {entry for entry in wanted.exclude or () if "*" not in entry}
    return AccountWide(wanted.all, tuple(sorted(own | excluded | named)))


def _excluded(wanted: RegionLogGroups, name: str) -> bool:
    return any(matches(pattern, name) for pattern in wanted.exclude or ())
