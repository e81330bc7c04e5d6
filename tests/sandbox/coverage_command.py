"""``python -m ops coverage`` on a sandbox, as people and CI run it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from sandbox.server import ROOT
from tests.sandbox.stacks import Stacks


def coverage(stacks: Stacks, *arguments: str, config: dict[str, Any], status: int = 0) -> str:
    """Run it on a stack of a config, and return what it printed; errors too where it has to fail."""
    file = stacks.write(config)
    done = subprocess.run(
        [sys.executable, "-m", "ops", "coverage", "-s", "app-dev", "--config-file", str(file), *arguments],
        cwd=ROOT,
        env={**os.environ, **stacks.instance.environment(), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stdout + done.stderr
