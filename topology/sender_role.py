"""Whether the sender role is as the archive needs it: the bootstrap creates it, and the program does not change it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from topology import policies
from topology.patterns import CANARY
from topology.policies import allowing, as_list, condition_values, logs_principal
from topology.regions import PARTITIONS, boundary_arn, role_arn
from topology.settings import Archive


def sender_role_problems(archive: Archive, role: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield what the sender role lacks, and who fixes it how.

    Args:
        archive: settings of the archive.
        role: the role, as GetRole describes it; None: it does not exist.
    """
    name, region, account = archive.sender_role_name, archive.region, archive.account
    arn, boundary = role_arn(region, account, name), boundary_arn(region, account)
    deploy = what_to_deploy(archive)
    if role is None:
        yield f"the sender role {arn} does not exist; {deploy}"
        return
    existing = f"{deploy}, or, if the role is not from that template (CreateSenderRole=no), run aws iam"
    if unable := _untrusted(archive, role["AssumeRolePolicyDocument"]):
        trust = policies.sender_role_trust(
            home_region=region,
            account=account,
            sender_accounts=archive.sender_accounts,
            sender_organization=archive.sender_organization,
        )
        yield (
            f"the sender role {arn} does not trust CloudWatch Logs on behalf of {', '.join(unable)}; {existing} "
            f"update-assume-role-policy --role-name {name} --policy-document '{trust}'"
        )
    if (role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn") != boundary:
        yield (
            f"the sender role {arn} does not have the permissions boundary {boundary}; {existing} "
            f"put-role-permissions-boundary --role-name {name} --permissions-boundary {boundary}"
        )


def what_to_deploy(archive: Archive) -> str:
    """Return what an administrator does so that the sender role is as a stack file needs it."""
    parameters = {key: value for key, value in archive.bootstrap_parameters.items() if key.startswith("Sender")}
    given = " ".join(f"{key}={value}" for key, value in parameters.items() if value)
    return f"deploy bootstrap/archive-account.yaml with {given}"


def _untrusted(archive: Archive, trust: Mapping[str, Any]) -> list[str]:
    """Return the accounts, and the organization, on whose behalf CloudWatch Logs may not assume the role."""
    accounts = {archive.account, *archive.sender_accounts}
    unable = [account for account in sorted(accounts) if not trusts(trust, archive.region, account, None)]
    organization = archive.sender_organization
    if organization is not None and not trusts(trust, archive.region, "", organization):
        unable.append(organization)
    return unable


def trusts(trust: Mapping[str, Any], region: str, account: str, organization: str | None) -> bool:
    """Return whether a trust policy lets CloudWatch Logs assume a role on behalf of an account, or its organization."""
    source = f"arn:{PARTITIONS[region]}:logs:{region}:{account}:log-group:{CANARY}:*"
    for statement in allowing(trust):
        if logs_principal(region) not in as_list((statement.get("Principal") or {}).get("Service", [])):
            continue
        if (
            not statement.get("Condition")
            or any(fnmatchcase(source, pattern) for pattern in condition_values(statement, "aws:SourceArn"))
            or organization in condition_values(statement, "aws:SourceOrgID")
        ):
            return True
    return False
