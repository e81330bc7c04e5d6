"""What the policies of given KMS keys have to allow, and what is taken for allowing it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from topology import policies
from topology.given_keys import key_warnings, needed_statements
from topology.settings import Archive, load

KEY, OTHER = (f"arn:aws:kms:eu-west-1:111111111111:key/{name}" for name in ("k", "other"))
FOREIGN = "arn:aws:kms:eu-west-1:999999999999:key/k"
ARCHIVE = {
    "account": "111111111111", "region": "eu-west-1", "destinationRegions": ["eu-west-1"],
    "senders": {"accounts": ["222222222222"]},
}  # fmt: skip
ROOT = {"AWS": "arn:aws:iam::111111111111:root"}
LOGS = {"Service": "logs.eu-west-1.amazonaws.com"}
ALL = {"Effect": "Allow", "Principal": ROOT, "Action": "kms:*", "Resource": "*"}
FOR_LOGS = {
    **ALL,
    "Principal": LOGS,
    "Action": ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
    "Condition": {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:eu-west-1:111111111111:*"}},
}


def archive(key: Any, **more: Any) -> Archive:  # noqa: ANN401 - parts of a stack file
    loaded = load({"archive": json.dumps({**ARCHIVE, "key": key, **more})}, "test").archive
    assert loaded is not None
    return loaded


def missing(*statements: dict[str, Any], key: Any = KEY) -> list[str]:  # noqa: ANN401 - as above
    """Return the IDs of the statements that a warning asks for."""
    policy = json.dumps({"Statement": statements})
    return [
        each["Sid"]
        for warning in key_warnings(archive(key), {KEY: policy})
        for each in json.loads(warning[warning.index(": [") + 2 :])
    ]


def test_each_key_needs_the_statements_of_what_it_encrypts() -> None:
    needed = needed_statements(archive({"objects": KEY, "stream": OTHER, "logGroups": KEY}))
    assert {key: [each["Sid"] for each in statements] for key, statements in needed.items()} == {
        KEY: ["EncryptObjects", "EncryptLogGroups"],
        OTHER: ["EncryptTheStream", "PutRecordsWithKey"],
    }
    assert needed_statements(archive("create")) == {}


def test_a_policy_with_the_statements_that_a_warning_asks_for_causes_no_warning() -> None:
    assert missing(*needed_statements(archive(KEY))[KEY]) == []


def test_the_policy_of_a_created_key_would_cause_no_warning() -> None:
    policy = policies.key_policy(
        home_region="eu-west-1", account="111111111111", deployer_role="central-log-archive-deployer",
        bucket_arns=["arn:aws:s3:::company-logs"], log_groups=["archive-delivery-errors-*", "archive-transform-logs-*"],
    )  # fmt: skip
    given = archive(KEY, existingBucket="company-logs", transform="bundled")
    assert list(key_warnings(given, {KEY: policy})) == []


def test_a_statement_for_the_account_includes_its_roles_and_not_cloudwatch_logs() -> None:
    assert missing(ALL) == ["EncryptLogGroups"]
    assert missing({**ALL, "Principal": "*"}) == ["EncryptLogGroups"]
    assert missing(ALL, FOR_LOGS) == []
    assert missing(FOR_LOGS) == ["EncryptObjects", "EncryptTheStream", "PutRecordsWithKey"]
    assert missing(ALL, key={"objects": KEY, "stream": KEY}) == []


@pytest.mark.parametrize(
    "statement",
    [
        {**ALL, "Principal": {"AWS": "arn:aws:iam::999999999999:root"}},
        {**ALL, "Action": "kms:Describe*"},
        {**ALL, "Condition": {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}},
        {**ALL, "Condition": {"StringEquals": {"aws:PrincipalTag/team": "logs"}}},
        {**ALL, "Condition": {"NumericLessThan": {"kms:CallerAccount": "2"}}},
        {**ALL, "Effect": "Deny"},
        {"Effect": "Allow", "NotPrincipal": ROOT, "Action": "kms:*", "Resource": "*"},
    ],
)
def test_what_does_not_clearly_allow_the_use_of_a_key_is_reported(statement: dict[str, Any]) -> None:
    assert missing(statement, key={"objects": KEY}) == ["EncryptObjects"]


@pytest.mark.parametrize(
    ("condition", "denies"),
    [
        ({"Bool": {"aws:SecureTransport": "false"}}, False),
        ({"StringNotEquals": {"kms:CallerAccount": "111111111111"}}, False),
        ({"StringNotLike": {"kms:ViaService": "s3.*"}}, False),
        ({"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}, True),
        ({"StringNotEquals": {"aws:PrincipalOrgID": "o-exampleorg1"}}, True),
    ],
)
def test_a_denial_counts_unless_its_condition_clearly_does_not_hold(condition: dict[str, Any], denies: bool) -> None:  # noqa: FBT001
    denial = {**ALL, "Effect": "Deny", "Principal": "*", "Condition": condition}
    assert bool(missing(ALL, denial, key={"objects": KEY})) is denies


def test_a_key_of_another_account_is_not_checked_and_the_warning_says_what_its_policy_needs() -> None:
    (warning,) = key_warnings(archive({"objects": FOREIGN}), {})
    assert warning.startswith(
        f"archive.key: the policy of {FOREIGN} was not checked, since account 999999999999 owns it"
    )
    assert '"Sid": "EncryptObjects"' in warning
