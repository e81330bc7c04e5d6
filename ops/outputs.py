"""The outputs of a deployed archive."""

from __future__ import annotations

from pulumi import automation

from components.archive_outputs import ArchiveOutputs
from ops import ROOT
from ops.errors import OperatorError
from topology.settings import Settings


def archive_of(stack: str, settings: Settings) -> ArchiveOutputs:
    """Return the archive that a stack sends to: its own, or that of its ``archiveStack``.

    Raises:
        OperatorError: its outputs cannot be read, or there are none.
    """
    if settings.archive is None:
        stack = str(settings.archive_stack)
    try:
        outputs = automation.LocalWorkspace(work_dir=str(ROOT)).stack_outputs(stack)
    except automation.CommandError as error:
        raise OperatorError(f"the outputs of stack {stack} cannot be read: {error}") from None
    archive = ArchiveOutputs.of(stack, {name: output.value for name, output in outputs.items()})
    if archive is None:
        raise OperatorError(f"stack {stack} has no archive: deploy it first with pulumi up -s {stack}")
    return archive
