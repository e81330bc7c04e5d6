"""The configuration reference says what the settings are."""

from __future__ import annotations

import re

from docs.reference import PAGE, written


def test_the_reference_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert written(page) == page, "run `make docs`"


def test_the_reference_has_every_key_of_every_section() -> None:
    keys = set(re.findall(r"^\| `(\w+)` \|", written(PAGE.read_text(encoding="utf-8")), re.MULTILINE))
    assert keys >= {"archive", "senders", "organization", "logGroups", "filterPattern", "retain", "filterRoles"}
