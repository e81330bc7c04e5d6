"""What the unit tests of commands have in common: AWS and Pulumi at the edge."""

from __future__ import annotations

from pathlib import Path

import pytest
from pulumi import automation

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
    monkeypatch.setattr(automation, "LocalWorkspace", made.workspace)
    monkeypatch.setattr(automation, "select_stack", made.select_stack)
    return made
