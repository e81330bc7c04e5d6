"""What the outputs of stacks say: the destinations of another stack's archive, and the layout of this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from components.layouts import LAYOUTS
from components.settings import Archive, Settings, unserved


def destinations(archive_stack: str, settings: Settings) -> dict[str, pulumi.Output[str]]:
    """Return region → ARN of the destination, for every region that the applications use.

    Args:
        archive_stack: a stack of this organization and project, or ``organization/project/stack``.
        settings: the accounts and regions that the archive has to serve, and what their filters carry.

    Raises:
        pulumi.RunError: (when the outputs are resolved, at preview too) the archive does not serve all of them.
    """
    archive = pulumi.StackReference(_full_name(archive_stack))
    served = pulumi.Output.all(
        destinations=archive.get_output("destinations"),
        accounts=archive.get_output("admittedAccounts"),
        organization=archive.get_output("admittedOrganization"),
    ).apply(lambda outputs: _checked(outputs, archive_stack, settings))
    regions = {region for application in settings.applications for region in application.regions}
    return {region: served[region] for region in sorted(regions)}


def announce_replacement(archive: Archive, *, retain: bool) -> None:
    """Say in words, at preview, that a change takes a new stream.

    AWS partitions a stream from its making on, or never (Firehose Developer Guide, "Dynamic partitioning"), and never
    ends its backup of the originals (API operation UpdateDestination).

    Args:
        archive: what the stack file wants. What was before is in the outputs of this stack.
        retain: whether a stream that is replaced is kept.
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


def _checked(outputs: dict[str, Any], archive_stack: str, settings: Settings) -> dict[str, str]:
    by_region: dict[str, str] | None = outputs["destinations"]
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
    if problems:
        raise pulumi.RunError("\n  ".join([f"stack {archive_stack} does not serve this stack:", *problems]))
    return by_region
