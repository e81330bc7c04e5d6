"""What the commands of ``python -m ops`` have in common: help, messages and exit statuses."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
import yaml
from botocore.exceptions import ClientError
from pulumi.automation import CommandError, CommandResult
from typer.testing import CliRunner

from accounts.parallel import in_parallel
from ops.cli.app import app
from ops.cli.common import error_messages
from ops.coverage import Line
from ops.errors import OperatorError
from terminal.console import stdout
from topology.settings import SettingsError

PANELS = {
    "Change": ["stacks", "promote"],
    "Review": ["report", "gate"],
    "Prove": ["verify", "coverage", "integrity"],
    "Look": ["look", "ask", "redrive"],
    "Adopt": ["adopt", "retire"],
}


def test_help_groups_the_commands_by_what_they_are_about() -> None:
    panels: dict[str, list[str]] = {}
    for command in app.registered_commands:
        assert command.callback is not None
        panels.setdefault(str(command.rich_help_panel), []).append(command.callback.__name__)
    assert panels == PANELS
    assert CliRunner().invoke(app, ["--help"]).exit_code == 0


@pytest.mark.parametrize("width", [40, 80])
def test_coverage_cuts_neither_an_account_nor_a_log_group_and_prints_both_literally(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "Pulumi.wide.yaml"
    applications = [{"account": "222222222222", "regions": {"ap-southeast-2": {"logGroups": ["/app"]}}}]
    config = {"archiveStack": "archive", "applications": applications}
    keys = {f"central-log-archive:{key}": value for key, value in config.items()}
    file.write_text(yaml.safe_dump({"config": keys}), encoding="utf-8")
    name, number = "/[red]/:key:/\x1b/", "0123456789" * 19
    line = Line("222222222222", "ap-southeast-2", name + number, "missed", None, "no entry matches it")
    monkeypatch.setattr("ops.cli.coverage.survey", lambda *_: [line])
    monkeypatch.setattr(stdout, "_width", width)
    done = CliRunner().invoke(app, ["coverage", "-s", "wide", "--config-file", str(file)])
    assert done.exit_code == 0
    assert "222222222222, ap-southeast-2" in done.stdout
    assert r"/[red]/:key:/\x1b/" in done.stdout
    assert number in re.sub(r"\D", "", done.stdout)


def fail(error: Exception) -> Callable[[], None]:
    @error_messages()
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OperatorError("no [red]\x1b", status=1), 1),
        (OperatorError("no [red]\x1b"), 2),
        (SettingsError("no [red]\x1b"), 2),
        (ClientError({"Error": {"Code": "no [red]\x1b"}}, "GetRole"), 2),
        (CommandError(CommandResult("", "no [red]\x1b", 255)), 2),
    ],
)
def test_what_an_operator_can_fix_is_a_message_and_an_exit_status(
    error: Exception, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as stopped:
        fail(error)()
    assert stopped.value.exit_code == status
    assert r"no [red]\x1b" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyError("a bug")])
def test_a_bug_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error), match="a bug"):
        fail(error)()


def test_results_are_in_the_order_of_the_items_and_progress_counts_them() -> None:
    progress: list[tuple[int, int]] = []
    numbers = range(20)
    assert in_parallel(lambda number: -number, numbers, lambda *state: progress.append(state)) == [-n for n in numbers]
    assert progress == [(done, 20) for done in range(21)]


def test_an_error_cancels_what_has_not_started() -> None:
    started: list[int] = []

    def read(number: int) -> None:
        started.append(number)
        if number == 0:
            raise OperatorError("denied")
        time.sleep(0.01)

    with pytest.raises(OperatorError, match="denied"):
        in_parallel(read, range(5000))
    assert len(started) < 5000
