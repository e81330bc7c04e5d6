"""Settings of all tests, and the order in which they run."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import settings

# How long an example takes says nothing on a busy machine. In CI, the examples are the same in every run.
settings.register_profile("tests", settings(deadline=None))
settings.load_profile("tests")

# How long a stream of the sandbox buffers. Tests wait for what it writes.
os.environ.setdefault("SANDBOX_BUFFER_SECONDS", "0.2")


def pytest_xdist_auto_num_workers() -> int:
    """Run more workers than there are processors: tests of the sandbox mostly wait, for the engine and for buffers."""
    return 2 * (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the slowest tiers, and there with the largest files: a long file that starts last would run alone."""
    tests_of = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.parent.name not in {"sandbox", "yours"}, -tests_of[item.path]))
