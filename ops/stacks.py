"""Which stacks a change touches."""

from __future__ import annotations

from collections.abc import Iterable

_BESIDE = (".ci/", ".github/", "benchmarks/", "bootstrap/", "docs/", "ops/", "sandbox/", "tests/")
_BESIDE_FILES = (
    ".gitattributes", ".gitignore", ".yamllint.yaml", "LICENSE", "Makefile", "README.md", "pyproject.toml",
    "requirements-dev.txt",
)  # fmt: skip
"""What no stack is made from. Everything else may be: a folder of the operator can hold the code of a transform."""


class StacksError(Exception):
    """What a change touches is not known. The text says why."""


def touched(paths: Iterable[str], stacks: Iterable[str]) -> list[str]:
    """Return the stacks that a change of some files of the project may change: one by its own file, all by code."""
    stacks = sorted(stacks)
    paths = [path for path in paths if not path.startswith(_BESIDE) and path not in _BESIDE_FILES]
    own = {f"Pulumi.{stack}.yaml": stack for stack in stacks}
    if any(path not in own for path in paths):
        return stacks
    return sorted({own[path] for path in paths})
