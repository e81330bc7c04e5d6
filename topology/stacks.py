"""The stacks of a project: which files describe them, and the order of promotion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from topology import stack_file
from topology.settings import Settings, SettingsError, listed


def files_in(folder: Path) -> list[Path]:
    """Return the stack files of a project."""
    return sorted(folder.glob("Pulumi.*.yaml"))


def read(files: Iterable[Path], on_skip: Callable[[str], object] = lambda _: None) -> dict[str, Settings]:
    """Return stack → settings. A file without keys of this program is skipped.

    Args:
        files: the stack files.
        on_skip: called with a message for each file that is skipped.

    Raises:
        SettingsError: the program would reject one of them.
    """
    stacks = {}
    for file in files:
        if stack_file.configures_program(file):
            stacks[stack_file.stack_of(file)] = stack_file.read(file)
        else:
            on_skip(f"{file.name} is skipped: it has no key that begins with {stack_file.NAMESPACE}")
    return stacks


def archive_stack_of(stack: str, settings: Settings) -> str:
    """Return the stack whose archive a stack sends to, which may be itself."""
    return stack if settings.archive_stack is None else settings.archive_stack.rsplit("/", maxsplit=1)[-1]


def predecessor(settings: Settings) -> str | None:
    """Return the stack that is promoted before a stack; None for the first."""
    named = settings.promoted_from or settings.archive_stack
    return named and named.rsplit("/", maxsplit=1)[-1]


def chain(target: str, stacks: Mapping[str, Settings]) -> list[str]:
    """Return the stacks of a promotion, from the first to the target.

    Raises:
        SettingsError: one of them has no stack file, or is its own predecessor.
    """
    found: list[str] = []
    stack: str | None = target
    while stack is not None:
        if stack not in stacks:
            reference = f", the predecessor of {found[-1]} (promotedFrom or archiveStack)" if found else ""
            raise SettingsError(
                f"{stack_file.file_name(stack)} does not exist{reference}; stacks: {listed(sorted(stacks))}"
            )
        if stack in found:
            raise SettingsError(f"{' → '.join([stack, *reversed(found)])}: promotedFrom is circular")
        found.append(stack)
        stack = predecessor(stacks[stack])
    return found[::-1]


def promotion_order(stacks: Mapping[str, Settings]) -> list[str]:
    """Return all stacks, each after its predecessors.

    Raises:
        SettingsError: a predecessor has no stack file, or is its own predecessor.
    """
    return list(dict.fromkeys(each for stack in sorted(stacks) for each in chain(stack, stacks)))
