"""What the outputs of stacks say: what another stack's archive serves, and what the stream of this one was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from topology.layouts import LAYOUTS
from topology.settings import Archive, Settings, unserved


@dataclass(frozen=True)
class Served:
    """What an archive offers to a stack of applications, for every region that they use.

    Attributes:
        destinations: region → ARN of the destination.
        topics: region → ARN of the topic that alarms of the region tell; None where the stack wants no alarms.
    """

    destinations: Mapping[str, pulumi.Output[str]]
    topics: Mapping[str, pulumi.Output[str]] | None


def served(archive_stack: str, settings: Settings) -> Served:
    """Return what the archive of another stack offers.

    Args:
        archive_stack: a stack of this organization and project, or ``organization/project/stack``.
        settings: the accounts and regions that the archive has to serve, what their filters carry, and their alarms.

    Raises:
        pulumi.RunError: (when the outputs are resolved, at preview too) the archive does not serve all of them.
    """
    archive = pulumi.StackReference(_full_name(archive_stack))
    outputs = pulumi.Output.all(
        destinations=archive.get_output("destinations"),
        topics=archive.get_output("topics"),
        accounts=archive.get_output("admittedAccounts"),
        organization=archive.get_output("admittedOrganization"),
    ).apply(lambda outputs: _checked(outputs, archive_stack, settings))
    regions = sorted({region for application in settings.applications for region in application.regions})

    def by_region(output: str) -> dict[str, pulumi.Output[str]]:
        return {region: outputs[output][region] for region in regions}

    return Served(by_region("destinations"), by_region("topics") if settings.alarms else None)


def announce_replacement(archive: Archive, *, retain: bool) -> None:
    """Say in words, at preview, that a change takes a new stream.

    AWS partitions a stream from its making on, or never (Firehose Developer Guide, "Dynamic partitioning"), and never
    ends its backup of the originals (API operation UpdateDestination).

    Args:
        archive: what the stack file wants. What was before is in the outputs of this stack.
        retain: whether a stream that is replaced is kept.

    Raises:
        pulumi.RunError: (when the outputs are resolved) the new stream would have the name of the old one.
    """

    def announce(outputs: Mapping[str, Any]) -> None:
        before, layout = outputs.get("layout"), archive.delivery.layout
        changes = []
        if before is not None and bool(LAYOUTS[before].partitioned_by) != bool(LAYOUTS[layout].partitioned_by):
            changes.append(f"The layout changes from {before} to {layout}")
        if outputs.get("originals") and not archive.keeps_originals:
            changes.append("The backup of the originals ends")
        old = (
            "leaves the old one in the account, to write what it has gathered: delete it by hand once its buffer time "
            "is over"
            if retain
            else "deletes the old one with what it has gathered and not written"
        )
        if changes and archive.stream_name is not None and archive.stream_name == outputs.get("stream"):
            raise pulumi.RunError(
                f"{changes[0]}, which AWS does only by a new stream, and there is one named {archive.stream_name}; "
                "remove archive.streamName, so that the new one gets a name of its own"
            )
        for change in changes:
            pulumi.warn(
                f"{change}, which AWS does only by a new stream. Pulumi makes it, turns every destination to it, and "
                f"{old}. Objects that are in the bucket stay where they are."
            )

    if not pulumi.runtime.is_dry_run():
        return  # it is too late to say so, and an update writes the state while this would read it
    # Not as a StackReference: that would keep this stack's outputs in its own state, and be drift after every change.
    read = pulumi.runtime.invoke_output("pulumi:pulumi:readStackOutputs", {"name": _full_name(pulumi.get_stack())})
    read.apply(lambda own: announce(own["outputs"]))


def _full_name(stack: str) -> str:
    return stack if "/" in stack else f"{pulumi.get_organization()}/{pulumi.get_project()}/{stack}"


def _checked(outputs: dict[str, Any], archive_stack: str, settings: Settings) -> dict[str, dict[str, str]]:
    by_region: dict[str, str] | None = outputs["destinations"]
    topics: dict[str, str] = outputs["topics"] or {}
    if by_region is None:
        raise pulumi.RunError(
            f"stack {archive_stack} has no destinations: bring it up first (pulumi up -s {archive_stack}), or name the "
            "stack that builds the archive as archiveStack"
        )
    file = f"Pulumi.{archive_stack.rsplit('/', maxsplit=1)[-1]}.yaml"
    organization = outputs["organization"]
    problems = unserved(
        settings.applications, regions=by_region, accounts=outputs["accounts"], organization=organization, file=file
    )
    if organization is not None and not settings.filters_have_roles:
        problems.append(
            f"filterRoles: the archive admits the organization {organization}, and then AWS demands a role for each "
            f"subscription filter; set filterRoles: true in Pulumi.{pulumi.get_stack()}.yaml"
        )
    if settings.alarms and not topics:
        problems.append(
            f"alarms: the archive has no topics that alarms could tell; set archive.alarms in {file}, or remove alarms"
        )
    if problems:
        raise pulumi.RunError("\n  ".join([f"stack {archive_stack} does not serve this stack:", *problems]))
    return {"destinations": by_region, "topics": topics}
