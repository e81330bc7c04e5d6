"""``python -m ops verify``: what delivers is told so, and each break that was made on purpose is found where it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sandbox.prepare import prepare
from tests.sandbox.ops_command import ops
from tests.sandbox.stacks import Stacks
from tests.sandbox.templates import actions
from tests.stacks import config_of
from topology.patterns import CANARY

HOME, A, B = "111111111111", "222222222222", "333333333333"
REGIONS = ("eu-west-1", "us-east-1", "eu-central-1")
CONFIG = {
    "archiveStack": "archive",
    "applications": [
        {"account": account, "regions": {region: {"logGroups": ["/app"]} for region in REGIONS}} for account in (A, B)
    ],
}
ARCHIVE = {**config_of("archive")["archive"], "destinationRegions": list(REGIONS), "transform": "bundled"}


@pytest.fixture(scope="module")
def deployed(stacks: Stacks) -> Stacks:
    together = {"archive": ARCHIVE, "applications": CONFIG["applications"]}
    prepare([stacks.write(together)], stacks.instance.environment())
    stacks.up("archive", {"archive": ARCHIVE, "retain": False})
    stacks.up("app-dev", CONFIG)
    return stacks


def losses(stacks: Stacks, *, status: int = 1) -> dict[tuple[str, str], str]:
    """Account and region → where its event was lost, for all that was."""
    command = ("verify", "-s", "app-dev", "--timeout", "8", "--json")
    said = json.loads(ops(stacks, *command, config=CONFIG, status=status))
    assert len(said["verdicts"]) == len(REGIONS) * 2
    assert said["delivers"] is (status == 0)
    return {(each["account"], each["region"]): each["loss"]["stage"] for each in said["verdicts"] if each["loss"]}


@contextmanager
def without_rights(stacks: Stacks, role: str) -> Iterator[None]:
    """Take the only inline policy of a role of the archive away, for a while."""
    iam = stacks.client("iam", account=HOME)
    (name,) = [each["RoleName"] for each in iam.list_roles()["Roles"] if each["RoleName"].startswith(role)]
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    iam.delete_role_policy(RoleName=name, PolicyName=policy)
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))


def test_where_everything_is_as_it_should_be_every_account_and_region_delivers(deployed: Stacks) -> None:
    assert losses(deployed, status=0) == {}
    printed = ops(deployed, "verify", "-s", "app-dev", config=CONFIG)
    assert len([line for line in printed.splitlines() if "delivered in" in line]) == len(REGIONS) * 2


@pytest.mark.parametrize(("role", "stage"), [("CWLtoKinesisFirehoseRole", "role"), ("archive-delivery-role", "bucket")])
def test_a_role_without_its_rights_is_found(deployed: Stacks, role: str, stage: str) -> None:
    with without_rights(deployed, role):
        assert losses(deployed) == {(account, region): stage for account in (A, B) for region in REGIONS}
        printed = ops(deployed, "verify", "-s", "app-dev", "--timeout", "0", config=CONFIG, status=1)
    assert "pulumi up --refresh -s archive" in printed


def test_a_role_that_trusts_another_account_only_is_found(deployed: Stacks) -> None:
    iam = deployed.client("iam", account=HOME)
    trust = iam.get_role(RoleName="CWLtoKinesisFirehoseRole")["Role"]["AssumeRolePolicyDocument"]
    narrow = json.dumps(trust).replace(f"arn:aws:logs:*:{B}:*", f"arn:aws:logs:*:{A}:log-group:other:*")
    iam.update_assume_role_policy(RoleName="CWLtoKinesisFirehoseRole", PolicyDocument=narrow)
    try:
        assert losses(deployed) == {(B, region): "role" for region in REGIONS}
    finally:
        iam.update_assume_role_policy(RoleName="CWLtoKinesisFirehoseRole", PolicyDocument=json.dumps(trust))


def test_a_transform_that_fails_is_found(deployed: Stacks) -> None:
    functions = deployed.client("lambda", account=HOME)
    (function,) = [each["FunctionName"] for each in functions.list_functions()["Functions"]]
    functions.update_function_configuration(FunctionName=function, Handler="nothing.here")
    try:
        assert losses(deployed) == {(account, region): "transform" for account in (A, B) for region in REGIONS}
    finally:
        functions.update_function_configuration(FunctionName=function, Handler="handler.handler")


def test_what_was_taken_away_is_found_in_each_place_and_mended_as_it_says(deployed: Stacks) -> None:
    def logs(account: str, region: str) -> Any:  # noqa: ANN401 - boto3
        return deployed.client("logs", account=account, region=region)

    logs(A, "us-east-1").delete_subscription_filter(logGroupName=CANARY, filterName="central-log-archive.us-east-1")
    logs(B, "us-east-1").delete_log_group(logGroupName=CANARY)
    (there,) = logs(HOME, "eu-central-1").describe_destinations()["destinations"]
    logs(HOME, "eu-central-1").delete_destination(destinationName=there["destinationName"])
    (at_home,) = logs(HOME, "eu-west-1").describe_destinations()["destinations"]
    policy = json.loads(at_home["accessPolicy"])
    policy["Statement"][0]["Principal"]["AWS"] = [A]
    logs(HOME, "eu-west-1").put_destination_policy(
        destinationName=at_home["destinationName"], accessPolicy=json.dumps(policy)
    )
    assert losses(deployed) == {
        (A, "us-east-1"): "filter",
        (A, "eu-central-1"): "destination",
        (B, "eu-west-1"): "destination policy",
        (B, "us-east-1"): "log group",
        (B, "eu-central-1"): "destination",
    }
    archive = {"archive": ARCHIVE, "retain": False}
    deployed.pulumi("up", "--refresh", "--yes", "--skip-preview", "-s", "archive", config=archive)
    deployed.pulumi("up", "--refresh", "--yes", "--skip-preview", "-s", "app-dev", config=CONFIG)
    assert losses(deployed, status=0) == {}


def test_a_bucket_that_refuses_objects_is_found_with_what_firehose_says(deployed: Stacks) -> None:
    s3, bucket = deployed.client("s3", account=HOME), deployed.outputs("archive")["bucket"]
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    statements = [*json.loads(policy)["Statement"], denied]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    try:
        assert set(losses(deployed).values()) == {"bucket"}
        printed = ops(deployed, "verify", "-s", "app-dev", "--timeout", "6", "--json", config=CONFIG, status=1)
    finally:
        s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert f"S3.AccessDenied: Access was denied to {bucket}" in printed


def test_where_an_organization_is_admitted_the_roles_of_filters_are_on_the_way(deployed: Stacks) -> None:
    archive = {**ARCHIVE, "senders": {"organization": "o-exampleorg1"}}
    config = {**CONFIG, "filterRoles": True}
    prepare([deployed.write({**config, "archive": archive, "archiveStack": ""})], deployed.instance.environment())
    deployed.up("app-dev", config)
    deployed.up("archive", {"archive": archive, "retain": False})
    assert losses(deployed, status=0) == {}
    iam, role = deployed.client("iam", account=A), f"archive-filters-{A}"
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    iam.delete_role_policy(RoleName=role, PolicyName=policy)
    assert losses(deployed) == {(A, region): "role of the filter" for region in REGIONS}
    deployed.pulumi("up", "--refresh", "--yes", "--skip-preview", "-s", "app-dev", config=config)


def test_a_stream_that_is_gone_is_found(deployed: Stacks) -> None:
    firehose = deployed.client("firehose", account=HOME)
    (name,) = firehose.list_delivery_streams()["DeliveryStreamNames"]
    firehose.delete_delivery_stream(DeliveryStreamName=name)
    assert losses(deployed) == {(account, region): "stream" for account in (A, B) for region in REGIONS}


def test_the_verifier_roles_hold_what_it_asks_for_and_nothing_else(deployed: Stacks) -> None:
    # Of all that the tests above made it do: it looks further where an event is lost.
    mine = [
        call for call in deployed.ask("calls") if ":assumed-role/central-log-archive-verifier/" in call["principal"]
    ]
    assert [call for call in mine if not call["allowed"]] == []
    for template, accounts in (("archive-account.yaml", {HOME}), ("application-account.yaml", {A, B})):
        asked = {call["action"] for call in mine if call["principal"].split(":")[4] in accounts}
        # S3 decrypts in the name of who reads an object; the emulator asks nobody.
        assert actions(template, "Verifier") - {"kms:Decrypt"} == asked


def test_what_cannot_be_found_out_has_a_status_of_its_own(deployed: Stacks) -> None:
    assert "has no applications" in ops(deployed, "verify", "-s", "archive", config={"archive": ARCHIVE}, status=2)
    nobody = {**CONFIG, "archiveStack": "nobody"}
    assert "stack nobody cannot be read" in ops(deployed, "verify", "-s", "app-dev", config=nobody, status=2)
    stranger = {**CONFIG, "applications": [{**CONFIG["applications"][0], "account": "777777777777"}]}  # type: ignore[dict-item]
    assert "AccessDenied" in ops(deployed, "verify", "-s", "app-dev", config=stranger, status=2)
