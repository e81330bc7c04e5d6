"""The stacks of the project, their order of promotion, and which of them a change affects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ops.errors import OperatorError
from ops.promote.git import git
from topology import stack_file
from topology.settings import Settings

_OTHER_FOLDERS = (".ci/", ".github/", "benchmarks/", "bootstrap/", "docs/", "ops/", "sandbox/", "terminal/", "tests/")
_OTHER_FILES = (
    ".gitignore", ".yamllint.yaml", "LICENSE", "Makefile", "README.md", "pyproject.toml", "requirements-dev.txt",
)  # fmt: skip
"""What the program does not use. It may use everything else: a folder of your own can hold the code of a transform."""


def read_stacks(root: Path) -> dict[str, Settings]:
    """Return stack → settings, for every stack file of a project.

    Raises:
        SettingsError: a stack file is not valid.
    """
    return {stack_file.stack_of(file): stack_file.read(file) for file in sorted(root.glob("Pulumi.*.yaml"))}


def predecessor(settings: Settings) -> str | None:
    """Return the stack that is promoted before a stack; None for the first."""
    named = settings.promoted_from or settings.archive_stack
    return named and named.rsplit("/", maxsplit=1)[-1]


def chain(target: str, stacks: Mapping[str, Settings]) -> list[str]:
    """Return the stacks of a promotion, from the first to the target.

    Raises:
        OperatorError: one of them has no stack file, or is its own predecessor.
    """
    found: list[str] = []
    stack: str | None = target
    while stack is not None:
        if stack not in stacks:
            reference = f", the predecessor of {found[-1]} (promotedFrom or archiveStack)" if found else ""
            raise OperatorError(f"Pulumi.{stack}.yaml does not exist{reference}; stacks: {', '.join(sorted(stacks))}")
        if stack in found:
            raise OperatorError(f"{' → '.join([stack, *reversed(found)])}: promotedFrom is circular")
        found.append(stack)
        stack = predecessor(stacks[stack])
    return found[::-1]


def promotion_order(stacks: Mapping[str, Settings]) -> list[str]:
    """Return all stacks, each after its predecessors.

    Raises:
        OperatorError: a predecessor has no stack file, or is its own predecessor.
    """
    return list(dict.fromkeys(each for stack in sorted(stacks) for each in chain(stack, stacks)))


def changed_files(root: Path, since: str) -> list[str]:
    """Return the files that changed on the way from a commit or branch to HEAD.

    Raises:
        OperatorError: git does not know the commit.
    """
    return git(root, "diff", "--name-only", f"{since}...HEAD").splitlines()


def affected(paths: Iterable[str], stacks: Iterable[str]) -> list[str]:
    """Return the stacks that a change of files may affect: its own file affects one stack, code affects all."""
    stacks = sorted(stacks)
    paths = [path for path in paths if not path.startswith(_OTHER_FOLDERS) and path not in _OTHER_FILES]
    own = {f"Pulumi.{stack}.yaml": stack for stack in stacks}
    if any(path not in own for path in paths):
        return stacks
    return sorted({own[path] for path in paths})
