"""The committed stacks on the real engine: up, no drift, refresh, refusals, destroy. The tests run in their order."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from components import documents
from sandbox.command import arguments_for
from sandbox.prepare import prepare
from sandbox.server import ROOT
from tests.graph.recorder import config_of
from tests.graph.test_program import BUCKET
from tests.sandbox.by_hand import eventually
from tests.sandbox.stacks import EXAMPLES, Stacks

SHOP = {
    "account": "222222222222",
    "alias": "shop-dev",
    "regions": {"eu-west-1": {"logGroups": ["aws-waf-logs-shop"]}},
}


@pytest.fixture(scope="module")
def deployed(stacks: Stacks) -> Iterator[Stacks]:
    """The example stacks, up; destroying them has to leave nothing behind."""
    files = {stack: (ROOT / f"Pulumi.{stack}.yaml").read_bytes() for stack in EXAMPLES}
    for stack in EXAMPLES:
        stacks.up(stack)
    yield stacks
    for stack in reversed(EXAMPLES):
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)
    assert {stack: (ROOT / f"Pulumi.{stack}.yaml").read_bytes() for stack in EXAMPLES} == files
    assert left_behind(stacks) == []


def left_behind(stacks: Stacks) -> list[str]:
    """What is in the accounts beside the deployer roles and the log groups that were there before."""
    archive = "111111111111"
    roles = [role["RoleName"] for role in stacks.client("iam", account=archive).list_roles()["Roles"]]
    left = [role for role in roles if role != "central-log-archive-deployer"]
    left += [bucket["Name"] for bucket in stacks.client("s3", account=archive).list_buckets()["Buckets"]]
    left += [f["FunctionName"] for f in stacks.client("lambda", account=archive).list_functions()["Functions"]]
    left += stacks.client("firehose", account=archive).list_delivery_streams()["DeliveryStreamNames"]
    for region in ("eu-west-1", "us-east-1"):
        left += [t["TopicArn"] for t in stacks.client("sns", account=archive, region=region).list_topics()["Topics"]]
        for account in (archive, "222222222222"):
            alarms = stacks.client("cloudwatch", account=account, region=region).describe_alarms()["MetricAlarms"]
            left += [alarm["AlarmArn"] for alarm in alarms]
        logs = stacks.client("logs", account=archive, region=region)
        left += [destination["arn"] for destination in logs.describe_destinations()["destinations"]]
        left += [group["arn"] for group in logs.describe_log_groups()["logGroups"]]
        for account in ("222222222222", "333333333333", "444444444444"):
            logs = stacks.client("logs", account=account, region=region)
            for group in logs.describe_log_groups()["logGroups"]:
                filters = logs.describe_subscription_filters(logGroupName=group["logGroupName"])
                left += [each["filterName"] for each in filters["subscriptionFilters"]]
    return left


def write(stacks: Stacks, message: str, *, account: str = "222222222222", group: str = "aws-waf-logs-shop") -> None:
    """Write an event into a log group, by default one of the example stack app-dev."""
    logs = stacks.client("logs", account=account)
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName=group, logStreamName="s")
    events = [{"timestamp": int(time.time() * 1000), "message": message}]
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)


def archived(
    stacks: Stacks, bucket: str, prefix: str = "logs/", *, account: str = "111111111111"
) -> list[dict[str, Any]]:
    """The records under a prefix of a bucket, unpacked."""
    s3 = stacks.client("s3", account=account)
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]
    bodies = [gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]
    return [json.loads(line) for body in bodies for line in body.splitlines()]


@pytest.mark.parametrize("stack", EXAMPLES)
def test_a_second_preview_changes_nothing(deployed: Stacks, stack: str) -> None:
    deployed.pulumi("preview", "--expect-no-changes", "-s", stack)


@pytest.mark.parametrize("stack", EXAMPLES)
def test_a_refresh_finds_no_drift(deployed: Stacks, stack: str) -> None:
    deployed.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "-s", stack)
    deployed.pulumi("preview", "--expect-no-changes", "-s", stack)


def test_a_setting_that_someone_changed_by_hand_is_found_and_mended(deployed: Stacks) -> None:
    bucket = deployed.outputs("archive")["bucket"]
    s3 = deployed.client("s3", account="111111111111")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    deployed.pulumi("refresh", "--yes", "--skip-preview", "-s", "archive")
    changed = [step for step in deployed.preview("archive") if step["op"] != "same"]
    assert [step["urn"].rsplit("::", 1)[-1] for step in changed] == ["archive-bucket-versioning"]
    deployed.up("archive")
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_a_filter_that_someone_deleted_by_hand_is_made_again(deployed: Stacks) -> None:
    logs = deployed.client("logs", account="222222222222")
    logs.delete_subscription_filter(logGroupName="aws-waf-logs-shop", filterName="central-log-archive.eu-west-1")
    deployed.pulumi("refresh", "--yes", "--skip-preview", "-s", "app-dev")
    deployed.up("app-dev")
    filters = logs.describe_subscription_filters(logGroupName="aws-waf-logs-shop")["subscriptionFilters"]
    assert [each["filterName"] for each in filters] == ["central-log-archive.eu-west-1"]


def test_the_bucket_is_private_encrypted_versioned_and_refuses_plain_http(deployed: Stacks) -> None:
    s3, bucket = deployed.client("s3", account="111111111111"), deployed.outputs("archive")["bucket"]
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_an_account_that_the_archive_does_not_admit_fails_at_preview(deployed: Stacks) -> None:
    config = {"archiveStack": "archive", "applications": [{**SHOP, "account": "555555555555"}]}
    printed = deployed.pulumi("preview", "-s", "stranger", config=config, ok=False)
    assert "account 555555555555: the archive does not admit it" in printed
    assert 'add "555555555555" to archive.senders.accounts in Pulumi.archive.yaml' in printed


def test_a_region_that_the_archive_does_not_serve_fails_at_preview(deployed: Stacks) -> None:
    regions = {"ap-south-1": {"logGroups": ["a"]}}
    config = {"archiveStack": "archive", "applications": [{**SHOP, "regions": regions}]}
    printed = deployed.pulumi("preview", "-s", "elsewhere", config=config, ok=False)
    assert "region ap-south-1: the archive does not serve the region; it serves eu-west-1, us-east-1" in printed
    assert "Traceback" not in printed


def test_an_archive_stack_that_is_not_up_is_named(deployed: Stacks) -> None:
    config = {"archiveStack": "app-dev", "applications": [SHOP]}
    printed = deployed.pulumi("preview", "-s", "lost", config=config, ok=False)
    assert "stack app-dev has no destinations: bring it up first (pulumi up -s app-dev)" in printed


def test_every_problem_of_a_stack_file_is_told_without_a_traceback(stacks: Stacks) -> None:
    archive = {**config_of("archive")["archive"], "account": 111111111111, "region": "eu-west-9"}
    printed = stacks.pulumi("preview", "-s", "wrong", config={"archive": archive}, ok=False)
    assert "Pulumi.wrong.yaml has 2 problems:" in printed
    assert "archive.account: is an unquoted number" in printed
    assert '"eu-west-9" is not a region of AWS' in printed
    assert "Traceback" not in printed


def test_a_deployer_role_that_is_missing_fails_at_preview_with_its_name(stacks: Stacks) -> None:
    archive = {**config_of("archive")["archive"], "deployerRole": "nobody"}
    printed = stacks.pulumi("preview", "-s", "nobody", config={"archive": archive}, ok=False)
    assert "cannot assume the role arn:aws:iam::111111111111:role/nobody" in printed


def test_a_preview_of_new_resources_knows_their_names_and_not_their_arns(deployed: Stacks) -> None:
    archive = {**config_of("archive")["archive"], "senderRoleName": "other", "alias": "other"}
    steps = {step["urn"].rsplit("::", 1)[-1]: step for step in deployed.preview("other", {"archive": archive})}
    assert steps["archive-stream"]["newState"]["inputs"]["name"].startswith("archive-stream-")
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    assert steps["archive-destination-eu-west-1"]["newState"]["inputs"]["targetArn"] == unknown


def test_one_stack_with_both_sections_admits_and_serves_what_it_uses(stacks: Stacks) -> None:
    payments = {
        "account": "444444444444",
        "regions": {"us-east-1": {"logGroups": [{"name": "/made/here", "create": True, "retentionDays": 7}]}},
    }
    config: dict[str, Any] = {
        "archive": {"account": "111111111111", "region": "eu-west-1", "senderRoleName": "CWLtoKinesisFirehoseRole"},
        "applications": [payments],
    }
    for stack in EXAMPLES:  # one graph would take the sender role's name
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)
    stacks.up("one", config)
    outputs = stacks.outputs("one")
    assert outputs["admittedAccounts"] == ["444444444444"]
    assert list(outputs["destinations"]) == ["us-east-1"]
    logs = stacks.client("logs", account="444444444444", region="us-east-1")
    logs.create_log_stream(logGroupName="/made/here", logStreamName="s")
    logs.put_log_events(logGroupName="/made/here", logStreamName="s", logEvents=[{"timestamp": 1, "message": "x"}])
    s3 = stacks.client("s3", account="111111111111")
    assert eventually(lambda: s3.list_objects_v2(Bucket=outputs["bucket"], Prefix="logs/")["KeyCount"] > 0)
    stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", "one", config=config)
    assert "/made/here" not in [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]


def test_the_members_of_an_organization_send_with_roles_of_their_own_and_a_stranger_may_not(stacks: Stacks) -> None:
    archive = {**config_of("archive")["archive"], "senders": {"organization": "o-exampleorg1"}}
    applications = {**config_of("app-dev"), "filterRoles": True}
    file = stacks.write({"archive": archive, "applications": applications["applications"]})
    prepare([file], stacks.instance.environment())
    stacks.up("archive", {"archive": archive})
    printed = stacks.pulumi("preview", "-s", "app-dev", ok=False)
    assert "set filterRoles: true in Pulumi.app-dev.yaml" in printed
    stacks.up("app-dev", applications)
    write(stacks, "x")
    bucket = stacks.outputs("archive")["bucket"]
    assert eventually(lambda: "222222222222" in {record["owner"] for record in archived(stacks, bucket)})
    assert "AccessDenied" in stacks.up("app-prod", {**config_of("app-prod"), "filterRoles": True}, ok=False)
    for stack in reversed(EXAMPLES):
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)
    assert left_behind(stacks) == []


def test_a_bucket_keeps_moves_locks_and_logs_as_the_stack_file_says(stacks: Stacks) -> None:
    s3 = stacks.client("s3", account="111111111111")
    s3.create_bucket(Bucket="access-logs", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    archive = config_of("archive")["archive"]
    config = {"archive": {**archive, "bucket": BUCKET}}
    stacks.up("archive", config)
    bucket = stacks.outputs("archive")["bucket"]
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert {each["StorageClass"]: each["Days"] for each in rule["Transitions"]} == {"STANDARD_IA": 30, "GLACIER": 90}
    assert rule["Expiration"]["Days"] == 730
    lock = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert (lock["Mode"], lock["Days"]) == ("GOVERNANCE", 365)
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]["TargetBucket"] == "access-logs"
    stacks.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "-s", "archive", config=config)
    stacks.pulumi("preview", "--expect-no-changes", "-s", "archive", config=config)
    stacks.up("archive")
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert "Expiration" not in rule
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    assert eventually(lambda: stacks.ask("idle")["idle"])
    for version in s3.list_object_versions(Bucket=bucket)["Versions"]:  # locked: else the bucket could not go
        locked = {"Bucket": bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
        with pytest.raises(s3.exceptions.ClientError, match="object protected by object lock"):
            s3.delete_object(**locked)
        s3.delete_object(**locked, BypassGovernanceRetention=True)
    stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", "archive")
    s3.delete_bucket(Bucket="access-logs")
    assert left_behind(stacks) == []


def test_events_arrive_in_an_existing_bucket_which_is_left_as_it_is(stacks: Stacks) -> None:
    s3 = stacks.client("s3", account="111111111111")
    s3.create_bucket(Bucket="there-already", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    config = {"archive": {**config_of("archive")["archive"], "existingBucket": "there-already"}}
    prepare([stacks.write(config)], stacks.instance.environment())
    printed = stacks.pulumi("preview", "-s", "archive", config=config)
    assert "The bucket there-already has no versioning, and is left as it is: enable it" in printed
    assert "The bucket there-already takes requests without TLS" in printed
    stacks.up("archive", config)
    assert eventually(lambda: archived(stacks, "there-already") != [])
    stacks.pulumi("preview", "--expect-no-changes", "-s", "archive", config=config)
    assert "Status" not in s3.get_bucket_versioning(Bucket="there-already")
    stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", "archive", config=config)
    assert archived(stacks, "there-already") != []
    empty(s3, "there-already")
    assert left_behind(stacks) == []


def test_events_arrive_in_a_bucket_of_another_account_once_its_owner_allows_it(stacks: Stacks) -> None:
    s3 = stacks.client("s3", account="666666666666")
    s3.create_bucket(Bucket="of-others", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    existing = {"name": "of-others", "account": "666666666666"}
    config = {"archive": {**config_of("archive")["archive"], "existingBucket": existing}}
    stacks.up("archive", config)
    stacks.up("app-dev")
    assert eventually(lambda: stacks.ask("idle")["idle"])
    assert s3.list_objects_v2(Bucket="of-others")["KeyCount"] == 0
    s3.put_bucket_policy(Bucket="of-others", Policy=stacks.outputs("archive")["requiredBucketPolicy"])
    write(stacks, "allowed now")
    assert eventually(lambda: "allowed now" in json.dumps(archived(stacks, "of-others", account="666666666666")))
    for stack, settings in (("app-dev", None), ("archive", config)):
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack, config=settings)
    empty(s3, "of-others")
    assert left_behind(stacks) == []


def empty(s3: Any, bucket: str) -> None:  # noqa: ANN401 - boto3
    """Delete a bucket with all that is in it."""
    for item in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        s3.delete_object(Bucket=bucket, Key=item["Key"])
    s3.delete_bucket(Bucket=bucket)


def encrypted_with(stacks: Stacks, bucket: str) -> set[str | None]:
    """The keys of all objects in a bucket."""
    s3 = stacks.client("s3", account="111111111111")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return {s3.head_object(Bucket=bucket, Key=key).get("SSEKMSKeyId") for key in keys}


def test_a_key_made_by_the_archive_encrypts_what_arrives_and_nothing_arrives_once_it_is_disabled(
    stacks: Stacks,
) -> None:
    config = {"archive": {**config_of("archive")["archive"], "key": "create"}}
    kms = stacks.client("kms", account="111111111111")
    stacks.up("archive", config)
    stacks.up("app-dev")
    bucket, stream = (stacks.outputs("archive")[key] for key in ("bucket", "stream"))
    (key,) = (each["KeyArn"] for each in kms.list_keys()["Keys"])
    write(stacks, "sealed")
    assert eventually(lambda: "sealed" in json.dumps(archived(stacks, bucket)))
    assert encrypted_with(stacks, bucket) == {key}
    firehose = stacks.client("firehose", account="111111111111")
    described = firehose.describe_delivery_stream(DeliveryStreamName=stream)["DeliveryStreamDescription"]
    assert described["DeliveryStreamEncryptionConfiguration"]["KeyARN"] == key
    (errors,) = stacks.client("logs", account="111111111111").describe_log_groups()["logGroups"]
    assert errors["kmsKeyId"] == key
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
    stacks.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "-s", "archive", config=config)
    stacks.pulumi("preview", "--expect-no-changes", "-s", "archive", config=config)
    kms.disable_key(KeyId=key)
    write(stacks, "no key")
    assert eventually(lambda: stacks.ask("idle")["idle"])
    kms.enable_key(KeyId=key)
    assert "no key" not in json.dumps(archived(stacks, bucket))
    stacks.up("archive")  # back to keys of AWS
    (errors,) = stacks.client("logs", account="111111111111").describe_log_groups()["logGroups"]
    assert "kmsKeyId" not in errors
    write(stacks, "open")
    assert eventually(lambda: None in encrypted_with(stacks, bucket))
    for stack in EXAMPLES[1::-1]:
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)
    assert left_behind(stacks) == []
    assert {kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]} == {"PendingDeletion"}


def test_a_given_key_serves_once_its_policy_lets_the_archive_use_it(stacks: Stacks) -> None:
    kms, s3 = (stacks.client(service, account="111111111111") for service in ("kms", "s3"))
    key = kms.create_key()["KeyMetadata"]["Arn"]
    config = {"archive": {**config_of("archive")["archive"], "key": key}}
    prepare([stacks.write(config)], stacks.instance.environment())
    assert "not allowed to be used" in stacks.up("archive", config, ok=False)
    (bucket,) = (each["Name"] for each in s3.list_buckets()["Buckets"])
    policy = documents.key_policy(
        home_region="eu-west-1",
        account="111111111111",
        bucket_arn=f"arn:aws:s3:::{bucket}",
        log_groups=["archive-delivery-errors-*"],
    )
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
    stacks.up("archive", config)
    assert eventually(lambda: encrypted_with(stacks, bucket) == {key})
    stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", "archive", config=config)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"


def test_the_archives_own_log_groups_arrive_beside_those_of_the_applications(stacks: Stacks) -> None:
    config = {"archive": {**config_of("archive")["archive"], "ownLogGroups": ["aws-waf-logs-central"]}}
    prepare([stacks.write(config)], stacks.instance.environment())
    stacks.up("archive", config)
    write(stacks, "of our own", account="111111111111", group="aws-waf-logs-central")
    bucket = stacks.outputs("archive")["bucket"]
    assert eventually(lambda: "of our own" in json.dumps(archived(stacks, bucket)))
    stacks.pulumi("preview", "--expect-no-changes", "-s", "archive", config=config)
    stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", "archive", config=config)
    stacks.client("logs", account="111111111111").delete_log_group(logGroupName="aws-waf-logs-central")
    assert left_behind(stacks) == []


def test_a_layout_by_account_takes_a_new_stream_and_turns_every_destination_to_it(stacks: Stacks) -> None:
    for stack in EXAMPLES[:2]:
        stacks.up(stack)
    bucket, old = (stacks.outputs("archive")[key] for key in ("bucket", "stream"))
    archive = {**config_of("archive")["archive"], "delivery": {"layout": "partitioned"}}
    told = "The layout changes from dated to partitioned, which AWS does only by a new stream"
    assert told in stacks.pulumi("preview", "-s", "archive", config={"archive": archive})
    write(stacks, "before")
    stacks.up("archive", {"archive": archive})
    new = stacks.outputs("archive")["stream"]
    assert new != old
    write(stacks, "after")
    under = "logs/account=222222222222/region=eu-west-1/date="
    assert eventually(lambda: "after" in json.dumps(archived(stacks, bucket, under)))
    assert "before" in json.dumps(archived(stacks, bucket, "logs/date="))
    assert {each["messageType"] for each in archived(stacks, bucket, "control/")} == {"CONTROL_MESSAGE"}
    assert {each["messageType"] for each in archived(stacks, bucket, "logs/account=")} == {"DATA_MESSAGE"}
    firehose = stacks.client("firehose", account="111111111111")
    assert set(firehose.list_delivery_streams()["DeliveryStreamNames"]) == {new}
    stacks.pulumi("preview", "--expect-no-changes", "-s", "archive", config={"archive": archive})
    for stack in EXAMPLES[1::-1]:
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)
    assert left_behind(stacks) == []


WAF = {"timestamp": 1, "action": "BLOCK", "httpRequest": {"clientIp": "192.0.2.1"}}


def test_the_bundled_transform_makes_a_line_of_each_event_in_its_partition(stacks: Stacks) -> None:
    """Its function really runs, in the Python of this machine, with the rights of its role."""
    archive = {
        **config_of("archive")["archive"],
        "delivery": {"layout": "partitioned-by-group"},
        "transform": {"code": "bundled", "backup": True},
        "key": "create",
    }
    stacks.up("archive", {"archive": archive})
    stacks.up("app-dev")
    bucket = stacks.outputs("archive")["bucket"]
    write(stacks, json.dumps(WAF))
    under = "logs/account=222222222222/region=eu-west-1/group=aws-waf-logs-shop/date="
    assert eventually(lambda: archived(stacks, bucket, under) != [])
    (line,) = archived(stacks, bucket, under)
    del line["id"], line["timestamp"]
    assert line == {
        "account": "222222222222",
        "region": "eu-west-1",
        "logGroup": "aws-waf-logs-shop",
        "logStream": "s",
        "message": WAF,
    }
    s3 = stacks.client("s3", account="111111111111")
    kept = s3.list_objects_v2(Bucket=bucket, Prefix="originals/date=")["Contents"]
    originals = b"".join(gzip.decompress(s3.get_object(Bucket=bucket, Key=o["Key"])["Body"].read()) for o in kept)
    assert originals.count(b'"messageType": "DATA_MESSAGE"') == 1
    assert originals.count(b'"messageType": "CONTROL_MESSAGE"') == 2  # one for each region
    roots = {item["Key"].split("/")[0] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert roots == {"logs", "originals"}
    stacks.pulumi(
        "refresh", "--yes", "--skip-preview", "--expect-no-changes", "-s", "archive", config={"archive": archive}
    )
    stacks.pulumi("preview", "--expect-no-changes", "-s", "archive", config={"archive": archive})


def test_what_is_too_much_for_an_answer_is_put_again_by_the_role_of_the_transform(stacks: Stacks) -> None:
    """Continues the test before."""
    bucket = stacks.outputs("archive")["bucket"]
    logs = stacks.client("logs", account="222222222222")
    messages = [f"{index:02d}" + "x" * 250_000 for index in range(80)]  # 20 MB, which gzip makes small
    for some in (messages[start : start + 4] for start in range(0, len(messages), 4)):
        events = [{"timestamp": int(time.time() * 1000), "message": message} for message in some]
        logs.put_log_events(logGroupName="aws-waf-logs-shop", logStreamName="s", logEvents=events)
    under = "logs/account=222222222222/region=eu-west-1/group=aws-waf-logs-shop/date="

    def texts() -> list[str]:
        return sorted(str(line["message"]) for line in archived(stacks, bucket, under) if line["message"] != WAF)

    assert eventually(lambda: len(texts()) >= len(messages))
    assert texts() == messages


def test_a_transform_that_fails_loses_nothing(stacks: Stacks) -> None:
    """Continues the test before: the operator's function, from a folder, refuses every record."""
    folder = Path(tempfile.mkdtemp(dir=ROOT, prefix=".own-"))
    try:
        (folder / "main.py").write_text("def handler(event, context):\n    raise RuntimeError('not today')\n")
        own = {"code": folder.name, "handler": "main.handler", "retries": 1}
        archive = {**config_of("archive")["archive"], "delivery": {"layout": "partitioned-by-group"}, "transform": own}
        told = "The backup of the originals ends, which AWS does only by a new stream"
        assert told in stacks.pulumi("preview", "-s", "archive", config={"archive": archive})
        stacks.up("archive", {"archive": archive})
        bucket = stacks.outputs("archive")["bucket"]
        write(stacks, "kept all the same")
        s3 = stacks.client("s3", account="111111111111")

        def failed() -> list[dict[str, Any]]:
            found = s3.list_objects_v2(Bucket=bucket, Prefix="errors/processing-failed/").get("Contents", [])
            bodies = [s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in found]
            return [json.loads(line) for body in bodies for line in body.splitlines()]

        def raw() -> str:
            return "".join(gzip.decompress(base64.b64decode(line["rawData"])).decode() for line in failed())

        assert eventually(lambda: "kept all the same" in raw())
        assert {(line["errorCode"], line["attemptsMade"]) for line in failed()} == {("Lambda.FunctionError", 2)}
        for stack in EXAMPLES[1::-1]:
            config = {"archive": archive} if stack == "archive" else None
            stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack, config=config)
        assert left_behind(stacks) == []
    finally:
        shutil.rmtree(folder)


@dataclass
class OnCall:
    """A queue that hears what a topic is told: account, alarm and state of each message."""

    sqs: Any
    url: str
    told: set[tuple[str, str, str]] = field(default_factory=set)

    def hears(self, account: str, alarm: str) -> bool:
        """Say whether an alarm of an account has begun, by the start of its name."""
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                told = json.loads(json.loads(message["Body"])["Message"])
                self.told.add((told["AWSAccountId"], told["AlarmName"], told["NewStateValue"]))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return any(one == account and name.startswith(alarm) and now == "ALARM" for one, name, now in self.told)


def test_alarms_of_senders_and_archive_tell_the_topic_of_their_region(stacks: Stacks) -> None:
    archive = {**config_of("archive")["archive"], "alarms": "create"}
    watched = {**config_of("app-dev"), "alarms": True}
    stacks.up("archive")
    printed = stacks.pulumi("preview", "-s", "app-dev", config=watched, ok=False)
    assert (
        "alarms: the archive has no topics that alarms could tell; set archive.alarms in Pulumi.archive.yaml" in printed
    )
    stacks.up("archive", {"archive": archive})
    stacks.up("app-dev", watched)
    outputs = stacks.outputs("archive")
    sqs, sns = (stacks.client(service, account="111111111111") for service in ("sqs", "sns"))
    queue = sqs.create_queue(QueueName="on-call")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    admit = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps({"Statement": [admit]})})
    sns.subscribe(TopicArn=outputs["topics"]["eu-west-1"], Protocol="sqs", Endpoint=arn)
    on_call = OnCall(sqs, queue)
    for stack, config in (("archive", {"archive": archive}), ("app-dev", watched)):
        stacks.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "-s", stack, config=config)
        stacks.pulumi("preview", "--expect-no-changes", "-s", stack, config=config)
    dashboards = stacks.client("cloudwatch", account="111111111111").list_dashboards()["DashboardEntries"]
    assert [each["DashboardName"] for each in dashboards] == ["archive-eu-west-1"]
    firehose = stacks.client("firehose", account="111111111111")
    described = firehose.describe_delivery_stream(DeliveryStreamName=outputs["stream"])["DeliveryStreamDescription"]
    role = described["Destinations"][0]["ExtendedS3DestinationDescription"]["RoleARN"].rsplit("/", 1)[-1]
    iam = stacks.client("iam", account="111111111111")
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    iam.delete_role_policy(RoleName=role, PolicyName=policy)
    write(stacks, "cannot be written")
    assert eventually(lambda: on_call.hears("111111111111", "archive-alarm-not-written-"))
    (sender,) = iam.list_role_policies(RoleName="CWLtoKinesisFirehoseRole")["PolicyNames"]
    iam.delete_role_policy(RoleName="CWLtoKinesisFirehoseRole", PolicyName=sender)
    write(stacks, "cannot be sent")
    assert eventually(lambda: on_call.hears("222222222222", "central-log-archive-delivery-errors"))
    sqs.delete_queue(QueueUrl=queue)
    for stack, config in (("app-dev", watched), ("archive", {"archive": archive})):
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack, config=config)
    assert left_behind(stacks) == []


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


def test_a_resource_that_forgets_its_provider_fails_at_preview(stacks: Stacks, tmp_path: Path) -> None:
    """Pulumi.yaml is the committed one; only the program is another."""
    (tmp_path / "Pulumi.yaml").write_bytes((ROOT / "Pulumi.yaml").read_bytes())
    (tmp_path / "__main__.py").write_text("import pulumi_aws as aws\naws.s3.Bucket('forgotten')\n")
    arguments = arguments_for(stacks.instance, ["stack", "ls", "-s", "forgetful"], stacks.environment)
    assert arguments[0] == "stack"
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
