"""The example stacks on the real engine: deployment, drift, errors, teardown. The tests run in their order."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.prepare import prepare
from sandbox.server import ROOT
from tests.sandbox.existing_archive import eventually
from tests.sandbox.stacks import EXAMPLES, Stacks, archived, left_behind, write
from tests.stacks import EXAMPLES_FOLDER, config_of
from topology.stacks import files_in

SHOP = {
    "account": "222222222222",
    "alias": "shop-dev",
    "regions": {"eu-west-1": {"logGroups": ["aws-waf-logs-shop"]}},
}


@pytest.fixture(scope="module")
def deployed(stacks: Stacks) -> Iterator[Stacks]:
    """Deploy the example stacks; destroying them must leave nothing behind."""
    files = {file: file.read_bytes() for file in files_in(EXAMPLES_FOLDER)}
    for stack in EXAMPLES:
        stacks.up(stack)
    yield stacks
    for stack in reversed(EXAMPLES):
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)
    assert {file: file.read_bytes() for file in files_in(EXAMPLES_FOLDER)} == files
    assert left_behind(stacks) == []


@pytest.mark.parametrize("stack", EXAMPLES)
def test_a_second_preview_changes_nothing(deployed: Stacks, stack: str) -> None:
    deployed.pulumi("preview", "--expect-no-changes", "-s", stack)


@pytest.mark.parametrize("stack", EXAMPLES)
def test_a_refresh_finds_no_drift(deployed: Stacks, stack: str) -> None:
    deployed.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "-s", stack)
    deployed.pulumi("preview", "--expect-no-changes", "-s", stack)


def test_a_setting_that_was_changed_outside_pulumi_is_found_and_restored(deployed: Stacks) -> None:
    bucket = deployed.outputs("archive")["bucket"]
    s3 = deployed.client("s3", account="111111111111")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    deployed.pulumi("refresh", "--yes", "--skip-preview", "-s", "archive")
    changed = [step for step in deployed.preview("archive") if step["op"] != "same"]
    assert [step["urn"].rsplit("::", 1)[-1] for step in changed] == ["archive-bucket-versioning"]
    deployed.up("archive")
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_a_filter_that_was_deleted_outside_pulumi_is_recreated(deployed: Stacks) -> None:
    logs = deployed.client("logs", account="222222222222")
    logs.delete_subscription_filter(logGroupName="aws-waf-logs-shop", filterName="central-log-archive.eu-west-1")
    deployed.pulumi("refresh", "--yes", "--skip-preview", "-s", "app-dev")
    deployed.up("app-dev")
    filters = logs.describe_subscription_filters(logGroupName="aws-waf-logs-shop")["subscriptionFilters"]
    assert [each["filterName"] for each in filters] == ["central-log-archive.eu-west-1"]


def test_the_bucket_is_private_encrypted_versioned_and_denies_plain_http(deployed: Stacks) -> None:
    s3, bucket = deployed.client("s3", account="111111111111"), deployed.outputs("archive")["bucket"]
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert rule["BlockedEncryptionTypes"]["EncryptionType"] == ["SSE-C"]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_an_account_that_the_archive_does_not_admit_fails_at_preview(deployed: Stacks) -> None:
    config = {"archiveStack": "archive", "applications": [{**SHOP, "account": "555555555555"}]}
    prepare([deployed.write(config), EXAMPLES_FOLDER / "Pulumi.archive.yaml"], deployed.instance.environment())
    printed = deployed.pulumi("preview", "-s", "stranger", config=config, ok=False)
    assert "account 555555555555: the archive does not admit it" in printed
    assert 'add "555555555555" to archive.senders.accounts in Pulumi.archive.yaml' in printed


def test_a_region_that_the_archive_does_not_serve_fails_at_preview(deployed: Stacks) -> None:
    regions = {"ap-south-1": {"logGroups": ["a"]}}
    config = {"archiveStack": "archive", "applications": [{**SHOP, "regions": regions}]}
    prepare([deployed.write(config), EXAMPLES_FOLDER / "Pulumi.archive.yaml"], deployed.instance.environment())
    printed = deployed.pulumi("preview", "-s", "elsewhere", config=config, ok=False)
    assert "region ap-south-1: the archive does not serve the region; it serves eu-west-1, us-east-1" in printed
    assert "Traceback" not in printed


def test_entries_that_select_nothing_are_reported_together_and_nothing_is_changed(deployed: Stacks) -> None:
    groups = ["aws-waf-logs-shpo", "nothing-like-*"]
    config = {"archiveStack": "archive", "applications": [{**SHOP, "regions": {"eu-west-1": {"logGroups": groups}}}]}
    printed = deployed.up("app-dev", config, ok=False)
    assert "Pulumi.app-dev.yaml has 2 problems:" in printed
    where = "applications, account 222222222222, region eu-west-1: "
    assert (
        f"{where}the log group aws-waf-logs-shpo does not exist; did you mean aws-waf-logs-shop? create it" in printed
    )
    assert f"{where}the pattern nothing-like-* matches no log group; correct or remove it" in printed
    assert "Traceback" not in printed
    deployed.pulumi("preview", "--expect-no-changes", "-s", "app-dev")


def test_a_preview_shows_the_log_groups_that_join_and_leave_a_pattern(deployed: Stacks) -> None:
    logs = deployed.client("logs", account="222222222222")
    regions = {
        "eu-west-1": {
            "logGroups": ["/aws/lambda/*", {"name": "/aws/lambda/checkout", "filterPattern": "ERROR"}],
            "exclude": ["/aws/lambda/noisy-*"],
        }
    }
    config = {"archiveStack": "archive", "applications": [{**SHOP, "regions": regions}]}
    for name in ("/aws/lambda/cart", "/aws/lambda/noisy-poller"):
        logs.create_log_group(logGroupName=name)

    def changes() -> dict[str, str]:
        steps = deployed.preview("app-dev", config)
        return {
            step["urn"].rsplit("::", 1)[-1]: step["op"]
            for step in steps
            if ":LogSubscriptionFilter::" in step["urn"] and step["op"] != "same"
        }

    joins, stays = "shop-dev-filter-/aws/lambda/cart-eu-west-1", "shop-dev-filter-/aws/lambda/checkout-eu-west-1"
    shown = changes()
    assert (shown[joins], shown[stays]) == ("create", "update")
    assert not [name for name in shown if "noisy" in name]
    deployed.up("app-dev", config)
    write(deployed, "of a pattern", group="/aws/lambda/cart")
    bucket = deployed.outputs("archive")["bucket"]
    assert eventually(lambda: "of a pattern" in json.dumps(archived(deployed, bucket)))
    logs.create_log_group(logGroupName="/aws/lambda/payment")
    assert changes() == {"shop-dev-filter-/aws/lambda/payment-eu-west-1": "create"}
    logs.delete_log_group(logGroupName="/aws/lambda/payment")
    logs.delete_log_group(logGroupName="/aws/lambda/cart")
    assert changes() == {joins: "delete"}
    deployed.up("app-dev")


def test_what_leaves_the_file_loses_its_filter_and_nothing_else(deployed: Stacks) -> None:
    def filters(region: str, group: str) -> list[str]:
        logs = deployed.client("logs", account="222222222222", region=region)
        return [
            each["filterName"] for each in logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
        ]

    destination = deployed.outputs("archive")["destinations"]["eu-west-1"]
    logs = deployed.client("logs", account="222222222222")
    siem = {"logGroupName": "aws-waf-logs-shop", "filterName": "siem"}
    logs.put_subscription_filter(**siem, filterPattern="", destinationArn=destination)
    assert filters("us-east-1", "aws-waf-logs-cdn") == ["central-log-archive.us-east-1"]
    regions = {"eu-west-1": {"logGroups": ["/aws/lambda/checkout"]}}  # a region and a log group have left
    deployed.up("app-dev", {"archiveStack": "archive", "applications": [{**SHOP, "regions": regions}]})
    assert filters("eu-west-1", "aws-waf-logs-shop") == ["siem"]
    assert filters("us-east-1", "aws-waf-logs-cdn") == []
    assert filters("eu-west-1", "/aws/lambda/checkout") == ["central-log-archive.eu-west-1"]
    deployed.up("app-dev")
    assert filters("eu-west-1", "aws-waf-logs-shop") == ["central-log-archive.eu-west-1", "siem"]
    logs.delete_subscription_filter(**siem)


def test_system_fields_are_added_to_every_event_until_they_are_removed(deployed: Stacks) -> None:
    application = {**SHOP, "emitSystemFields": ["@aws.region", "@source.log"]}
    config = {"archiveStack": "archive", "applications": [application]}
    deployed.up("app-dev", config)
    deployed.pulumi("preview", "--expect-no-changes", "-s", "app-dev", config=config)
    deployed.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "-s", "app-dev", config=config)
    bucket = deployed.outputs("archive")["bucket"]

    def extracted(message: str) -> list[object]:
        write(deployed, message)
        assert eventually(lambda: message in json.dumps(archived(deployed, bucket)))
        events = [event for record in archived(deployed, bucket) for event in record["logEvents"]]
        return [event.get("extractedFields") for event in events if event["message"] == message]

    assert extracted("with fields") == [{"@aws.region": "eu-west-1", "@source.log": "aws-waf-logs-shop"}]
    deployed.up("app-dev")
    assert extracted("without fields") == [None]


def test_all_archives_a_log_group_that_is_created_after_up_and_nothing_twice(deployed: Stacks) -> None:
    logs = deployed.client("logs", account="222222222222")
    regions = {"eu-west-1": {"all": True, "logGroups": ["aws-waf-logs-shop"], "exclude": ["/aws/lambda/noisy-poller"]}}
    config = {"archiveStack": "archive", "applications": [{**SHOP, "regions": regions}]}
    named = (
        "all needs logs:PutAccountPolicy on *, which its deployer role central-log-archive-deployer is not allowed; "
    )
    for command in (["preview"], ["up", "--yes", "--skip-preview"]):
        printed = deployed.pulumi(*command, "-s", "app-dev", config=config, ok=False)
        assert named + "deploy bootstrap/application-account.yaml there again with AccountPolicies=true" in printed
        assert "Traceback" not in printed
    prepare([deployed.write(config), *files_in(EXAMPLES_FOLDER)], deployed.instance.environment())
    deployed.up("app-dev", config)
    deployed.pulumi("preview", "--expect-no-changes", "-s", "app-dev", config=config)
    deployed.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "-s", "app-dev", config=config)
    logs.create_log_group(logGroupName="/created/later")
    for group in ("/created/later", "aws-waf-logs-shop", "/aws/lambda/noisy-poller"):
        write(deployed, f"once, from {group}", group=group)
    bucket = deployed.outputs("archive")["bucket"]
    assert eventually(lambda: "once, from /created/later" in json.dumps(archived(deployed, bucket)))
    assert eventually(lambda: deployed.ask("idle")["idle"])
    text = json.dumps(archived(deployed, bucket))
    groups = {"/created/later": 1, "aws-waf-logs-shop": 1, "/aws/lambda/noisy-poller": 0}
    assert {group: text.count(f"once, from {group}") for group in groups} == groups
    deployed.up("app-dev")
    assert logs.describe_account_policies(policyType="SUBSCRIPTION_FILTER_POLICY")["accountPolicies"] == []
    logs.delete_log_group(logGroupName="/created/later")
    logs.delete_log_group(logGroupName="/aws/lambda/noisy-poller")


def test_an_archive_stack_that_is_not_deployed_is_reported(deployed: Stacks) -> None:
    config = {"archiveStack": "app-dev", "applications": [SHOP]}
    printed = deployed.pulumi("preview", "-s", "lost", config=config, ok=False)
    assert "stack app-dev has no destinations; deploy it first (pulumi up -s app-dev)" in printed


def test_every_problem_of_a_stack_file_is_reported_without_a_traceback(stacks: Stacks) -> None:
    archive = {**config_of("archive")["archive"], "account": 111111111111, "region": "eu-west-9"}
    printed = stacks.pulumi("preview", "-s", "wrong", config={"archive": archive}, ok=False)
    assert "Pulumi.wrong.yaml has 2 problems:" in printed
    assert "archive.account: is an unquoted number" in printed
    assert '"eu-west-9" is not an AWS Region' in printed
    assert "Traceback" not in printed


def test_a_deployer_role_that_is_missing_fails_at_preview_with_its_name(stacks: Stacks) -> None:
    archive = {**config_of("archive")["archive"], "deployerRole": "nobody"}
    printed = stacks.pulumi("preview", "-s", "nobody", config={"archive": archive}, ok=False)
    assert "cannot assume the role arn:aws:iam::111111111111:role/nobody" in printed


def test_an_application_account_that_cannot_be_read_is_reported_with_its_role(deployed: Stacks) -> None:
    config = {"archiveStack": "archive", "applications": [{**SHOP, "deployerRole": "nobody"}]}
    printed = deployed.pulumi("preview", "-s", "nobody", config=config, ok=False)
    role = "arn:aws:iam::222222222222:role/nobody"
    assert f"account 222222222222: cannot be read through its deployer role {role}: An error occurred (Acc" in printed
    assert "Traceback" not in printed


def test_subscriptions_of_others_are_reported_at_preview(deployed: Stacks) -> None:
    logs = deployed.client("logs", account="222222222222")
    destination = deployed.outputs("archive")["destinations"]["eu-west-1"]
    logs.create_log_group(logGroupName="/busy")
    logs.create_log_group(logGroupName="/rare", logGroupClass="INFREQUENT_ACCESS")
    for name in ("first", "second"):
        logs.put_subscription_filter(
            logGroupName="/busy", filterName=name, filterPattern="", destinationArn=destination
        )
    document = json.dumps({"DestinationArn": destination, "FilterPattern": ""})
    policy = {"policyName": "other", "policyType": "SUBSCRIPTION_FILTER_POLICY"}
    logs.put_account_policy(**policy, policyDocument=document)
    regions = {"eu-west-1": {"all": True, "logGroups": ["/busy", "/rare"]}}
    config = {"archiveStack": "archive", "applications": [{**SHOP, "regions": regions}]}
    try:
        rejected = deployed.pulumi("preview", "-s", "app-dev", config=config, ok=False)
        logs.delete_account_policy(**policy)
        regions["eu-west-1"]["logGroups"] = ["/busy"]
        warned = deployed.pulumi("preview", "-s", "app-dev", config=config)
    finally:
        for group in ("/busy", "/rare"):
            logs.delete_log_group(logGroupName=group)
    assert "has 2 problems:" in rejected
    assert "all: the account already has the policy other" in rejected
    assert "the log group /rare is of class INFREQUENT_ACCESS" in rejected
    assert "the log group /busy has 2 other subscription filters" in warned
    assert "only log groups of class STANDARD support subscription filters: /rare" in warned


def test_a_preview_of_new_resources_shows_their_names_but_not_their_arns(deployed: Stacks) -> None:
    archive = {**config_of("archive")["archive"], "senderRoleName": "other", "alias": "other"}
    steps = {step["urn"].rsplit("::", 1)[-1]: step for step in deployed.preview("other", {"archive": archive})}
    assert steps["archive-stream"]["newState"]["inputs"]["name"].startswith("archive-stream-")
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    assert steps["archive-destination-eu-west-1"]["newState"]["inputs"]["targetArn"] == unknown


def test_one_stack_with_both_sections_admits_and_serves_what_it_uses(stacks: Stacks) -> None:
    payments = {
        "account": "444444444444",
        "regions": {"us-east-1": {"logGroups": [{"name": "/created/here", "create": True, "retentionDays": 7}]}},
    }
    config: dict[str, Any] = {
        "archive": {"account": "111111111111", "region": "eu-west-1", "senderRoleName": "CWLtoKinesisFirehoseRole"},
        "applications": [payments],
    }
    for stack in EXAMPLES:  # the name of the sender role has to be free
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)
    prepare([stacks.write(config)], stacks.instance.environment())
    stacks.up("one", config)
    outputs = stacks.outputs("one")
    assert outputs["admittedAccounts"] == ["444444444444"]
    assert list(outputs["destinations"]) == ["us-east-1"]
    logs = stacks.client("logs", account="444444444444", region="us-east-1")
    logs.create_log_stream(logGroupName="/created/here", logStreamName="s")
    logs.put_log_events(logGroupName="/created/here", logStreamName="s", logEvents=[{"timestamp": 1, "message": "x"}])
    s3 = stacks.client("s3", account="111111111111")
    assert eventually(lambda: s3.list_objects_v2(Bucket=outputs["bucket"], Prefix="logs/")["KeyCount"] > 0)
    stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", "one", config=config)
    assert "/created/here" not in [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]


def test_an_account_that_leaves_the_senders_leaves_every_policy_in_one_update(stacks: Stacks) -> None:
    for stack in EXAMPLES[:2]:
        stacks.up(stack)
    archive = config_of("archive")["archive"]
    stacks.up("archive", {"archive": {**archive, "senders": {"accounts": ["333333333333"]}}})
    for region in ("eu-west-1", "us-east-1"):
        (destination,) = stacks.client("logs", account="111111111111", region=region).describe_destinations()[
            "destinations"
        ]
        (statement,) = json.loads(destination["accessPolicy"])["Statement"]
        assert statement["Principal"] == {"AWS": ["333333333333"]}
    trust = stacks.client("iam", account="111111111111").get_role(RoleName="CWLtoKinesisFirehoseRole")["Role"]
    assert "222222222222" not in json.dumps(trust["AssumeRolePolicyDocument"])
    write(stacks, "too late")
    assert eventually(lambda: stacks.ask("idle")["idle"])
    assert "too late" not in json.dumps(archived(stacks, stacks.outputs("archive")["bucket"]))
    for stack in EXAMPLES[1::-1]:
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)


def test_a_resource_without_an_explicit_provider_fails_at_preview(stacks: Stacks, tmp_path: Path) -> None:
    """Pulumi.yaml is the project's; only the program differs."""
    (tmp_path / "Pulumi.yaml").write_bytes((ROOT / "Pulumi.yaml").read_bytes())
    (tmp_path / "__main__.py").write_text("import pulumi_aws as aws\naws.s3.Bucket('forgotten')\n")
    stacks.pulumi("stack", "ls", "-s", "forgetful")  # creates the stack
    done = subprocess.run(
        ["pulumi", "preview", "-s", "forgetful"],
        cwd=tmp_path,
        env=stacks.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Default provider for 'aws' disabled" in done.stdout + done.stderr
