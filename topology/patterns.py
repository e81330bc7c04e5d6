"""Which entry means a log group. The function that subscribes new log groups carries this file too: it imports nothing
but the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SUBSCRIBER = "central-log-archive-subscriber"
"""Name of the function that subscribes new log groups, and of all that belongs to it, its log group too."""

CANARY = "central-log-archive-canary"
"""The log group of each account and region whose events prove that all of the way to the bucket works."""

OWN = frozenset({SUBSCRIBER, CANARY})
"""The program's own log groups in application accounts. No entry of a stack file means them."""


def is_pattern(entry: str) -> bool:
    """Say whether an entry means all log groups that match, instead of one."""
    return "*" in entry


def matches(pattern: str, name: str) -> bool:
    """Say whether a log group's name is meant by a name or pattern, in which ``*`` stands for any characters."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None


def entries_of(name: str, entries: Iterable[str], exclude: Iterable[str]) -> list[str]:
    """Return the entries that mean a log group: its own name, or else the patterns that match and leave it in.

    Nothing ever means the program's own log groups.

    Args:
        name: of the log group.
        entries: names and patterns.
        exclude: names and patterns of log groups that no pattern means.
    """
    entries = list(entries)
    if name in OWN:
        return []
    if name in entries:
        return [name]
    if any(matches(pattern, name) for pattern in exclude):
        return []
    return [entry for entry in entries if is_pattern(entry) and matches(entry, name)]
