"""The destinations of an archive that another stack builds, read from that stack's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi

from components.settings import Application, unserved


def destinations(archive_stack: str, applications: Sequence[Application]) -> dict[str, pulumi.Output[str]]:
    """Return region → ARN of the destination, for every region that the applications use.

    Args:
        archive_stack: a stack of this organization and project, or ``organization/project/stack``.
        applications: accounts and regions that the archive has to serve.

    Raises:
        pulumi.RunError: (when the outputs are resolved, at preview too) the archive does not serve all of them.
    """
    full_name = archive_stack
    if "/" not in archive_stack:
        full_name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{archive_stack}"
    archive = pulumi.StackReference(full_name)
    served = pulumi.Output.all(
        destinations=archive.get_output("destinations"), accounts=archive.get_output("admittedAccounts")
    ).apply(lambda outputs: _checked(outputs, archive_stack, applications))
    regions = {region for application in applications for region in application.regions}
    return {region: served[region] for region in sorted(regions)}


def _checked(outputs: dict[str, Any], archive_stack: str, applications: Sequence[Application]) -> dict[str, str]:
    by_region: dict[str, str] | None = outputs["destinations"]
    if by_region is None:
        raise pulumi.RunError(
            f"stack {archive_stack} has no destinations: bring it up first (pulumi up -s {archive_stack}), or name the "
            "stack that builds the archive as archiveStack"
        )
    file = f"Pulumi.{archive_stack.rsplit('/', maxsplit=1)[-1]}.yaml"
    problems = unserved(applications, regions=by_region, accounts=outputs["accounts"], file=file)
    if problems:
        raise pulumi.RunError("\n  ".join([f"stack {archive_stack} does not serve this stack:", *problems]))
    return by_region
