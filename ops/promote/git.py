"""Runs git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ops.errors import OperatorError


def git(root: Path, *arguments: str) -> str:
    """Return what a git command prints.

    Raises:
        OperatorError: it fails.
    """
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OperatorError(f"git {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done.stdout.rstrip()
