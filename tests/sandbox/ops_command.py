"""``python -m ops`` on a sandbox, as operators and CI run it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from sandbox.server import ROOT
from tests.sandbox.stacks import Stacks


def ops(
    stacks: Stacks, *arguments: str, config: dict[str, Any] | None = None, status: int = 0, folder: Path = ROOT
) -> str:
    """Run a command, with a config if one is given; return its output, errors included if it has to fail."""
    given = [] if config is None else ["--config-file", str(stacks.write(config))]
    done = subprocess.run(
        [sys.executable, "-m", "ops", *arguments, *given],
        cwd=folder,
        env={**stacks.environment, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stdout + done.stderr


def coverage(stacks: Stacks, *arguments: str, config: dict[str, Any], status: int = 0) -> str:
    return ops(stacks, "coverage", "-s", "app-dev", *arguments, config=config, status=status)
