"""The destinations of an archive that another stack builds, read from that stack's outputs."""

from __future__ import annotations

from typing import Any

import pulumi

from components.settings import Settings, unserved


def destinations(archive_stack: str, settings: Settings) -> dict[str, pulumi.Output[str]]:
    """Return region → ARN of the destination, for every region that the applications use.

    Args:
        archive_stack: a stack of this organization and project, or ``organization/project/stack``.
        settings: the accounts and regions that the archive has to serve, and what their filters carry.

    Raises:
        pulumi.RunError: (when the outputs are resolved, at preview too) the archive does not serve all of them.
    """
    full_name = archive_stack
    if "/" not in archive_stack:
        full_name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{archive_stack}"
    archive = pulumi.StackReference(full_name)
    served = pulumi.Output.all(
        destinations=archive.get_output("destinations"),
        accounts=archive.get_output("admittedAccounts"),
        organization=archive.get_output("admittedOrganization"),
    ).apply(lambda outputs: _checked(outputs, archive_stack, settings))
    regions = {region for application in settings.applications for region in application.regions}
    return {region: served[region] for region in sorted(regions)}


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
