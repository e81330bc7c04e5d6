"""Which log groups of a region the stack file means. Plain values; nothing is asked of AWS here."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from topology.patterns import CANARY, SUBSCRIBER, entries_of, is_pattern, matches
from topology.settings import Filter, LogGroup, RegionLogGroups

MAX_CRITERIA_BYTES = 25 * 1024
"""What AWS takes as the selection criteria of an account policy (API operation PutAccountPolicy)."""

SUBSCRIBABLE = "STANDARD"
"""The class of log groups that AWS lets subscribe ("Log classes"). A log group never changes its class."""

Existing = Mapping[str, str]
"""The log groups that are there: name → class."""


def select(wanted: RegionLogGroups, existing: Existing) -> list[LogGroup]:
    """Return the log groups that Pulumi gives a filter of their own, an entry each, in the order of their names.

    A name goes before a pattern that matches it too, so that a pattern's settings can be overridden for one group. With
    ``autoSubscribe`` patterns are the business of the function.
    """
    entries = {entry.name: entry for entry in wanted.log_groups}
    chosen = {name: entry for name, entry in entries.items() if not entry.is_pattern}
    for name in () if wanted.auto_subscribe else sorted(_subscribable(existing) - chosen.keys()):
        for entry in entries_of(name, entries, wanted.exclude or ()):
            chosen[name] = entries[entry].model_copy(update={"name": name})
    return [chosen[name] for name in sorted(chosen)]


def unselectable(wanted: RegionLogGroups, existing: Existing) -> Iterator[str]:
    """Yield what is wrong with the entries, given the log groups that are there: what, and how to mend it."""
    exclude = wanted.exclude or ()
    meant = {name: entries_of(name, [e.name for e in wanted.log_groups], exclude) for name in _subscribable(existing)}
    for entry in wanted.log_groups:
        if entry.is_pattern:
            if not wanted.auto_subscribe and not any(entries_of(name, [entry.name], exclude) for name in meant):
                yield f"the pattern {entry.name} matches no log group; correct or remove it"
        elif entry.name not in existing:
            if not entry.create:
                near = difflib.get_close_matches(entry.name, existing, n=1)
                meant_instead = f"did you mean {near[0]}? " if near else ""
                yield (
                    f"there is no log group {entry.name}; {meant_instead}make it, let the archive make it with "
                    "create: true and retentionDays, or remove it"
                )
        elif entry.name not in meant:
            yield (
                f"the log group {entry.name} is of the class {existing[entry.name]}, and AWS subscribes {SUBSCRIBABLE} "
                "only; a class never changes, so remove it"
            )
    everything = select_all(wanted, existing)
    if everything is not None and (size := len(everything.criteria.encode())) > MAX_CRITERIA_BYTES:
        yield (
            f"all leaves out {len(everything.without)} log groups by their names, which takes {size} bytes, and AWS "
            f"takes {MAX_CRITERIA_BYTES}; exclude fewer, or name what is to be archived"
        )
    for name in sorted(meant):
        if len(meant[name]) > 1:
            yield f"the log group {name} is matched by {' and by '.join(meant[name])}; name it, or narrow the patterns"


def unsubscribable(wanted: RegionLogGroups, existing: Existing) -> list[str]:
    """Return the log groups that a pattern or ``all`` means and AWS does not let subscribe, by their class."""
    exclude = wanted.exclude or ()
    entries = [entry.name for entry in wanted.log_groups if entry.is_pattern] + (["*"] if wanted.all else [])
    return sorted(name for name in existing.keys() - _subscribable(existing) if entries_of(name, entries, exclude))


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
        """What is left out, in the words of AWS (API operation PutAccountPolicy)."""
        return f"LogGroupName NOT IN {json.dumps(self.without)}"


def select_all(wanted: RegionLogGroups, existing: Existing) -> AccountWide | None:
    """Return what a policy of the account and region subscribes, or None where the stack file wants none.

    AWS takes names only. So patterns leave out what is there, and a log group to come that they match is left out with
    the next update.
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
