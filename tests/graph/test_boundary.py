"""The permissions boundary of the bootstrap: every role of the archive has it, and none needs more than it allows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.bootstrap import resources
from tests.graph.boundary import boundary_of, exceeding
from tests.graph.recorder import record
from tests.stacks import config_of
from topology.policies import as_list

MAX_CHARACTERS = 6144
"""Quota for a managed policy ("IAM and STS quotas")."""


def archive_with(**options: Any) -> dict[str, Any]:  # noqa: ANN401 - values of a stack file
    """Return the config of the example archive with further keys."""
    return {"archive": {**config_of("archive")["archive"], **options}}


@pytest.mark.parametrize(
    "options",
    [
        {"existingBucket": "company-logs"},
        {"existingBucket": {"name": "company-logs", "account": "777777777777"}, "analysis": True},
        {"streamName": "waf-logs", "key": "arn:aws:kms:eu-west-1:111111111111:key/1"},
        {"transform": "arn:aws:lambda:eu-west-1:111111111111:function:mask:live"},
        {"transform": "bundled", "analysis": True, "key": "create", "integrity": True},
        {"existingBucket": "company-logs", "integrity": True},
        {"senderRoleName": "company-sender"},
    ],
)
def test_the_boundary_knows_what_a_stack_file_names(options: dict[str, Any]) -> None:
    config = archive_with(**options)
    assert list(exceeding(record(config), boundary_of(config))) == []


def test_a_boundary_without_the_parameters_would_not_do() -> None:
    config = archive_with(existingBucket="company-logs", streamName="waf-logs")
    boundary = boundary_of(archive_with())
    assert {action for _, action, _ in exceeding(record(config), boundary)} >= {"firehose:PutRecord", "s3:PutObject"}


def test_every_role_of_the_archive_has_the_boundary_or_is_the_bootstraps() -> None:
    config = archive_with(transform="bundled", analysis=True, integrity=True)
    graph = record(config)
    account = config["archive"]["account"]
    roles = [each for each in graph.of_type("Role") if "permissionsBoundary" in each.inputs]
    assert {each.name for each in roles} == {
        f"archive-{kind}-role" for kind in ("analyst", "dashboard", "delivery", "digest", "transform")
    }
    (sender,) = (each for each in graph.of_type("Role") if each not in roles)
    assert (sender.name, sender.inputs) == ("archive-sender-role", {"id": "CWLtoKinesisFirehoseRole"})
    assert {each.inputs["permissionsBoundary"] for each in roles} == {
        f"arn:aws:iam::{account}:policy/central-log-archive-boundary"
    }


def test_the_boundary_fits_into_a_managed_policy_whatever_the_parameters() -> None:
    long = {
        "BucketOfAnotherAccount": "b" * 63,
        "FunctionArn": f"arn:aws-us-gov:lambda:us-gov-east-1:111111111111:function:{'f' * 64}:{'a' * 128}",
        "SenderRoleName": "s" * 64,
        "StreamName": "t" * 64,
    }
    document = resources("archive-account.yaml", long)["Boundary"]["Properties"]["PolicyDocument"]
    text = json.dumps(document, separators=(",", ":")).replace("arn:aws:", "arn:aws-us-gov:")
    assert len(text) < MAX_CHARACTERS


def test_the_boundary_allows_nothing_in_iam_or_sts_and_nothing_by_a_wildcard() -> None:
    allowed = [each for each in boundary_of(config_of("archive")) if each["Effect"] == "Allow"]
    actions = {action for each in allowed for action in as_list(each["Action"])}
    assert not any(action.startswith(("iam:", "sts:")) or "*" in action for action in actions)
    assert {each["Sid"] for each in allowed if each["Resource"] == "*"} == {"Keys"}
