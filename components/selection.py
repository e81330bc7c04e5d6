"""Which log groups of a region the entries of a stack file mean. Plain values; nothing is asked of AWS here."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator

from components.settings import LogGroup, RegionLogGroups


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
    named = {entry.name for entry in wanted.log_groups if not entry.is_pattern}
    for name in sorted(set(existing) - named):
        meant_by = [entry.name for entry in wanted.log_groups if entry.is_pattern and matches(entry.name, name)]
        if len(meant_by) > 1 and not _excluded(wanted, name):
            yield f"the log group {name} is matched by {' and by '.join(meant_by)}; name it, or narrow the patterns"


def _excluded(wanted: RegionLogGroups, name: str) -> bool:
    return any(matches(pattern, name) for pattern in wanted.exclude or ())
