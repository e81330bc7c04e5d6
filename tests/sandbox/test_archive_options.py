"""The options of the archive on the real engine: what arrives, and how. The tests run in their order."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sandbox.prepare import prepare
from tests.graph.test_program import BUCKET
from tests.sandbox.existing_archive import eventually
from tests.sandbox.ops_command import coverage
from tests.sandbox.stacks import EXAMPLES, Stacks, archived, left_behind, write
from tests.stacks import EXAMPLES_FOLDER, config_of
from topology import policies
from topology.changes import CHANGES_LOG_GROUP
from topology.patterns import CANARY, SCHEDULED_CANARY


def test_accounts_of_an_organization_send_through_filter_roles_and_other_accounts_may_not(stacks: Stacks) -> None:
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
    other = {**config_of("app-prod"), "filterRoles": True}
    printed = stacks.pulumi("preview", "-s", "app-prod", config=other, ok=False)
    assert "deploy bootstrap/application-account.yaml there again with FilterRoles=true" in printed
    prepare([stacks.write(other), EXAMPLES_FOLDER / "Pulumi.archive.yaml"], stacks.instance.environment())
    assert "AccessDenied" in stacks.up("app-prod", other, ok=False)
    for stack in reversed(EXAMPLES):
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)
    assert left_behind(stacks) == []


def test_the_bucket_has_the_lifecycle_lock_logging_and_replica_of_the_stack_file(stacks: Stacks) -> None:
    s3 = stacks.client("s3", account="111111111111")
    archive = config_of("archive")["archive"]
    config = {"archive": {**archive, "bucket": BUCKET}}
    prepare([stacks.write(config)], stacks.instance.environment())
    stacks.up("archive", config)
    bucket, stream = (stacks.outputs("archive")[key] for key in ("bucket", "stream"))
    firehose = stacks.client("firehose", account="111111111111")
    firehose.put_record(DeliveryStreamName=stream, Record={"Data": gzip.compress(b'{"message": "evidence"}')})
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert {each["StorageClass"]: each["Days"] for each in rule["Transitions"]} == {"STANDARD_IA": 30, "GLACIER": 90}
    assert rule["Expiration"]["Days"] == 730
    lock = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert (lock["Mode"], lock["Days"]) == ("GOVERNANCE", 365)
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]["TargetBucket"] == "access-logs"
    assert eventually(lambda: {"message": "evidence"} in archived(stacks, "vault", account="666666666666"))
    stacks.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "-s", "archive", config=config)
    stacks.pulumi("preview", "--expect-no-changes", "-s", "archive", config=config)
    guarded = {"archive": {**archive, "bucket": {**BUCKET, "breakGlassRole": "guardian"}}}
    stacks.up("archive", guarded)
    stacks.pulumi("preview", "--expect-no-changes", "-s", "archive", config=guarded)
    refused = stacks.up("archive", ok=False)
    assert f"aws s3api delete-bucket-policy --bucket {bucket}" in refused
    s3.delete_bucket_policy(Bucket=bucket)
    stacks.up("archive")
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert "Expiration" not in rule
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    with pytest.raises(ClientError, match="ReplicationConfigurationNotFoundError"):
        s3.get_bucket_replication(Bucket=bucket)
    assert eventually(lambda: stacks.ask("idle")["idle"])
    for version in s3.list_object_versions(Bucket=bucket)["Versions"]:  # a bucket with locked objects cannot be deleted
        locked = {"Bucket": bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
        with pytest.raises(s3.exceptions.ClientError, match="object protected by object lock"):
            s3.delete_object(**locked)
        s3.delete_object(**locked, BypassGovernanceRetention=True)
    stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", "archive")
    s3.delete_bucket(Bucket="access-logs")
    assert {"message": "evidence"} in archived(stacks, "vault", account="666666666666")
    assert left_behind(stacks) == []


def test_events_arrive_in_an_existing_bucket_whose_settings_are_not_changed(stacks: Stacks) -> None:
    s3 = stacks.client("s3", account="111111111111")
    s3.create_bucket(Bucket="existing-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    config = {"archive": {**config_of("archive")["archive"], "existingBucket": "existing-bucket"}}
    prepare([stacks.write(config)], stacks.instance.environment())
    printed = stacks.pulumi("preview", "-s", "archive", config=config)
    assert "The bucket existing-bucket has no versioning, and its settings are not changed: enable it" in printed
    assert "The bucket existing-bucket accepts requests without TLS" in printed
    stacks.up("archive", config)
    assert eventually(lambda: archived(stacks, "existing-bucket") != [])
    stacks.pulumi("preview", "--expect-no-changes", "-s", "archive", config=config)
    assert "Status" not in s3.get_bucket_versioning(Bucket="existing-bucket")
    stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", "archive", config=config)
    assert archived(stacks, "existing-bucket") != []
    empty(s3, "existing-bucket")
    assert left_behind(stacks) == []


def test_an_existing_bucket_that_cannot_be_read_is_a_warning_and_one_that_does_not_exist_an_error(
    stacks: Stacks,
) -> None:
    s3, iam = (stacks.client(service, account="111111111111") for service in ("s3", "iam"))
    s3.create_bucket(Bucket="unread", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    config = {"archive": {**config_of("archive")["archive"], "existingBucket": "unread"}}
    unread = stacks.pulumi("preview", "-s", "archive", config=config)  # the template still names another bucket
    assert "its encryption, public access and versioning could not be read: " in unread
    assert "its policy could not be read: " in unread
    assert "AccessDenied" in unread
    assert "Deploy bootstrap/archive-account.yaml again with ExistingBucket=unread" in unread
    s3.delete_bucket(Bucket="unread")
    allowed = {"Effect": "Allow", "Action": ["s3:*", "cloudformation:GetResource"], "Resource": "*"}
    reader = {"RoleName": "central-log-archive-deployer", "PolicyName": "read"}
    iam.put_role_policy(**reader, PolicyDocument=json.dumps({"Statement": [allowed]}))
    absent = stacks.pulumi("preview", "-s", "archive", config=config, ok=False)
    iam.delete_role_policy(**reader)
    assert "archive.existingBucket: there is no bucket unread; create it, or fix the name" in absent


def test_events_arrive_in_a_bucket_of_another_account_once_its_owner_allows_it(stacks: Stacks) -> None:
    s3 = stacks.client("s3", account="666666666666")
    s3.create_bucket(Bucket="of-others", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    existing = {"name": "of-others", "account": "666666666666"}
    config = {"archive": {**config_of("archive")["archive"], "existingBucket": existing}}
    prepare([stacks.write(config)], stacks.instance.environment())
    s3.delete_bucket_policy(Bucket="of-others")
    assert "with BucketOfAnotherAccount=of-others" in stacks.up("archive", config)
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
    """Delete a bucket with everything in it."""
    for item in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        s3.delete_object(Bucket=bucket, Key=item["Key"])
    s3.delete_bucket(Bucket=bucket)


def encrypted_with(stacks: Stacks, bucket: str) -> set[str | None]:
    """Return the KMS keys of all objects in a bucket."""
    s3 = stacks.client("s3", account="111111111111")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return {s3.head_object(Bucket=bucket, Key=key).get("SSEKMSKeyId") for key in keys}


def test_a_key_created_by_the_archive_encrypts_events_and_none_arrive_once_it_is_disabled(
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
    metrics = stacks.client("cloudwatch", account="111111111111").list_metrics(Namespace="AWS/Firehose")["Metrics"]
    assert "KMSKeyDisabled" in {metric["MetricName"] for metric in metrics}
    kms.enable_key(KeyId=key)
    assert "no key" not in json.dumps(archived(stacks, bucket))
    stacks.up("archive")  # back to keys that AWS owns or manages
    (errors,) = stacks.client("logs", account="111111111111").describe_log_groups()["logGroups"]
    assert "kmsKeyId" not in errors
    write(stacks, "open")
    assert eventually(lambda: None in encrypted_with(stacks, bucket))
    for stack in EXAMPLES[1::-1]:
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)
    assert left_behind(stacks) == []
    assert {kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]} == {"PendingDeletion"}


def test_the_policy_of_a_key_created_by_version_0_1_is_changed_with_the_template_of_that_version(
    stacks: Stacks,
) -> None:
    config = {"archive": {**config_of("archive")["archive"], "key": "create"}}
    stacks.up("archive", config)
    kms, iam = (stacks.client(service, account="111111111111") for service in ("kms", "iam"))
    (key,) = (
        each["KeyArn"]
        for each in kms.list_keys()["Keys"]
        if kms.describe_key(KeyId=each["KeyId"])["KeyMetadata"]["KeyState"] == "Enabled"
    )
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    root = {"Principal": {"AWS": "arn:aws:iam::111111111111:root"}}
    earlier = [
        {**each, **(root if each["Sid"] == "EncryptTheStream" else {})}
        for each in policy["Statement"]
        if each["Sid"] != "Deploy"
    ]
    kms.put_key_policy(KeyId=key, Policy=json.dumps({**policy, "Statement": earlier}))
    # The template of version 0.1 allowed this by a tag of the key, which counts by the time of an upgrade.
    allowed = {"Effect": "Allow", "Action": "kms:*", "Resource": key}
    template = {"RoleName": "central-log-archive-deployer", "PolicyName": "version-0.1"}
    iam.put_role_policy(**template, PolicyDocument=json.dumps({"Statement": [allowed]}))
    stacks.pulumi("refresh", "--yes", "--skip-preview", "-s", "archive", config=config)
    iam.delete_role_policy(**template)
    assert "AccessDeniedException" in stacks.up("archive", config, ok=False)  # the template first: too early
    iam.put_role_policy(**template, PolicyDocument=json.dumps({"Statement": [allowed]}))
    stacks.pulumi("up", "--yes", "--skip-preview", "-s", "archive", "--target", "**archive-key", config=config)
    iam.delete_role_policy(**template)
    stacks.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "-s", "archive", config=config)
    stacks.pulumi("preview", "--expect-no-changes", "-s", "archive", config=config)
    stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", "archive", config=config)
    assert left_behind(stacks) == []


def test_who_may_put_records_but_not_use_the_key_of_the_stream_is_denied(stacks: Stacks) -> None:
    config = {"archive": {**config_of("archive")["archive"], "key": "create"}}
    stacks.up("archive", config)
    stream = stacks.outputs("archive")["stream"]
    iam, sts = (stacks.client(service, account="111111111111") for service in ("iam", "sts"))
    trust = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="producer", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))["Role"]
    put = {"Effect": "Allow", "Action": "firehose:PutRecord", "Resource": "*"}
    iam.put_role_policy(RoleName="producer", PolicyName="put", PolicyDocument=json.dumps({"Statement": [put]}))
    given = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="test")["Credentials"]
    firehose = boto3.client(
        "firehose", endpoint_url=stacks.environment["AWS_ENDPOINT_URL"], region_name="eu-west-1",
        aws_access_key_id=given["AccessKeyId"], aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )  # fmt: skip
    with pytest.raises(ClientError, match="InvalidKMSResourceException"):
        firehose.put_record(DeliveryStreamName=stream, Record={"Data": gzip.compress(b"{}")})
    iam.delete_role_policy(RoleName="producer", PolicyName="put")
    iam.delete_role(RoleName="producer")
    stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", "archive")
    assert left_behind(stacks) == []


def test_a_preview_says_what_the_policy_of_an_existing_key_lacks_if_the_template_lets_it_read_the_policy(
    stacks: Stacks,
) -> None:
    kms = stacks.client("kms", account="111111111111")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    config = {"archive": {**config_of("archive")["archive"], "key": key}}

    def previewed(template_for: dict[str, Any]) -> str:
        prepare([stacks.write(template_for)], stacks.instance.environment())
        return stacks.pulumi("preview", "-s", "archive", config=config).replace("\n", "")

    printed = previewed({"archive": config_of("archive")["archive"]})
    assert f"the policy of {key} could not be read" in printed
    assert f"deploy bootstrap/archive-account.yaml with KeyArn={key}" in printed
    printed = previewed(config)
    assert f"the policy of {key} does not seem to allow all that the archive needs" in printed
    assert '"Sid": "EncryptLogGroups"' in printed
    assert '"Sid": "EncryptObjects"' not in printed  # the policy leaves that to the account
    policy = policies.key_policy(
        home_region="eu-west-1",
        account="111111111111",
        deployer_role="central-log-archive-deployer",
        bucket_arns=["arn:aws:s3:::archive-bucket-*"],
        log_groups=["archive-delivery-errors-*"],
    )
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
    assert "archive.key" not in previewed(config)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)


def test_an_existing_key_can_be_used_once_its_policy_allows_it(stacks: Stacks) -> None:
    kms, s3 = (stacks.client(service, account="111111111111") for service in ("kms", "s3"))
    key = kms.create_key()["KeyMetadata"]["Arn"]
    config = {"archive": {**config_of("archive")["archive"], "key": key}}
    prepare([stacks.write(config)], stacks.instance.environment())
    assert "not allowed to be used" in stacks.up("archive", config, ok=False)
    (bucket,) = (each["Name"] for each in s3.list_buckets()["Buckets"])
    policy = policies.key_policy(
        home_region="eu-west-1",
        account="111111111111",
        deployer_role="central-log-archive-deployer",
        bucket_arns=[f"arn:aws:s3:::{bucket}"],
        log_groups=["archive-delivery-errors-*"],
    )
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
    stacks.up("archive", config)
    assert eventually(lambda: encrypted_with(stacks, bucket) == {key})
    stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", "archive", config=config)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"


def test_events_of_the_central_account_itself_arrive(stacks: Stacks) -> None:
    config = {"archive": {**config_of("archive")["archive"], "ownLogGroups": ["aws-waf-logs-central"]}}
    prepare([stacks.write(config)], stacks.instance.environment())
    stacks.up("archive", config)
    # Now the group of the stream's errors exists too, and no pattern selects it: its events would come back forever.
    config["archive"]["ownLogGroups"] = ["*"]
    stacks.pulumi("preview", "--expect-no-changes", "-s", "archive", config=config)
    lines = json.loads(coverage(stacks, "--json", config=config))["logGroups"]
    assert [(each["logGroup"].rpartition("-")[0], each["status"], each["entry"]) for each in lines] == [
        ("archive-delivery-errors", "excluded", "archive-delivery-errors*"),
        ("aws-waf-logs", "archived", "*"),
    ]
    missing = {"archive": {**config["archive"], "ownLogGroups": ["aws-waf-logs-centrl"]}}
    assert (
        "archive.ownLogGroups, account 111111111111, region eu-west-1: the log group aws-waf-logs-centrl does not "
        "exist; did you mean aws-waf-logs-central?"
    ) in stacks.pulumi("preview", "-s", "archive", config=missing, ok=False)
    write(stacks, "of our own", account="111111111111", group="aws-waf-logs-central")
    bucket = stacks.outputs("archive")["bucket"]
    assert eventually(lambda: "of our own" in json.dumps(archived(stacks, bucket)))
    stacks.pulumi("preview", "--expect-no-changes", "-s", "archive", config=config)
    stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", "archive", config=config)
    stacks.client("logs", account="111111111111").delete_log_group(logGroupName="aws-waf-logs-central")
    assert left_behind(stacks) == []


def test_a_partitioned_layout_replaces_the_stream_and_points_every_destination_at_the_new_one(stacks: Stacks) -> None:
    for stack in EXAMPLES[:2]:
        stacks.up(stack)
    bucket, old = (stacks.outputs("archive")[key] for key in ("bucket", "stream"))
    archive = {**config_of("archive")["archive"], "delivery": {"layout": "partitioned"}}
    warning = "The layout changes from dated to partitioned, which requires a new stream"
    assert warning in stacks.pulumi("preview", "-s", "archive", config={"archive": archive})
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


@dataclass
class OnCall:
    """A queue that is subscribed to a topic.

    Attributes:
        messages: account, alarm and state of each message received so far.
    """

    sqs: Any
    url: str
    messages: set[tuple[str, str, str]] = field(default_factory=set)

    def is_notified(self, account: str, alarm: str) -> bool:
        """Return whether an alarm of an account was raised, given the beginning of its name."""
        while received := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in received:
                change = json.loads(json.loads(message["Body"])["Message"])
                self.messages.add((change["AWSAccountId"], change["AlarmName"], change["NewStateValue"]))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return any(one == account and name.startswith(alarm) and now == "ALARM" for one, name, now in self.messages)


def raised(stacks: Stacks, alarm: str, config: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the accounts and regions of which an alarm is raised, given the end of its name without a suffix."""
    places = {(each["account"], region) for each in config["applications"] for region in each["regions"]}
    places |= {("111111111111", region) for region in config_of("archive")["archive"]["destinationRegions"]}
    return {
        (account, region)
        for account, region in places
        for each in stacks.client("cloudwatch", account=account, region=region).describe_alarms(StateValue="ALARM")[
            "MetricAlarms"
        ]
        if each["AlarmName"].startswith((f"central-log-archive-{alarm}", f"archive-alarm-{alarm}-"))
    }


@dataclass(frozen=True)
class Monitored:
    """A topology with alarms.

    Attributes:
        applications: config of the stack of the applications.
        outputs: outputs of the stack of the archive.
        on_call: is notified by the topic of the home region.
    """

    applications: dict[str, Any]
    outputs: dict[str, Any]
    on_call: OnCall


@pytest.fixture(scope="module")
def monitored(stacks: Stacks) -> Iterator[Monitored]:
    """Deploy a topology with alarms, and destroy it after the tests."""
    archive = {**config_of("archive")["archive"], "alarms": "create", "key": "create"}
    applications = {**config_of("app-dev"), "alarms": True}
    applications["applications"] += config_of("app-prod")["applications"]
    prepare([stacks.write({**applications, "archive": archive, "archiveStack": ""})], stacks.instance.environment())
    stacks.up("archive")
    printed = stacks.pulumi("preview", "-s", "app-dev", config=applications, ok=False)
    assert (
        "alarms: the archive has no topics for alarms to notify; set archive.alarms in Pulumi.archive.yaml" in printed
    )
    stacks.up("archive", {"archive": archive})
    stacks.up("app-dev", applications)
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
    for stack, config in (("archive", {"archive": archive}), ("app-dev", applications)):
        stacks.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "-s", stack, config=config)
        stacks.pulumi("preview", "--expect-no-changes", "-s", stack, config=config)
    yield Monitored(applications, outputs, OnCall(sqs, queue))
    sqs.delete_queue(QueueUrl=queue)
    for stack, config in (("app-dev", applications), ("archive", {"archive": archive})):
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack, config=config)
    assert left_behind(stacks) == []


def test_what_anybody_but_the_deployer_changes_raises_an_alarm_there_and_is_written_down(
    stacks: Stacks, monitored: Monitored
) -> None:
    assert raised(stacks, "changed", monitored.applications) == set()  # not even by the updates
    logs = stacks.client("logs", account="222222222222")
    firehose = stacks.client("firehose", account="111111111111")
    logs.delete_subscription_filter(logGroupName="/aws/lambda/checkout", filterName="central-log-archive.eu-west-1")
    assert raised(stacks, "changed", monitored.applications) == {("222222222222", "eu-west-1")}
    assert eventually(lambda: monitored.on_call.is_notified("222222222222", "central-log-archive-changed"))
    seen = [r"\"eventName\": \"DeleteSubscriptionFilter\"", r"\"arn\": \"arn:aws:iam::222222222222:root\""]
    assert eventually(lambda: all(each in json.dumps(archived(stacks, monitored.outputs["bucket"])) for each in seen))
    described = firehose.describe_delivery_stream(DeliveryStreamName=monitored.outputs["stream"])[
        "DeliveryStreamDescription"
    ]
    stacks.ask("hour")
    assert raised(stacks, "changed", monitored.applications) == set()
    admin = {each: stacks.client(each, account="111111111111") for each in ("cloudwatch", "kms", "logs", "s3")}
    destination = admin["logs"].describe_destinations()["destinations"][0]
    stranger = destination["accessPolicy"].replace('"222222222222"', '"222222222222","999999999999"')
    key = described["DeliveryStreamEncryptionConfiguration"]["KeyARN"]
    alarms = [each["AlarmName"] for each in admin["cloudwatch"].describe_alarms(AlarmNamePrefix="archive-alarm-late")[
        "MetricAlarms"]]  # fmt: skip
    attacks: dict[str, Callable[[], object]] = {
        "PutDestinationPolicy": lambda: admin["logs"].put_destination_policy(
            destinationName=destination["destinationName"], accessPolicy=stranger
        ),
        "UpdateDestination": lambda: firehose.update_destination(
            DeliveryStreamName=monitored.outputs["stream"],
            CurrentDeliveryStreamVersionId=described["VersionId"],
            DestinationId=described["Destinations"][0]["DestinationId"],
            ExtendedS3DestinationUpdate={"Prefix": "nowhere/"},
        ),
        "PutBucketVersioning": lambda: admin["s3"].put_bucket_versioning(
            Bucket=monitored.outputs["bucket"], VersioningConfiguration={"Status": "Suspended"}
        ),
        "DeleteAlarms": lambda: admin["cloudwatch"].delete_alarms(AlarmNames=alarms),
        "DisableKey": lambda: admin["kms"].disable_key(KeyId=key),
        "EnableKey": lambda: admin["kms"].enable_key(KeyId=key),
    }
    for name, attack in attacks.items():
        attack()
        assert raised(stacks, "changed", monitored.applications) == {("111111111111", "eu-west-1")}, name
        stacks.ask("hour")
        assert raised(stacks, "changed", monitored.applications) == set()
    assert eventually(lambda: monitored.on_call.is_notified("111111111111", "archive-alarm-changed-eu-west-1-"))
    written = admin["logs"].filter_log_events(logGroupName=CHANGES_LOG_GROUP)["events"]
    assert [json.loads(each["message"])["detail"]["eventName"] for each in written] == list(attacks)


def test_alarms_of_senders_and_archive_notify_the_topic_of_their_region(stacks: Stacks, monitored: Monitored) -> None:
    stacks.ask("hour")
    assert raised(stacks, "silent", monitored.applications) == set()
    logs = stacks.client("logs", account="222222222222")
    logs.delete_subscription_filter(logGroupName=SCHEDULED_CANARY, filterName="central-log-archive.eu-west-1")
    stacks.ask("hour")
    assert raised(stacks, "silent", monitored.applications) == {("222222222222", "eu-west-1")}
    assert eventually(lambda: monitored.on_call.is_notified("222222222222", "central-log-archive-silent"))
    stacks.client("logs", account="333333333333").delete_resource_policy(policyName=CANARY)
    stacks.ask("hour")
    assert raised(stacks, "silent", monitored.applications) == {
        ("222222222222", "eu-west-1"),
        ("333333333333", "eu-west-1"),
    }
    dashboards = stacks.client("cloudwatch", account="111111111111").list_dashboards()["DashboardEntries"]
    assert [each["DashboardName"] for each in dashboards] == ["archive-eu-west-1"]
    firehose = stacks.client("firehose", account="111111111111")
    described = firehose.describe_delivery_stream(DeliveryStreamName=monitored.outputs["stream"])[
        "DeliveryStreamDescription"
    ]
    role = described["Destinations"][0]["ExtendedS3DestinationDescription"]["RoleARN"].rsplit("/", 1)[-1]
    iam = stacks.client("iam", account="111111111111")
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    iam.delete_role_policy(RoleName=role, PolicyName=policy)
    write(stacks, "cannot be written")
    assert eventually(lambda: monitored.on_call.is_notified("111111111111", "archive-alarm-not-written-"))
    (sender,) = iam.list_role_policies(RoleName="CWLtoKinesisFirehoseRole")["PolicyNames"]
    iam.delete_role_policy(RoleName="CWLtoKinesisFirehoseRole", PolicyName=sender)
    write(stacks, "cannot be sent")
    assert eventually(lambda: monitored.on_call.is_notified("222222222222", "central-log-archive-delivery-errors"))
