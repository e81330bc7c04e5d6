"""The demo with the stack files of made-up companies: it knows what has to arrive, and says what did."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sandbox.demo import Archived, DemoError, run
from sandbox.instance import Instance
from terminal.console import PlainConsole
from tests.stacks import FOLDER


def demo(folder: Path, home: Path) -> dict[str, Archived]:
    """Run the demo on a sandbox that goes away with it."""
    instance = Instance(home, detached=False)
    try:
        return run(instance, PlainConsole(stderr=True, width=200), folder)
    finally:
        instance.down()


def test_patterns_all_own_log_groups_and_filter_patterns_say_what_has_to_arrive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (received,) = demo(FOLDER / "environments", tmp_path).values()
    assert received.complete
    assert (received.unknown, received.failed) == (0, 0)
    of_accounts = {
        account: {group for each, _, group in received.sent if each == account} for account, *_ in received.sent
    }
    assert of_accounts == {
        "701000000001": {"aws-waf-logs-sso", "/security/vault"},
        "701000000002": {"aws-waf-logs-dev", "/aws/sandbox", "/aws/a"},
        "701000000003": {"aws-waf-logs-test", "/sandbox/sandbox-1", "/sandbox/sandbox-2"},
        "701000000004": {"/app/sandbox-1", "/app/sandbox-2", "/named"},
        "701000000005": {"/app/sandbox-1", "/app/sandbox-2", "/ecs/sandbox-1", "/ecs/sandbox-2", "sandbox-1-audit",
                         "sandbox-2-audit"},
        "701000000006": {"/payments/audit"},
    }  # fmt: skip
    assert received.arrived["701000000003", "eu-west-3", "aws-waf-logs-test"] == 200
    assert 0 < received.arrived["701000000001", "eu-central-1", "/security/vault"] < 40  # errors only
    assert received.blocked
    said = capsys.readouterr().err
    assert "Pulumi.scratch.yaml is skipped" in said
    order = ("logs-central", "dev", "test", "staging", "prod-eu", "prod-us")
    assert f"Stack files: {', '.join(f'Pulumi.{stack}.yaml' for stack in order)}\n" in said


def test_the_lines_of_the_bundled_transform_are_counted_in_their_partitions_and_queried_by_the_view(
    tmp_path: Path,
) -> None:
    (received,) = demo(FOLDER / "organization", tmp_path).values()
    assert received.complete
    assert sum(received.arrived.values()) == 600
    assert received.blocked  # by the view: without analysis, the query is for records


def test_what_is_said_to_exist_is_there_and_a_function_has_a_stand_in(tmp_path: Path) -> None:
    (received,) = demo(FOLDER / "existing", tmp_path).values()
    assert received.complete
    assert sum(received.arrived.values()) == 240


def test_what_a_transform_of_the_operators_own_leaves_is_counted_and_not_compared(tmp_path: Path) -> None:
    (received,) = demo(FOLDER / "own-transform", tmp_path).values()
    assert received.own_transform == "tests/stacks/own-transform/redact"
    assert (received.arrived, received.unknown, received.failed) == ({}, sum(received.sent.values()), 0)
    assert received.complete


def test_a_transform_that_fails_leaves_the_demo_incomplete(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "own-transform/Pulumi.everything.yaml", tmp_path)
    file = tmp_path / "Pulumi.everything.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("main.handler", "main.missing"), encoding="utf-8")
    (received,) = demo(tmp_path, tmp_path / "sandbox").values()
    assert received.failed > 0
    assert not received.complete


def test_each_of_two_archives_receives_the_events_of_its_own_accounts(tmp_path: Path) -> None:
    received = demo(FOLDER / "two-archives", tmp_path)
    assert {stack: {account for account, *_ in each.sent} for stack, each in received.items()} == {
        "eu": {"705000000002"}, "gov": {"705000000004"},
    }  # fmt: skip
    assert all(each.complete for each in received.values())
    assert received["eu"].blocked
    assert received["gov"].blocked == []  # Snappy, as Firehose writes it, is nothing that the sandbox's Athena reads


def test_a_project_without_an_archive_is_told_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.mine.yaml").write_text("encryptionsalt: v1:x\n", encoding="utf-8")
    with pytest.raises(DemoError, match=r"no stack file in .* has an archive section; write one as docs/starting\.md"):
        demo(tmp_path, tmp_path / "sandbox")
