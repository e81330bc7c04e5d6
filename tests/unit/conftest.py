"""What the unit tests of commands have in common: AWS and Pulumi at the edge, and the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pulumi import automation
from typer.testing import CliRunner, Result

from ops.cli.app import app
from terminal.console import stderr, stdout
from tests.unit.command_line import Ops
from tests.unit.fakes import Aws, Pulumi


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    """What every assumed role calls."""
    made = Aws()
    monkeypatch.setattr("accounts.session._session", made)
    return made


@pytest.fixture
def pulumi(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pulumi:
    """What commands call of Pulumi, for a project in ``tmp_path``."""
    made = Pulumi(str(tmp_path))
    monkeypatch.setattr("ops.outputs.ROOT", tmp_path)
    monkeypatch.setattr(automation, "LocalWorkspace", made.workspace)
    monkeypatch.setattr(automation, "select_stack", made.select_stack)
    return made


@pytest.fixture
def ops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ops:
    """The commands, for a project in ``tmp_path`` and on a wide terminal."""
    for module in ("adopt", "common", "promote", "stacks"):
        monkeypatch.setattr(f"ops.cli.{module}.ROOT", tmp_path)
    for console in (stdout, stderr):
        monkeypatch.setattr(console, "_width", 300)

    def run(*arguments: str, answer: str | None = None, status: int = 0) -> Result:
        done = CliRunner().invoke(app, arguments, input=answer)
        assert done.exit_code == status, done.output
        return done

    return run
