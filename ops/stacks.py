"""Which stacks there are, which follows which, and which of them a change touches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from topology import stack_file
from topology.settings import Settings

_BESIDE = (".ci/", ".github/", "benchmarks/", "bootstrap/", "docs/", "ops/", "sandbox/", "tests/")
_BESIDE_FILES = (
    ".gitignore", ".yamllint.yaml", "LICENSE", "Makefile", "README.md", "pyproject.toml", "requirements-dev.txt",
)  # fmt: skip
"""What no stack is made from. Everything else may be: a folder of the operator can hold the code of a transform."""


class StacksError(Exception):
    """The stacks do not follow one another as they should. The text says where."""


def read(root: Path) -> dict[str, Settings]:
    """Return stack → settings, for every stack file of a project.

    Raises:
        SettingsError: a stack file cannot be used.
    """
    return {stack_file.stack_of(file): stack_file.read(file) for file in sorted(root.glob("Pulumi.*.yaml"))}


def before(settings: Settings) -> str | None:
    """Return the stack that comes before a stack in a promotion, or None for the first."""
    named = settings.promoted_from or settings.archive_stack
    return named and named.rsplit("/", maxsplit=1)[-1]


def chain(target: str, stacks: Mapping[str, Settings]) -> list[str]:
    """Return the stacks of a promotion, from the first to the target.

    Raises:
        StacksError: one of them has no file, or follows itself.
    """
    found: list[str] = []
    stack: str | None = target
    while stack is not None:
        if stack not in stacks:
            after = f", which {found[-1]} follows (promotedFrom, or else archiveStack)" if found else ""
            raise StacksError(f"there is no Pulumi.{stack}.yaml{after}; there are {', '.join(sorted(stacks))}")
        if stack in found:
            raise StacksError(f"{' → '.join([stack, *reversed(found)])}: promotedFrom goes in a circle")
        found.append(stack)
        stack = before(stacks[stack])
    return found[::-1]


def ordered(stacks: Mapping[str, Settings]) -> list[str]:
    """Return all stacks, each after those that it follows.

    Raises:
        StacksError: one of them follows a stack that has no file, or itself.
    """
    return list(dict.fromkeys(each for stack in sorted(stacks) for each in chain(stack, stacks)))


def touched(paths: Iterable[str], stacks: Iterable[str]) -> list[str]:
    """Return the stacks that a change of some files of the project may change: one by its own file, all by code."""
    stacks = sorted(stacks)
    paths = [path for path in paths if not path.startswith(_BESIDE) and path not in _BESIDE_FILES]
    own = {f"Pulumi.{stack}.yaml": stack for stack in stacks}
    if any(path not in own for path in paths):
        return stacks
    return sorted({own[path] for path in paths})
