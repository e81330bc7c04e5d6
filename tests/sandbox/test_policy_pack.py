"""The policy pack in the engine. The sandbox's language host cannot run one, so the engine uses an older mechanism."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from policy.rules import RULES
from sandbox.server import ROOT
from tests.sandbox.checkout import copy_project
from tests.sandbox.stacks import EXAMPLES, Stacks
from tests.stacks import config_of

_LAUNCHER = '#!/bin/sh\nexec python -u -m pulumi.policy "$1" "$2"\n'


@pytest.fixture(scope="module")
def pack(stacks: Stacks, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a folder with the pack's program, with a runtime for which the engine runs an executable of that name."""
    folder: Path = tmp_path_factory.mktemp("pack")
    (folder / "PulumiPolicy.yaml").write_text("runtime: sandbox\n", encoding="utf-8")
    (folder / "__main__.py").symlink_to(ROOT / "policy" / "__main__.py")
    launcher = folder / "bin" / "pulumi-analyzer-policy-sandbox"
    launcher.parent.mkdir()
    launcher.write_text(_LAUNCHER, encoding="utf-8")
    launcher.chmod(0o755)
    stacks.environment["PATH"] = os.pathsep.join([str(launcher.parent), stacks.environment["PATH"]])
    return str(folder)


def test_the_example_stacks_violate_no_rule_in_previews_and_updates(stacks: Stacks, pack: str) -> None:
    for stack in EXAMPLES:
        previewed = stacks.pulumi("preview", "-s", stack, "--policy-pack", pack)
        updated = stacks.pulumi("up", "--yes", "--skip-preview", "-s", stack, "--policy-pack", pack)
        for printed in (previewed, updated):
            assert "✅ central-log-archive@" in printed
            assert "can't run policy" not in printed


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("owner-tags", ('"managed-by": "central-log-archive"', '"someone": "else"')),
        ("encrypted-streams", ("enabled=True,\n            key_type", "enabled=False,\n            key_type")),
    ],
)
def test_a_preview_that_violates_a_rule_fails_with_its_name(
    stacks: Stacks, pack: str, tmp_path: Path, rule: str, change: tuple[str, str]
) -> None:
    assert rule in {each.name for each in RULES}
    changed = tmp_path / "project"
    copy_project(changed)
    found = False
    for file in (changed / "components").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        found |= change[0] in text
        file.write_text(text.replace(*change), encoding="utf-8")
    assert found
    printed = _preview(stacks, changed, pack, config_of("archive"))
    assert f"[mandatory]  {rule}" in printed


def _preview(stacks: Stacks, folder: Path, pack: str, config: dict[str, Any]) -> str:
    """Preview the archive with the program of another folder, which has to fail."""
    file = stacks.write(config)
    return stacks.pulumi(
        "-C", str(folder), "preview", "-s", "archive", "--config-file", str(file), "--policy-pack", pack, ok=False
    )
