"""The policy pack in the engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from policy.rules import RULES
from sandbox.server import ROOT
from tests.sandbox.checkout import copy_project
from tests.sandbox.stacks import EXAMPLES, Stacks
from tests.stacks import config_of

PACK = str(ROOT / "policy")


def test_the_example_stacks_violate_no_rule_in_previews_and_updates(stacks: Stacks) -> None:
    for stack in EXAMPLES:
        previewed = stacks.pulumi("preview", "-s", stack, "--policy-pack", PACK)
        updated = stacks.pulumi("up", "--yes", "--skip-preview", "-s", stack, "--policy-pack", PACK)
        for printed in (previewed, updated):
            assert "✅ central-log-archive@" in printed
            assert "can't run policy" not in printed


def test_an_update_creates_nothing_that_was_unknown_in_its_preview_and_violates_a_rule(
    stacks: Stacks, tmp_path: Path
) -> None:
    document = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}'
    named = "role=role.name,\n        policy="
    hidden = (f"{named}policy,", f"{named}role.arn.apply(lambda _: {document!r}),")
    printed = _changed(stacks, tmp_path / "project", "up --yes --skip-preview", "archive", *hidden)
    assert "[mandatory]  no-wildcards" in printed
    assert re.search(r"archive-\w+-policy: allows s3:\*", printed)
    iam = stacks.client("iam", account="111111111111")
    roles = [role["RoleName"] for role in iam.list_roles()["Roles"] if "central-log" not in role["RoleName"]]
    policies = [
        iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for role in roles
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    ]
    assert roles
    assert "s3:*" not in str(policies)


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("owner-tags", ('"managed-by": "central-log-archive"', '"someone": "else"')),
        ("encrypted-streams", ("enabled=True,\n            key_type", "enabled=False,\n            key_type")),
    ],
)
def test_a_preview_that_violates_a_rule_fails_with_its_name(
    stacks: Stacks, tmp_path: Path, rule: str, change: tuple[str, str]
) -> None:
    assert rule in {each.name for each in RULES}
    printed = _changed(stacks, tmp_path / "project", "preview", "archive", *change)
    assert f"[mandatory]  {rule}" in printed


def _changed(stacks: Stacks, folder: Path, command: str, stack: str, before: str, after: str) -> str:
    """Run a command on a stack like the archive, with a change of the program, which has to fail."""
    copy_project(folder)
    found = False
    for file in (folder / "components").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        found |= before in text
        file.write_text(text.replace(before, after), encoding="utf-8")
    assert found
    file = stacks.write(config_of("archive"))
    return stacks.pulumi(
        "-C", str(folder), *command.split(), "-s", stack, "--config-file", str(file), "--policy-pack", PACK, ok=False
    )
