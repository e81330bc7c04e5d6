"""``python -m ops verify``: every account and region is verified, and each deliberate fault is located."""

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
from topology.roles import FILTER_ROLE

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


def losses(stacks: Stacks, *, status: int = 1, timeout: int = 60) -> dict[tuple[str, str], str]:
    """Account and region → where its event was lost, for all that were.

    An event that can arrive has a minute, for machines that are busy. Where one cannot, the timeout is waited for.
    """
    command = ("verify", "-s", "app-dev", "--timeout", str(timeout), "--json")
    found = json.loads(ops(stacks, *command, config=CONFIG, status=status))
    assert len(found["verdicts"]) == len(REGIONS) * 2
    assert found["delivers"] is (status == 0)
    return {(each["account"], each["region"]): each["loss"]["stage"] for each in found["verdicts"] if each["loss"]}


@contextmanager
def without_permissions(stacks: Stacks, role: str) -> Iterator[None]:
    """Remove the only inline policy of a role of the archive for a while."""
    iam = stacks.client("iam", account=HOME)
    (name,) = [each["RoleName"] for each in iam.list_roles()["Roles"] if each["RoleName"].startswith(role)]
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    iam.delete_role_policy(RoleName=name, PolicyName=policy)
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))


def test_an_unchanged_deployment_delivers_from_every_account_and_region(deployed: Stacks) -> None:
    assert losses(deployed, status=0) == {}
    printed = ops(deployed, "verify", "-s", "app-dev", config=CONFIG)
    assert len([line for line in printed.splitlines() if "delivered in" in line]) == len(REGIONS) * 2


@pytest.mark.parametrize(("role", "stage"), [("CWLtoKinesisFirehoseRole", "role"), ("archive-delivery-role", "bucket")])
def test_a_role_without_its_permissions_is_found(deployed: Stacks, role: str, stage: str) -> None:
    with without_permissions(deployed, role):
        lost = losses(deployed, timeout=8)
        assert lost == {(account, region): stage for account in (A, B) for region in REGIONS}
        printed = ops(deployed, "verify", "-s", "app-dev", "--timeout", "0", config=CONFIG, status=1)
    assert "pulumi up --refresh -s archive" in printed


def test_a_role_that_trusts_another_account_only_is_found(deployed: Stacks) -> None:
    iam = deployed.client("iam", account=HOME)
    trust = iam.get_role(RoleName="CWLtoKinesisFirehoseRole")["Role"]["AssumeRolePolicyDocument"]
    narrow = json.dumps(trust).replace(f"arn:*:logs:*:{B}:*", f"arn:*:logs:*:{A}:log-group:other:*")
    iam.update_assume_role_policy(RoleName="CWLtoKinesisFirehoseRole", PolicyDocument=narrow)
    try:
        assert losses(deployed, timeout=25) == {(B, region): "role" for region in REGIONS}
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


def test_drift_is_found_in_each_place_and_fixed_by_its_remedy(deployed: Stacks) -> None:
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
    assert losses(deployed, timeout=25) == {
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


def test_a_bucket_that_denies_objects_is_found_with_the_error_of_firehose(deployed: Stacks) -> None:
    s3, bucket = deployed.client("s3", account=HOME), deployed.outputs("archive")["bucket"]
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    statements = [*json.loads(policy)["Statement"], denied]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    try:
        printed = ops(deployed, "verify", "-s", "app-dev", "--timeout", "15", "--json", config=CONFIG, status=1)
    finally:
        s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert {each["loss"]["stage"] for each in json.loads(printed)["verdicts"]} == {"bucket"}
    assert f"S3.AccessDenied: Access was denied to {bucket}" in printed


def test_with_an_admitted_organization_the_roles_of_filters_are_checked(deployed: Stacks) -> None:
    archive = {**ARCHIVE, "senders": {"organization": "o-exampleorg1"}}
    config = {**CONFIG, "filterRoles": True}
    prepare([deployed.write({**config, "archive": archive, "archiveStack": ""})], deployed.instance.environment())
    deployed.up("app-dev", config)
    deployed.up("archive", {"archive": archive, "retain": False})
    assert losses(deployed, status=0) == {}
    iam, role = deployed.client("iam", account=A), {"RoleName": FILTER_ROLE, "PolicyName": "put-events"}
    document = iam.get_role_policy(**role)["PolicyDocument"]
    iam.delete_role_policy(**role)
    assert losses(deployed, timeout=25) == {(A, region): "role of the filter" for region in REGIONS}
    iam.put_role_policy(**role, PolicyDocument=json.dumps(document))


def test_a_deleted_stream_is_found(deployed: Stacks) -> None:
    firehose = deployed.client("firehose", account=HOME)
    (name,) = firehose.list_delivery_streams()["DeliveryStreamNames"]
    firehose.delete_delivery_stream(DeliveryStreamName=name)
    assert losses(deployed, timeout=8) == {(account, region): "stream" for account in (A, B) for region in REGIONS}


def test_the_verifier_roles_have_the_permissions_that_it_uses_and_no_others(deployed: Stacks) -> None:
    # Of all calls in the tests above: where an event is lost, it checks more.
    mine = [
        call for call in deployed.ask("calls") if ":assumed-role/central-log-archive-verifier/" in call["principal"]
    ]
    assert [call for call in mine if not call["allowed"]] == []
    for template, accounts in (("archive-account.yaml", {HOME}), ("application-account.yaml", {A, B})):
        asked = {call["action"] for call in mine if call["principal"].split(":")[4] in accounts}
        # S3 decrypts on behalf of the caller; the emulator does not check that. `ops integrity` needs the others.
        assert actions(template, "Verifier") - {"kms:Decrypt", "kms:Verify", "s3:ListBucketVersions"} == asked


def test_what_cannot_be_found_out_has_its_own_exit_status(deployed: Stacks) -> None:
    assert "has no applications" in ops(deployed, "verify", "-s", "archive", config={"archive": ARCHIVE}, status=2)
    nobody = {**CONFIG, "archiveStack": "nobody"}
    assert "stack nobody cannot be read" in ops(deployed, "verify", "-s", "app-dev", config=nobody, status=2)
    stranger = {**CONFIG, "applications": [{**CONFIG["applications"][0], "account": "777777777777"}]}  # type: ignore[dict-item]
    assert "AccessDenied" in ops(deployed, "verify", "-s", "app-dev", config=stranger, status=2)
