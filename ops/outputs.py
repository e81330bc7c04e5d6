"""What the outputs of the archive's stack say of the way that events go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulumi import automation

from topology.regions import PARTITIONS
from topology.settings import Settings

ROOT = Path(__file__).resolve().parents[1]


class OutputsError(Exception):
    """A stack has no outputs that are of use. The text says why."""


@dataclass(frozen=True)
class Archive:
    """The archive, as its stack built it.

    Attributes:
        stack: name of its stack.
        account: id of the central account.
        region: home region.
        stream: ARN of the stream.
        bucket: name of the bucket.
        layout: of the objects.
        destinations: region → ARN of the destination.
        organization: the organization that it admits, if any.
    """

    stack: str
    account: str
    region: str
    stream: str
    bucket: str
    layout: str
    destinations: Mapping[str, str]
    organization: str | None


def read(stack: str) -> dict[str, Any]:
    """Return the outputs of a stack.

    Raises:
        OutputsError: Pulumi cannot read them.
    """
    try:
        outputs = automation.LocalWorkspace(work_dir=str(ROOT)).stack_outputs(stack)
    except automation.CommandError as error:
        raise OutputsError(f"the outputs of stack {stack} cannot be read: {error}") from None
    return {name: output.value for name, output in outputs.items()}


def archive_of(stack: str, settings: Settings) -> Archive:
    """Return the archive that a stack sends to: its own, or that of the stack which it names.

    Raises:
        OutputsError: Pulumi cannot read its outputs, or it has none.
    """
    if settings.archive is None:
        stack = str(settings.archive_stack)
    outputs = read(stack)
    if "account" not in outputs:
        raise OutputsError(f"stack {stack} has no archive: bring it up first (pulumi up -s {stack})")
    account, region = outputs["account"], outputs["region"]
    return Archive(
        stack=stack,
        account=account,
        region=region,
        stream=f"arn:{PARTITIONS[region]}:firehose:{region}:{account}:deliverystream/{outputs['stream']}",
        bucket=outputs["bucket"],
        layout=outputs["layout"],
        destinations=outputs["destinations"],
        organization=outputs.get("admittedOrganization"),
    )
