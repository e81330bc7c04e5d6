"""A run says what it does and what it waits for, line by line: on AWS it takes an hour."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from terminal.console import stderr

_LONGEST_PAUSE_SECONDS = 10.0
_Result = TypeVar("_Result")


def report(line: str) -> None:
    """Print a line with the time."""
    stderr.print(f"{datetime.now(UTC):%H:%M:%S} {line}")


def wait_for(what: str, check: Callable[[], _Result], *, seconds: float) -> _Result:
    """Poll until a check returns something true, less and less often, and return it.

    Raises:
        AssertionError: it did not within so many seconds. The text says what was waited for, and the last result.
    """
    report(f"waiting for {what}, {seconds:.0f} s at most")
    started = time.monotonic()
    for attempt in itertools.count():
        result = check()
        waited = time.monotonic() - started
        if result:
            report(f"{what}: after {waited:.0f} s")
            return result
        if waited >= seconds:
            break
        time.sleep(min(0.5 * 1.5**attempt, _LONGEST_PAUSE_SECONDS, seconds - waited))
    raise AssertionError(f"{what}: not within {seconds:.0f} s; last seen: {result!r}")
