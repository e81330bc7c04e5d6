"""The sender role of the bootstrap: what it trusts, and what previews say if it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.bootstrap import resources
from topology import policies
from topology.sender_role import sender_role_problems
from topology.settings import Archive, load

CENTRAL, SHOP, PAYMENTS = "111111111111", "222222222222", "333333333333"
ORGANIZATION = "o-exampleorg1"
BOUNDARY = f"arn:aws:iam::{CENTRAL}:policy/central-log-archive-boundary"
SENDERS: list[dict[str, Any]] = [
    {"accounts": [SHOP]},
    {"accounts": [PAYMENTS, SHOP]},
    {"organization": ORGANIZATION},
    {"accounts": [SHOP], "organization": ORGANIZATION},
]


def archive_of(senders: dict[str, Any]) -> Archive:
    section = {"account": CENTRAL, "region": "eu-west-1", "destinationRegions": ["eu-west-1"], "senders": senders}
    archive = load({"archive": json.dumps(section)}, "archive").archive
    assert archive is not None
    return archive


def trust_of(archive: Archive) -> dict[str, Any]:
    """Return the trust policy that the bootstrap gives the role, with the parameters that the stack file needs."""
    sender = resources("archive-account.yaml", archive.bootstrap_parameters)["Sender"]["Properties"]
    assert sender["PermissionsBoundary"] == BOUNDARY
    trust: dict[str, Any] = sender["AssumeRolePolicyDocument"]
    return trust


def problems(archive: Archive, trust: dict[str, Any], boundary: str | None = BOUNDARY) -> list[str]:
    bound = {} if boundary is None else {"PermissionsBoundary": {"PermissionsBoundaryArn": boundary}}
    return list(sender_role_problems(archive, {"AssumeRolePolicyDocument": trust, **bound}))


@pytest.mark.parametrize("senders", SENDERS)
def test_the_bootstrap_trusts_whom_the_program_used_to_trust(senders: dict[str, Any]) -> None:
    archive = archive_of(senders)
    used_to = policies.sender_role_trust(
        home_region="eu-west-1",
        account=CENTRAL,
        sender_accounts=archive.sender_accounts,
        sender_organization=archive.sender_organization,
    )
    assert trust_of(archive) == json.loads(used_to.replace("arn:aws:", "arn:*:"))


@pytest.mark.parametrize("senders", SENDERS)
def test_a_role_of_the_bootstrap_or_of_an_earlier_version_has_no_problem(senders: dict[str, Any]) -> None:
    archive = archive_of(senders)
    earlier = policies.sender_role_trust(
        home_region="eu-west-1",
        account=CENTRAL,
        sender_accounts=archive.sender_accounts,
        sender_organization=archive.sender_organization,
    )
    assert problems(archive, trust_of(archive)) == []
    assert problems(archive, json.loads(earlier)) == []


@pytest.mark.parametrize(
    ("senders", "unable", "parameters"),
    [
        ({"accounts": [SHOP, PAYMENTS]}, PAYMENTS, f"SenderAccounts={SHOP},{PAYMENTS}"),
        ({"organization": ORGANIZATION}, ORGANIZATION, f"SenderOrganization={ORGANIZATION}"),
        ({"organization": "o-another0000"}, "o-another0000", "SenderOrganization=o-another0000"),
    ],
)
def test_a_sender_that_the_role_does_not_admit_is_named_with_what_to_deploy(
    senders: dict[str, Any], unable: str, parameters: str
) -> None:
    (problem,) = problems(archive_of(senders), trust_of(archive_of({"accounts": [SHOP]})))
    assert f"does not trust CloudWatch Logs on behalf of {unable}; deploy bootstrap/archive-account.yaml" in problem
    assert parameters in problem
    assert "aws iam update-assume-role-policy --role-name CWLtoKinesisFirehoseRole --policy-document" in problem


def test_a_role_without_the_boundary_is_a_problem() -> None:
    archive = archive_of({"accounts": [SHOP]})
    for boundary in (None, "arn:aws:iam::aws:policy/AdministratorAccess"):
        (problem,) = problems(archive, trust_of(archive), boundary)
        assert (
            f"put-role-permissions-boundary --role-name CWLtoKinesisFirehoseRole --permissions-boundary {BOUNDARY}"
            in (problem)
        )


def test_a_role_that_does_not_exist_is_a_problem() -> None:
    (problem,) = sender_role_problems(archive_of({"accounts": [SHOP]}), None)
    assert problem == (
        f"the sender role arn:aws:iam::{CENTRAL}:role/CWLtoKinesisFirehoseRole does not exist; deploy "
        f"bootstrap/archive-account.yaml with SenderRoleName=CWLtoKinesisFirehoseRole SenderAccounts={SHOP}"
    )


def test_an_existing_role_is_not_created() -> None:
    parameters = archive_of({"accounts": [SHOP]}).bootstrap_parameters
    assert "Sender" not in resources("archive-account.yaml", {**parameters, "CreateSenderRole": "no"})
