"""``docs/scp.json`` and ``docs/rcp.json``: each statement stops an attack, and none stops what the program does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from sandbox.server import ROOT
from tests.sandbox.templates import actions

SERVICE_CONTROL = json.loads((ROOT / "docs/scp.json").read_text(encoding="utf-8"))
RESOURCE_CONTROL = json.loads((ROOT / "docs/rcp.json").read_text(encoding="utf-8"))
EVERYTHING = parse_policy_document({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
CENTRAL, SHOP = "111111111111", "222222222222"
BUCKET = "arn:aws:s3:::archive-bucket-1234567"
KEY = f"arn:aws:kms:eu-west-1:{CENTRAL}:key/1"
OURS = {"aws:resourcetag/managed-by": "central-log-archive"}
STREAM = f"arn:aws:firehose:eu-west-1:{CENTRAL}:deliverystream/archive-stream-1234567"
CANARY = f"arn:aws:logs:us-east-1:{SHOP}:log-group:central-log-archive-canary:*"
SCHEDULED_CANARY = f"arn:aws:logs:us-east-1:{SHOP}:log-group:/aws/events/central-log-archive-canary:*"
WAF = f"arn:aws:logs:us-east-1:{SHOP}:log-group:aws-waf-logs-shop"


def role(name: str, account: str = CENTRAL) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


ADMINISTRATOR, DEPLOYER = role("administrator"), role("central-log-archive-deployer")
BREAK_GLASS = role("central-log-archive-break-glass")


def denied_by(principal: str, action: str, resource: str, keys: dict[str, Any] | None = None) -> str:
    """The statement that denies a request of somebody who may do everything; empty if none does."""
    context = EvalContext(
        principal_arn=principal, principal_type="AssumedRole", principal_account=principal.split(":")[4], action=action,
        resource_arn=resource, region="eu-west-1", service_context=keys or {},
    )  # fmt: skip
    limits = [[*EVERYTHING, *parse_policy_document(document)] for document in (SERVICE_CONTROL, RESOURCE_CONTROL)]
    decision = evaluate(context, [EVERYTHING], *[[limit] for limit in limits])
    assert decision.decision in ("Allow", "Deny")
    return decision.matched_sid if decision.decision == "Deny" else ""


ATTACKS = [
    ("KeepTheArchive", ADMINISTRATOR, "s3:DeleteObjectVersion", f"{BUCKET}/logs/one", {}),
    ("KeepTheArchive", DEPLOYER, "s3:DeleteObjectVersion", f"{BUCKET}/logs/one", {}),
    ("KeepTheArchive", DEPLOYER, "s3:DeleteBucket", BUCKET, {}),
    ("KeepTheArchive", ADMINISTRATOR, "s3:BypassGovernanceRetention", f"{BUCKET}/logs/one", {}),
    ("KeepItsSettings", ADMINISTRATOR, "s3:PutLifecycleConfiguration", BUCKET, {}),
    ("KeepItsSettings", ADMINISTRATOR, "s3:PutBucketPolicy", BUCKET, {}),
    ("KeepItsSettings", ADMINISTRATOR, "s3:PutBucketVersioning", BUCKET, {}),
    ("KeepItsSettings", ADMINISTRATOR, "s3:PutReplicationConfiguration", BUCKET, {}),
    ("KeepTheKey", ADMINISTRATOR, "kms:ScheduleKeyDeletion", KEY, OURS),
    ("KeepThePath", ADMINISTRATOR, "firehose:UpdateDestination", STREAM, {}),
    ("KeepThePath", ADMINISTRATOR, "firehose:DeleteDeliveryStream", STREAM, {}),
    (
        "KeepThePath", ADMINISTRATOR, "logs:PutDestinationPolicy",
        f"arn:aws:logs:us-east-1:{CENTRAL}:destination:archive-destination-us-east-1", {},
    ),
    (
        "KeepThePath", ADMINISTRATOR, "lambda:UpdateFunctionCode",
        f"arn:aws:lambda:eu-west-1:{CENTRAL}:function:archive-transform-1234567", {},
    ),
    (
        "KeepThePath", ADMINISTRATOR, "cloudwatch:DisableAlarmActions",
        f"arn:aws:cloudwatch:eu-west-1:{CENTRAL}:alarm:archive-alarm-not-written-1234567", {},
    ),
    ("KeepTheFilters", role("administrator", SHOP), "logs:DeleteSubscriptionFilter", WAF, {}),
    ("KeepTheFilters", role("administrator", SHOP), "logs:PutSubscriptionFilter", CANARY, {}),
    ("KeepTheFilters", role("administrator", SHOP), "logs:DeleteLogGroup", CANARY, {}),
    ("KeepTheFilters", role("administrator", SHOP), "logs:DeleteSubscriptionFilter", SCHEDULED_CANARY, {}),
    ("KeepTheRoles", ADMINISTRATOR, "iam:UpdateAssumeRolePolicy", role("CWLtoKinesisFirehoseRole"), {}),
    ("KeepTheRoles", ADMINISTRATOR, "iam:CreateRole", role("archive-delivery-role-x"), {}),
    ("KeepTheRoles", ADMINISTRATOR, "iam:PutRolePolicy", role("central-log-archive-verifier"), {}),
    (
        "KeepTheRoles", ADMINISTRATOR, "iam:CreatePolicyVersion",
        f"arn:aws:iam::{CENTRAL}:policy/central-log-archive-boundary", {},
    ),
    ("StayInTheOrganization", ADMINISTRATOR, "organizations:LeaveOrganization", "*", {}),
    (
        "OnlyServicesDeliver", ADMINISTRATOR, "sts:AssumeRole", role("CWLtoKinesisFirehoseRole"),
        {"aws:principalisawsservice": "false"},
    ),
    (
        "OnlyServicesDeliver", role("stranger", "777777777777"), "sts:AssumeRole", role("archive-delivery-role-x"),
        {"aws:principalisawsservice": "false"},
    ),
    (
        "OnlyServicesDeliver", ADMINISTRATOR, "sts:AssumeRole", role("central-log-archive-replication"),
        {"aws:principalisawsservice": "false"},
    ),
    (
        "AnalystsAreOurs", role("stranger", "777777777777"), "sts:AssumeRole", role("archive-analyst-role-x"),
        {"aws:principalisawsservice": "false", "aws:principalorgid": "o-others"},
    ),
    ("AnalystsAreOurs", role("stranger", "777777777777"), "sts:AssumeRole", role("archive-analyst-role-x"), {}),
]  # fmt: skip


@pytest.mark.parametrize(("sid", "principal", "action", "resource", "keys"), ATTACKS)
def test_an_attack_by_an_administrator_of_an_account_is_denied(
    sid: str, principal: str, action: str, resource: str, keys: dict[str, Any]
) -> None:
    assert denied_by(principal, action, resource, keys) == sid


def test_each_statement_stops_an_attack_and_the_documentation_says_which() -> None:
    sids = [statement["Sid"] for document in (SERVICE_CONTROL, RESOURCE_CONTROL) for statement in document["Statement"]]
    assert set(sids) == {sid for sid, *_ in ATTACKS}
    security = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    assert [sid for sid in sids if f"| `{sid}` |" not in security] == []


@pytest.mark.parametrize("name", ["scp.json", "rcp.json"])
def test_the_documents_are_as_large_as_organizations_take_them(name: str) -> None:
    assert len((ROOT / "docs" / name).read_bytes()) <= 5120


@pytest.mark.parametrize(
    ("principal", "action", "resource", "keys"),
    [
        (BREAK_GLASS, "s3:DeleteObjectVersion", f"{BUCKET}/logs/one", {}),
        (BREAK_GLASS, "s3:PutBucketPolicy", BUCKET, {}),
        (role("archive-delivery-role-1234567"), "s3:PutObject", f"{BUCKET}/logs/one", {}),
        (role("CWLtoKinesisFirehoseRole"), "firehose:PutRecordBatch", STREAM, {}),
        (role("central-log-archive-subscriber", SHOP), "logs:PutSubscriptionFilter", WAF, {}),
        (role("central-log-archive-verifier", SHOP), "logs:PutLogEvents", CANARY, {}),
        (role("stacksets-exec-1234567", SHOP), "iam:CreateRole", role("central-log-archive-deployer", SHOP), {}),
        (ADMINISTRATOR, "kms:ScheduleKeyDeletion", KEY, {}),
        (ADMINISTRATOR, "s3:DeleteBucket", "arn:aws:s3:::something-else", {}),
        (role("developer", SHOP), "logs:DeleteSubscriptionFilter", WAF.replace("aws-waf-logs-", "/app/"), {}),
        (
            "arn:aws:iam::aws:logs",
            "sts:AssumeRole",
            role("CWLtoKinesisFirehoseRole"),
            {"aws:principalisawsservice": "true"},
        ),
        (
            ADMINISTRATOR,
            "sts:AssumeRole",
            role("archive-analyst-role-1234567"),
            {"aws:principalisawsservice": "false", "aws:principalorgid": "o-exampleorg1"},
        ),
    ],
)
def test_delivery_its_operators_and_everybody_else_go_on(
    principal: str, action: str, resource: str, keys: dict[str, Any]
) -> None:
    assert denied_by(principal, action, resource, keys) == ""


@pytest.mark.parametrize("template", ["archive-account.yaml", "application-account.yaml"])
def test_a_deployer_role_is_denied_nothing_but_the_deletion_of_the_archive(template: str) -> None:
    resources = [
        resource
        for statement in SERVICE_CONTROL["Statement"]
        for resource in ([statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"])
    ]
    denied = {
        action
        for action in actions(template)
        for resource in resources
        if denied_by(DEPLOYER, action, resource, {**OURS, "aws:principalisawsservice": "false"})
    }
    assert denied <= {"s3:DeleteBucket", "s3:DeleteObjectVersion"}
