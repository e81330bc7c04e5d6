"""Which stacks a change affects."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ops.promote.git import git
from topology.stack_file import file_name

_OTHER_FOLDERS = ("benchmarks/", "bootstrap/", "docs/", "ops/", "sandbox/", "terminal/", "tests/")
_OTHER_FILES = ("LICENSE", "Makefile", "pyproject.toml", "requirements-dev.txt")


def changed_files(root: Path, since: str) -> list[str]:
    """Return the files that changed on the way from a commit or branch to HEAD.

    Raises:
        OperatorError: git does not know the commit.
    """
    return git(root, "diff", "--name-only", f"{since}...HEAD").splitlines()


def affected(paths: Iterable[str], stacks: Iterable[str]) -> list[str]:
    """Return the stacks that a change of files may affect: its own file affects one stack, code affects all."""
    stacks = sorted(stacks)
    paths = [path for path in paths if not _is_other(path)]
    own = {file_name(stack): stack for stack in stacks}
    if any(path not in own for path in paths):
        return stacks
    return sorted({own[path] for path in paths})


def _is_other(path: str) -> bool:
    """Whether no stack uses a file. It may use all others: a folder of your own can hold the code of a transform."""
    is_page = path.endswith(".md") and "/" not in path
    return path.startswith((".", *_OTHER_FOLDERS)) or path in _OTHER_FILES or is_page
