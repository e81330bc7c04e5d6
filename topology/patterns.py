"""Which entry of a stack file selects a log group. This file is also part of the function that subscribes new log
groups, so it imports only the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SUBSCRIBER = "central-log-archive-subscriber"
"""Name of the function that subscribes new log groups, and of all its resources, including its log group."""

CANARY = "central-log-archive-canary"
"""The log group in each account and region whose events verify delivery to the bucket."""

SCHEDULED_CANARY = "/aws/events/central-log-archive-canary"
"""The log group in each account and region that sends an event every 15 minutes, if the stack has alarms.

EventBridge only writes to log groups whose names begin like this.
"""

CANARIES = frozenset({CANARY, SCHEDULED_CANARY})

OWN = CANARIES | {SUBSCRIBER}
"""The archive's own log groups in application accounts. No entry of a stack file selects them."""


def is_pattern(entry: str) -> bool:
    """Return whether an entry selects all log groups that match, instead of one."""
    return "*" in entry


def matches(pattern: str, name: str) -> bool:
    """Return whether a log group's name matches a name or pattern, in which ``*`` stands for any characters."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None


def entries_of(name: str, entries: Iterable[str], exclude: Iterable[str]) -> list[str]:
    """Return the entries that select a log group: its exact name, or else the patterns that match.

    Args:
        name: name of the log group.
        entries: names and patterns.
        exclude: names and patterns of log groups that no pattern selects.
    """
    entries = list(entries)
    if name in OWN:
        return []
    if name in entries:
        return [name]
    if any(matches(pattern, name) for pattern in exclude):
        return []
    return [entry for entry in entries if is_pattern(entry) and matches(entry, name)]
