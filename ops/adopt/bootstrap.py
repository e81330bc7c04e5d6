"""The parameters with which the templates of ``bootstrap/`` let the program adopt an archive."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from topology.roles import grants
from topology.settings import DEPLOYER_ROLE, Application, Archive

OWN_ROLE = "central-log-archive-sender"
"""Name of the sender role that the bootstrap creates. Other destinations may use the one that is there."""

PRINCIPAL = "PRINCIPAL"
"""Stands for the ARN of who runs Pulumi and ``python -m ops``."""

TRUSTED = {"TrustedPrincipals": PRINCIPAL, "Verifiers": PRINCIPAL}
"""The parameters that every account needs."""


def needed(archive: Archive, applications: Iterable[Application], *, stream: str) -> dict[str, dict[str, str]]:
    """Return template → parameter → value of all that adoption needs, until ``ops retire`` is done.

    Args:
        archive: settings of the archive.
        applications: the application accounts of its stack. Parameters are the same for all.
        stream: the existing stream: also one that is not adopted is read until nothing uses it.
    """
    role = {} if archive.deployer_role == DEPLOYER_ROLE else {"RoleName": archive.deployer_role}
    granted: dict[str, set[str]] = {"FilterRoles": {"true"}} if archive.sender_organization is not None else {}
    for application in applications:
        for grant in grants(application, filters_have_roles=False, alarms=archive.alarms is not None):
            granted.setdefault(grant.parameter, set()).update(grant.values)
    parameters = {
        "archive-account.yaml": {**role, **TRUSTED, **archive.bootstrap_parameters, "StreamName": stream},
        "application-account.yaml": {
            **role,
            **TRUSTED,
            "ArchiveAccount": archive.account,
            **archive.bootstrap_parameters_of_senders,
            **{name: ",".join(sorted(values)) for name, values in sorted(granted.items())},
        },
    }
    return {
        template: {name: value for name, value in values.items() if value} for template, values in parameters.items()
    }


def commands(parameters: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return a command for each template, for the archive's account and for each application account."""
    return [
        f"aws cloudformation deploy --template-file bootstrap/{template} --stack-name central-log-archive "
        f"--capabilities CAPABILITY_NAMED_IAM --parameter-overrides {formatted(values)}"
        for template, values in parameters.items()
    ]


def formatted(parameters: Mapping[str, str]) -> str:
    """Format parameters for the AWS CLI, as a shell takes them: ``$LATEST`` is no variable, ``*`` no file."""
    return shlex.join(f"{name}={value}" for name, value in parameters.items())
