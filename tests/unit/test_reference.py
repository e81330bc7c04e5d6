"""The configuration reference documents every key."""

from __future__ import annotations

import re

import yaml

from docs.reference import PAGE, generated
from topology.settings import Settings


def test_the_reference_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert generated(page) == page, "run `make docs`"


def test_the_reference_has_every_key_of_every_section() -> None:
    keys = set(re.findall(r"^\| `(\w+)` \|", generated(PAGE.read_text(encoding="utf-8")), re.MULTILINE))
    assert keys >= {"archive", "senders", "organization", "logGroups", "filterPattern", "retain", "filterRoles"}


def test_the_project_file_declares_every_key_of_a_stack() -> None:
    """An undeclared key works, but neither `pulumi config` nor the engine knows its type."""
    project = yaml.safe_load((PAGE.parents[1] / "Pulumi.yaml").read_text(encoding="utf-8"))
    declared = {key.partition(":")[2] for key in project["config"] if key.startswith("central-log-archive:")}
    assert declared == {field.alias for field in Settings.model_fields.values()}
