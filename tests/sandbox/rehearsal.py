"""Rehearses a project's stack files on a sandbox, whatever accounts, regions and stacks they describe."""

from __future__ import annotations

from pathlib import Path

from sandbox.instance import Instance
from tests.sandbox.ops_command import ops
from tests.sandbox.stacks import Stacks
from topology.stacks import archive_stack_of, files_in, promotion_order, read


def rehearse(folder: Path, home: Path) -> list[str]:
    """Return the stacks of a folder in the order of promotion, each of which loads, previews and breaks no rule.

    Args:
        folder: where the stack files are.
        home: a new folder for the sandbox. Its cloud goes away again.
    """
    settings = read(files_in(folder))
    order = promotion_order(settings)
    referenced = {archive_stack_of(stack, each) for stack, each in settings.items() if each.archive is None}
    instance = Instance(home, detached=False)
    try:
        stacks = Stacks(instance, folder)
        for stack in order:
            file = home / f"{stack}.json"
            file.write_text(stacks.pulumi("preview", "--json", "--show-sames", "-s", stack), encoding="utf-8")
            assert ops(stacks, "gate", str(file)) == f"{stack}: may be applied\n"
            if stack in referenced:
                stacks.up(stack)
    finally:
        instance.down()
    return order
