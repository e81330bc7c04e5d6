"""The role of the bootstrap that replicates the archive, and what previews say if it is for something else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError

from accounts.replication_role import check_replication_role
from tests.bootstrap import resources
from topology.policies import as_list
from topology.settings import Archive, SettingsError, load

KEY = "arn:aws:kms:us-east-1:666666666666:key/1"
PLAIN: dict[str, Any] = {"bucket": {"replica": {"bucket": "vault", "account": "666666666666"}}}
ENCRYPTED: dict[str, Any] = {"key": "create", "bucket": {"replica": {"bucket": "vault", "key": KEY}}}


def archive_of(settings: dict[str, Any]) -> Archive:
    section = {"account": "111111111111", "region": "eu-west-1", "destinationRegions": ["eu-west-1"]}
    given = {**section, "senders": {"accounts": ["222222222222"]}, **settings}
    archive = load({"archive": json.dumps(given)}, "archive").archive
    assert archive is not None
    return archive


def deployed(settings: dict[str, Any]) -> dict[str, Any]:
    return resources("archive-account.yaml", archive_of(settings).bootstrap_parameters)


def policy_of(settings: dict[str, Any]) -> dict[str, Any]:
    (policy,) = deployed(settings)["Replication"]["Properties"]["Policies"]
    assert policy["PolicyName"] == "replicate"
    document: dict[str, Any] = policy["PolicyDocument"]
    return document


@pytest.fixture
def read() -> Iterator[mock.Mock]:
    """What the program calls to read the policy of the role."""
    with mock.patch("accounts.replication_role.AssumedRole") as role:
        yield role.return_value.client.return_value.get_role_policy


@pytest.mark.parametrize("settings", [PLAIN, ENCRYPTED])
def test_the_role_of_the_bootstrap_is_as_the_stack_file_needs_it(settings: dict[str, Any], read: mock.Mock) -> None:
    read.return_value = {"PolicyDocument": policy_of(settings)}
    check_replication_role(archive_of(settings), "archive")


@pytest.mark.parametrize(
    ("settings", "before", "problem"),
    [
        (
            PLAIN,
            {"bucket": {"replica": {"bucket": "other"}}},
            "may not write arn:aws:s3:::vault/*; deploy bootstrap/archive-account.yaml with ReplicaBucket=vault",
        ),
        (
            ENCRYPTED,
            PLAIN,
            f"may not write arn:aws:s3:::vault/* with {KEY}; deploy bootstrap/archive-account.yaml with "
            f"ReplicaBucket=vault ReplicaKeyArn={KEY}",
        ),
    ],
)
def test_a_role_for_another_bucket_or_key_is_a_problem_with_what_to_deploy(
    settings: dict[str, Any], before: dict[str, Any], problem: str, read: mock.Mock
) -> None:
    read.return_value = {"PolicyDocument": policy_of(before)}
    with pytest.raises(SettingsError) as error:
        check_replication_role(archive_of(settings), "archive")
    assert f"archive.bucket.replica: the role central-log-archive-replication {problem}" in str(error.value)


def test_a_role_that_cannot_be_read_is_a_problem(read: mock.Mock) -> None:
    read.side_effect = ClientError({"Error": {"Code": "AccessDenied"}}, "GetRolePolicy")
    with pytest.raises(SettingsError, match=r"cannot be read .*AccessDenied.* with ReplicaBucket=vault"):
        check_replication_role(archive_of(PLAIN), "archive")


def test_without_a_replica_there_is_no_role_and_nobody_may_replicate() -> None:
    nothing = deployed({})
    assert "Replication" not in nothing
    assert "PutReplicationConfiguration" not in json.dumps(nothing)
    check_replication_role(archive_of({}), "archive")


def test_the_role_writes_into_one_bucket_only_and_replicates_no_deletion() -> None:
    statements = policy_of(ENCRYPTED)["Statement"]
    actions = {action for each in statements for action in as_list(each["Action"])}
    assert "s3:ReplicateDelete" not in actions
    assert not any("*" in action for action in actions)
    writing = [each for each in statements if {"s3:ReplicateObject", "kms:Encrypt"} & set(as_list(each["Action"]))]
    assert [each["Resource"] for each in writing] == ["arn:aws:s3:::vault/*", KEY]
    (trusted,) = deployed(PLAIN)["Replication"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "s3.amazonaws.com"}


def test_the_role_decrypts_with_keys_of_the_archive_only() -> None:
    given = {**ENCRYPTED, "key": "arn:aws:kms:eu-west-1:333333333333:key/given"}
    (decrypt,) = [each for each in policy_of(given)["Statement"] if each["Action"] == "kms:Decrypt"]
    assert decrypt["Resource"] == ["arn:aws:kms:*:111111111111:key/*", given["key"]]
    assert decrypt["Condition"]["StringLike"]["kms:EncryptionContext:aws:s3:arn"] == "arn:aws:s3:::archive-bucket-*"
