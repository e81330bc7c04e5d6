"""What an existing bucket lacks compared with one that is created here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.central_log_archive.existing_bucket import policy_findings, settings_findings, unread_findings
from topology import policies

BLOCK = dict.fromkeys(["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"], True)
SOUND: dict[str, Any] = {
    "BucketEncryption": {"ServerSideEncryptionConfiguration": [{}]},
    "PublicAccessBlockConfiguration": BLOCK,
    "VersioningConfiguration": {"Status": "Enabled"},
}
POLICY = json.loads(policies.bucket_policy(bucket_arn="arn:aws:s3:::logs", key_arn=None))
ARN = "arn:aws:kms:eu-west-1:111111111111:key/k"
WITHOUT_TLS = "accepts requests without TLS"
WITHOUT_LOCK = "does not lock new objects, so whoever may delete objects can delete events"


def lacks(properties: dict[str, Any], policy: dict[str, Any]) -> list[str]:
    return [finding for finding, _ in (*settings_findings(properties, None, retain=False), *policy_findings(policy))]


def test_a_bucket_like_one_that_is_created_here_lacks_nothing() -> None:
    assert lacks(SOUND, POLICY) == []


def test_a_bare_bucket_lacks_everything() -> None:
    assert len(lacks({}, {})) == 4


def encrypting(algorithm: str, **key: str) -> dict[str, Any]:
    default = {"SSEAlgorithm": algorithm, **key}
    return {
        **SOUND,
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": default}]},
    }


@pytest.mark.parametrize("default", [ARN, "4c1e", "alias/logs"])
def test_a_default_key_that_the_archive_does_not_name_is_reported(default: str) -> None:
    bucket = encrypting("aws:kms", KMSMasterKeyID=default)
    (finding,) = lacks(bucket, POLICY)
    assert finding == f"encrypts with the KMS key {default} by default, which the delivery role may not use"
    another = "arn:aws:kms:eu-west-1:1:key/another"  # Firehose specifies that one
    assert list(settings_findings(bucket, another, retain=False)) == []


@pytest.mark.parametrize(
    "bucket",
    [
        encrypting("AES256"), encrypting("aws:kms"), encrypting("aws:kms", KMSMasterKeyID="alias/aws/s3"),
        encrypting("aws:kms", KMSMasterKeyID="arn:aws:kms:eu-west-1:1:alias/aws/s3"),
        {**SOUND, "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}},
    ],
)  # fmt: skip
def test_a_default_encryption_that_everybody_may_use_and_a_lock_without_retention_are_not_reported(
    bucket: dict[str, Any],
) -> None:
    assert lacks(bucket, POLICY) == []


@pytest.mark.parametrize(
    ("difference", "lack"),
    [
        ({"BucketEncryption": None}, "has no default encryption"),
        ({"PublicAccessBlockConfiguration": {**BLOCK, "IgnorePublicAcls": False}}, "does not block public access"),
        ({"VersioningConfiguration": {"Status": "Suspended"}}, "has no versioning"),
        (
            {"ObjectLockConfiguration": {"Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}},
            "locks new objects, and AWS does not document that Firehose can deliver them",
        ),
    ],
)
def test_what_is_missing_is_named(difference: dict[str, Any], lack: str) -> None:
    assert lacks({**SOUND, **difference}, POLICY) == [lack]


@pytest.mark.parametrize("lock", [{}, {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}])
def test_a_lock_is_asked_for_where_events_are_to_be_kept(lock: dict[str, Any]) -> None:
    assert [finding for finding, _ in settings_findings({**SOUND, **lock}, None, retain=True)] == [WITHOUT_LOCK]
    assert list(settings_findings({**SOUND, **lock}, None, retain=False)) == []


@pytest.mark.parametrize(
    "difference",
    [
        {"Effect": "Allow"},
        {"Principal": {"AWS": "arn:aws:iam::111111111111:root"}},
        {"Action": "s3:GetObject"},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        {"Condition": {}},
    ],
)
def test_a_statement_that_does_not_require_tls_from_everyone_is_not_accepted(difference: dict[str, Any]) -> None:
    (statement,) = POLICY["Statement"]
    assert lacks(SOUND, {"Statement": [{**statement, **difference}]}) == [WITHOUT_TLS]


def test_tls_may_be_required_in_other_notations() -> None:
    (statement,) = POLICY["Statement"]
    words = {"Principal": {"AWS": "*"}, "Action": ["s3:*"], "Condition": {"Bool": {"aws:SecureTransport": False}}}
    assert lacks(SOUND, {"Statement": {**statement, **words}}) == []


@pytest.mark.parametrize(
    ("status", "storage_class", "reported"),
    [
        ("Enabled", "GLACIER", True),
        ("Enabled", "DEEP_ARCHIVE", True),
        ("Disabled", "GLACIER", False),
        ("Enabled", "GLACIER_IR", False),
    ],
)
def test_a_lifecycle_that_hides_objects_from_queries_is_reported(
    status: str, storage_class: str, *, reported: bool
) -> None:
    rule = {"Status": status, "Transitions": [{"StorageClass": storage_class, "TransitionInDays": 90}]}
    properties = {"LifecycleConfiguration": {"Rules": [rule, {"Status": "Enabled"}]}}
    found = [finding for finding, _ in unread_findings(properties)]
    assert found == (
        [f"moves objects to {storage_class}, which Athena passes over without an error"] if reported else []
    )
    assert list(unread_findings({})) == []
