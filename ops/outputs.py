"""The delivery path of events, as the outputs of the archive's stack describe it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulumi import automation

from ops import ROOT
from ops.errors import OperatorError
from topology.regions import PARTITIONS
from topology.settings import Settings


@dataclass(frozen=True)
class Archive:
    """The archive that a stack deployed.

    Attributes:
        stack: name of its stack.
        account: ID of the central account.
        region: home region.
        stream: ARN of the stream.
        bucket: name of the bucket.
        layout: layout of the objects.
        destinations: region → ARN of the destination.
        organization: ID of the admitted organization, if any.
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
        OperatorError: Pulumi cannot read them.
    """
    try:
        outputs = automation.LocalWorkspace(work_dir=str(ROOT)).stack_outputs(stack)
    except automation.CommandError as error:
        raise OperatorError(f"the outputs of stack {stack} cannot be read: {error}") from None
    return {name: output.value for name, output in outputs.items()}


def archive_of(stack: str, settings: Settings) -> Archive:
    """Return the archive that a stack sends to: its own, or that of its ``archiveStack``.

    Raises:
        OperatorError: its outputs cannot be read, or there are none.
    """
    if settings.archive is None:
        stack = str(settings.archive_stack)
    outputs = read(stack)
    if "account" not in outputs:
        raise OperatorError(f"stack {stack} has no archive: deploy it first with pulumi up -s {stack}")
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
