"""What ``tests/yours`` does with the project's stack files, done with those of made-up companies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.sandbox.rehearsal import rehearse
from tests.stacks import EXAMPLES_FOLDER, FOLDER
from topology.settings import SettingsError


@pytest.mark.parametrize(
    ("company", "stacks"),
    [
        ("environments", ["logs-central", "dev", "test", "staging", "prod-eu", "prod-us"]),
        ("existing", ["archive", "shop"]),
        ("one-graph", ["one-graph"]),
        ("organization", ["archive", "all"]),
        ("own-transform", ["everything"]),
        ("two-archives", ["eu", "gov", "gov-shop"]),
    ],
)
def test_the_stacks_of_a_company_preview_in_the_order_of_promotion_and_break_no_rule(
    company: str, stacks: list[str], tmp_path: Path
) -> None:
    assert rehearse(FOLDER / company, tmp_path) == stacks


def test_a_project_without_stack_files_has_nothing_to_rehearse(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.mine.yaml").write_text("encryptionsalt: v1:x\n", encoding="utf-8")
    assert rehearse(tmp_path, tmp_path / "sandbox") == []


def with_change(folder: Path, stack: str, old: str, new: str) -> Path:
    """The example stacks, one of which is changed."""
    shutil.copytree(EXAMPLES_FOLDER, folder)
    file = folder / f"Pulumi.{stack}.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    return folder


def test_a_stack_that_its_archive_does_not_serve_fails_the_rehearsal(tmp_path: Path) -> None:
    folder = with_change(tmp_path / "stacks", "app-dev", "us-east-1", "ap-south-1")
    with pytest.raises(AssertionError, match="region ap-south-1: the archive does not serve the region"):
        rehearse(folder, tmp_path / "sandbox")


def test_a_stack_that_follows_none_fails_the_rehearsal(tmp_path: Path) -> None:
    folder = with_change(tmp_path / "stacks", "app-prod", "promotedFrom: app-dev", "promotedFrom: app-test")
    with pytest.raises(SettingsError, match=r"Pulumi\.app-test\.yaml does not exist, the predecessor of app-prod"):
        rehearse(folder, tmp_path / "sandbox")
