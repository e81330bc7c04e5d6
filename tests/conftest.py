"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes says nothing on a busy machine. In CI, the examples are the same in every run.
settings.register_profile("tests", settings(deadline=None))
settings.load_profile("tests")
