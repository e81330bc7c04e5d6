"""Which messages a filter pattern of the sandbox selects."""

from __future__ import annotations

import pytest

from sandbox.cloud.filter_pattern import PatternError, matcher

BLOCK = '{"action": "BLOCK", "count": 3, "ok": true, "none": null, "rules": [{"id": "geo-ru"}]}'


@pytest.mark.parametrize(
    ("pattern", "message", "expected"),
    [
        ("", "anything", True),
        ("ERROR", "an ERROR here", True),
        ("ERROR", "an error here", False),
        ("ERROR timeout", "ERROR: timeout", True),
        ("ERROR timeout", "ERROR: denied", False),
        ('"no route"', "there is no route", True),
        ('"no route"', "route no", False),
        ("ERROR -retry", "ERROR, will retry", False),
        ("?ERROR ?WARN", "WARN: slow", True),
        ("?ERROR ?WARN", "INFO: fine", False),
        ('{ $.action = "BLOCK" }', BLOCK, True),
        ('{ $.action != "BLOCK" }', BLOCK, False),
        ('{ $.action = "BLO*" }', BLOCK, True),
        ("{ $.action = BLOCK }", BLOCK, True),
        ('{ $.rules[0].id = "geo-*" && $.count >= 3 }', BLOCK, True),
        ('{ $.rules[1].id = "geo-*" }', BLOCK, False),
        ('{ $.count > 3 || $.action = "BLOCK" }', BLOCK, True),
        ('{ ($.count > 3 || $.count = 3) && $.action = "ALLOW" }', BLOCK, False),
        ("{ $.ok IS TRUE }", BLOCK, True),
        ("{ $.none IS NULL }", BLOCK, True),
        ("{ $.gone NOT EXISTS }", BLOCK, True),
        ('{ $.gone != "x" }', BLOCK, False),
        ('{ $.action = "BLOCK" }', "no JSON", False),
    ],
)
def test_a_pattern_selects(*, pattern: str, message: str, expected: bool) -> None:
    assert matcher(pattern)(message) is expected


@pytest.mark.parametrize(
    "pattern",
    ["{ $.a = 1", "{ $.a }", "{ a = 1 }", "{ $.a = 1 && }", "{ ($.a = 1 }", "{ $.a < b }", "[a, b]", "%x%", "a=b",
     "{ $.a IS 1 }", "{ $.a NOT 1 }", "{ $.a = 1 $.b = 1 }"],
)  # fmt: skip
def test_an_invalid_or_unsupported_pattern_is_rejected(pattern: str) -> None:
    with pytest.raises(PatternError):
        matcher(pattern)
