"""Settings of all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# How long an example takes says nothing on a busy machine. In CI, the examples are the same in every run.
settings.register_profile("tests", settings(deadline=None))
settings.load_profile("tests")

# How long a stream of the sandbox buffers. Tests wait for what it writes.
os.environ.setdefault("SANDBOX_BUFFER_SECONDS", "0.2")


def pytest_xdist_auto_num_workers() -> int:
    """Run one worker more than there are processors: tests of the sandbox wait for the engine about half the time."""
    return (os.cpu_count() or 1) + 1
