"""Reads many accounts or regions in parallel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

_THREADS = 8
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

OnProgress = Callable[[int, int], object]
"""Called with how many items are done, and how many there are."""


def in_parallel(
    read: Callable[[_Item], _Result], items: Iterable[_Item], on_progress: OnProgress = lambda *_: None
) -> list[_Result]:
    """Return the result for each item, in the order of the items. The first error cancels what has not started."""
    with ThreadPoolExecutor(_THREADS) as threads:
        futures = [threads.submit(read, item) for item in items]
        try:
            on_progress(0, len(futures))
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                on_progress(done, len(futures))
        finally:
            for future in futures:
                future.cancel()
        return [future.result() for future in futures]
