"""The sandbox's cloud delivers, denies and rejects by AWS's documented rules."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import cramjam
import pytest
from botocore.exceptions import ClientError

from tests.sandbox.assumed_role import assumed as assumed_role
from tests.sandbox.conftest import Cloud
from tests.sandbox.existing_archive import DECOMPRESSION, DELIMITER, HOME, Archive, Sender, eventually, new_account
from topology import policies

BY_ACCOUNT = {
    "Type": "MetadataExtraction",
    "Parameters": [
        {"ParameterName": "MetadataExtractionQuery", "ParameterValue": "{account:.owner}"},
        {"ParameterName": "JsonParsingEngine", "ParameterValue": "JQ-1.6"},
    ],
}
PARTITIONED: dict[str, Any] = {
    "Prefix": "logs/!{partitionKeyFromQuery:account}/",
    "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 60},
    "DynamicPartitioningConfiguration": {"Enabled": True},
    "ProcessingConfiguration": {"Enabled": True, "Processors": [DECOMPRESSION, BY_ACCOUNT, DELIMITER]},
}
UNREACHABLE = "Could not deliver test message to specified destination"


def error_of(call: Any, *args: Any, **kwargs: Any) -> str:  # noqa: ANN401 - any call of boto3
    with pytest.raises(ClientError) as error:
        call(*args, **kwargs)
    return str(error.value)


def trust_of(account: str) -> str:
    """Return a trust policy for the root user of an account."""
    principal = {"AWS": f"arn:aws:iam::{account}:root"}
    return json.dumps({"Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]})


def assumed(cloud: Cloud, account: str, role: str, service: str) -> Any:  # noqa: ANN401 - boto3
    """Return a client with the permissions of a role."""
    return assumed_role(cloud.endpoint, f"arn:aws:iam::{account}:role/{role}", service, by=account, region=HOME)


def test_events_of_two_accounts_and_regions_arrive_in_one_bucket_with_one_document_per_line(cloud: Cloud) -> None:
    one, two = new_account(), new_account()
    archive = Archive(cloud, [one, two])
    for account, region in ((one, HOME), (one, "us-east-1"), (two, "us-east-1")):
        sender = Sender(cloud, account, region)
        sender.subscribe(archive.destination(region), name=f"archive.{region}")
        sender.write(f"{account} {region} a", f"{account} {region} b")
    assert eventually(lambda: len(archive.messages()) == 6)
    assert {(r["owner"], r["logGroup"], r["logStream"], r["subscriptionFilters"][0]) for r in archive.records()} == {
        (one, "group", "stream", f"archive.{HOME}"),
        (one, "group", "stream", "archive.us-east-1"),
        (two, "group", "stream", "archive.us-east-1"),
    }
    assert all(key.endswith(".gz") for key in archive.objects())


def test_a_filter_pattern_selects_what_is_delivered(cloud: Cloud) -> None:
    archive = Archive(cloud, [account := new_account()])
    sender = Sender(cloud, account)
    sender.subscribe(archive.destination(), pattern='{ $.action = "BLOCK" }')
    sender.write('{"action": "ALLOW"}', '{"action": "BLOCK"}', "no JSON")
    assert eventually(lambda: archive.messages() == ['{"action": "BLOCK"}'])
    assert sender.metric("ForwardedLogEvents") == 1


def test_many_events_become_records_that_a_stream_accepts(cloud: Cloud) -> None:
    archive = Archive(cloud, [account := new_account()])
    sender = Sender(cloud, account)
    sender.subscribe(archive.destination())
    messages = [f"{number:04d}" + "x" * 10_000 for number in range(300)]
    sender.write(*messages)
    assert eventually(lambda: archive.messages() == messages)
    assert len(archive.records()) == 4


def test_an_account_that_the_policy_does_not_name_may_not_subscribe(cloud: Cloud) -> None:
    archive = Archive(cloud, [new_account()])
    stranger = Sender(cloud, new_account())
    assert "AccessDeniedException" in error_of(stranger.subscribe, archive.destination())


def test_the_caller_needs_permission_on_the_destination_too(cloud: Cloud) -> None:
    archive = Archive(cloud, [account := new_account()])
    sender, arn = Sender(cloud, account), archive.destination()
    iam = cloud.client("iam", account=account)
    iam.create_role(RoleName="deployer", AssumeRolePolicyDocument=trust_of(account))
    put = assumed(cloud, account, "deployer", "logs").put_subscription_filter
    wanted = {"logGroupName": sender.group, "filterName": "f", "filterPattern": "", "destinationArn": arn}

    def allow(*resources: str) -> None:
        statement = {"Effect": "Allow", "Action": "logs:PutSubscriptionFilter", "Resource": resources}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName="deployer", PolicyName="only", PolicyDocument=policy)

    group = f"arn:aws:logs:{HOME}:{account}:log-group:{sender.group}:*"
    allow(group)
    assert f"not authorized to perform: logs:PutSubscriptionFilter on resource: {arn}" in error_of(put, **wanted)
    allow(group, arn)
    put(**wanted)


def test_a_destination_in_another_region_is_rejected(cloud: Cloud) -> None:
    archive = Archive(cloud, [account := new_account()])
    sender = Sender(cloud, account, "us-east-1")
    assert "must be in the same region" in error_of(sender.subscribe, archive.destination(HOME))


def test_a_destination_that_does_not_exist_is_rejected(cloud: Cloud) -> None:
    sender = Sender(cloud, new_account())
    arn = f"arn:aws:logs:{HOME}:{new_account()}:destination:none"
    assert "Could not deliver message" in error_of(sender.subscribe, arn)


def test_a_log_group_of_the_infrequent_access_class_cannot_be_subscribed(cloud: Cloud) -> None:
    archive = Archive(cloud, [account := new_account()])
    sender = Sender(cloud, account, log_class="INFREQUENT_ACCESS")
    assert "Standard class" in error_of(sender.subscribe, archive.destination())


def test_a_sixth_filter_is_rejected_and_an_existing_one_can_be_updated(cloud: Cloud) -> None:
    archive = Archive(cloud, [account := new_account()])
    sender, arn = Sender(cloud, account), archive.destination()
    for name in ("one", "two", "three", "four", "five", "five"):
        sender.subscribe(arn, name=name)
    assert "LimitExceededException" in error_of(sender.subscribe, arn, name="six")


def test_an_invalid_pattern_is_rejected(cloud: Cloud) -> None:
    archive = Archive(cloud, [account := new_account()])
    assert "Invalid filter pattern" in error_of(
        Sender(cloud, account).subscribe, archive.destination(), pattern="{ $.a = "
    )


@pytest.mark.parametrize("missing", ["trust", "permission", "stream", "role"])
def test_a_destination_needs_a_role_that_cloudwatch_logs_may_assume_and_that_may_put_records(
    cloud: Cloud, missing: str
) -> None:
    archive = Archive(cloud, [])
    role, target = "sender", archive.stream_arn
    if missing == "trust":
        archive.role(role := "untrusted", '{"Statement": []}')
    elif missing == "permission":
        archive.client("iam").delete_role_policy(RoleName=role, PolicyName="only")
    elif missing == "stream":
        target += "-gone"
    else:
        role = "nobody"
    put = archive.client("logs").put_destination
    assert UNREACHABLE in error_of(put, destinationName="d", targetArn=target, roleArn=archive.role_arn(role))


def test_a_trust_policy_without_the_archives_own_account_fails_the_test_message(cloud: Cloud) -> None:
    archive = Archive(cloud, [sender := new_account()])
    trust = archive.client("iam").get_role(RoleName="sender")["Role"]["AssumeRolePolicyDocument"]
    trust["Statement"][0]["Condition"]["StringLike"]["aws:SourceArn"] = [f"arn:aws:logs:*:{sender}:*"]
    archive.client("iam").update_assume_role_policy(RoleName="sender", PolicyDocument=json.dumps(trust))
    assert UNREACHABLE in error_of(archive.destination)


def test_a_destination_that_is_updated_keeps_its_policy_and_tags(cloud: Cloud) -> None:
    archive = Archive(cloud, [new_account()])
    arn = archive.destination()
    logs = archive.client("logs")
    logs.tag_resource(resourceArn=arn, tags={"stack": "archive"})
    logs.put_destination(destinationName="archive", targetArn=archive.stream_arn, roleArn=archive.role_arn("sender"))
    (described,) = logs.describe_destinations(DestinationNamePrefix="archive")["destinations"]
    assert archive.senders[0] in described["accessPolicy"]
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"stack": "archive"}
    logs.untag_resource(resourceArn=arn, tagKeys=["stack"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {}


@pytest.mark.parametrize(
    ("principal", "message"),
    [
        ({"AWS": "arn:aws:iam::222222222222:root"}, "contains ARN instead of account ID"),
        ("*", "must contain AWS account IDs"),
        ({"AWS": ["222222222222"] * 400}, "exceeds 5120 bytes"),
    ],
)
def test_an_invalid_destination_policy_is_rejected(cloud: Cloud, principal: object, message: str) -> None:
    archive = Archive(cloud, [])
    archive.destination(admit=[new_account()])
    statement = {"Effect": "Allow", "Principal": principal, "Action": "logs:PutSubscriptionFilter", "Resource": "*"}
    put = archive.client("logs").put_destination_policy
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert message in error_of(put, destinationName="archive", accessPolicy=policy)


def filter_role(cloud: Cloud, account: str, *, trusts: str) -> str:
    """Create the role that filters need for a destination which admits an organization; return its ARN."""
    iam = cloud.client("iam", account=account)
    trust = {
        "Effect": "Allow", "Principal": {"Service": "logs.amazonaws.com"}, "Action": "sts:AssumeRole",
        "Condition": {"StringLike": {"aws:SourceArn": f"arn:aws:logs:*:{trusts}:*"}},
    }  # fmt: skip
    created = iam.create_role(RoleName="filters", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    put = {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": f"arn:aws:logs:*:{account}:log-group:*"}
    iam.put_role_policy(RoleName="filters", PolicyName="only", PolicyDocument=json.dumps({"Statement": [put]}))
    return str(created["Role"]["Arn"])


def test_accounts_of_an_organization_send_through_filters_with_a_role(cloud: Cloud) -> None:
    archive = Archive(cloud, [], organization="o-exampleorg1")
    sender, arn = Sender(cloud, account := new_account()), archive.destination()
    cloud.ask(f"join/{account}/o-exampleorg1")
    assert "Role ARN is required" in error_of(sender.subscribe, arn)
    role = filter_role(cloud, account, trusts=account)
    sender.subscribe(arn, roleArn=role)
    sender.write("one of us")
    assert eventually(lambda: archive.messages() == ["one of us"])
    cloud.client("iam", account=account).delete_role_policy(RoleName="filters", PolicyName="only")
    sender.write("without permission")
    assert sender.metric("DeliveryErrors") == 1


def test_an_account_of_another_organization_may_not_subscribe(cloud: Cloud) -> None:
    archive = Archive(cloud, [], organization="o-exampleorg1")
    stranger, arn = Sender(cloud, account := new_account()), archive.destination()
    cloud.ask(f"join/{account}/o-exampleorg2")
    role = filter_role(cloud, account, trusts=account)
    assert "AccessDeniedException" in error_of(stranger.subscribe, arn, roleArn=role)


def test_a_filter_role_that_trusts_another_account_is_rejected(cloud: Cloud) -> None:
    archive = Archive(cloud, [], organization="o-exampleorg1")
    sender, arn = Sender(cloud, account := new_account()), archive.destination()
    cloud.ask(f"join/{account}/o-exampleorg1")
    role = filter_role(cloud, account, trusts="222222222222")
    assert "Could not deliver message" in error_of(sender.subscribe, arn, roleArn=role)


def test_changing_a_policy_from_accounts_to_an_organization_requires_force_update(cloud: Cloud) -> None:
    archive = Archive(cloud, [account := new_account()])
    arn, put = archive.destination(), archive.client("logs").put_destination_policy
    policy = policies.destination_policy(
        destination_arn=arn, sender_accounts=[account], sender_organization="o-exampleorg1"
    )
    assert "requires forceUpdate" in error_of(put, destinationName="archive", accessPolicy=policy)
    put(destinationName="archive", accessPolicy=policy, forceUpdate=True)


def test_a_filter_without_a_role_stops_when_the_policy_changes_to_an_organization_until_it_has_one(
    cloud: Cloud,
) -> None:
    archive = Archive(cloud, [account := new_account()])
    sender, arn = Sender(cloud, account), archive.destination()
    sender.subscribe(arn)
    cloud.ask(f"join/{account}/o-exampleorg1")
    policy = policies.destination_policy(
        destination_arn=arn, sender_accounts=[account], sender_organization="o-exampleorg1"
    )
    archive.client("logs").put_destination_policy(destinationName="archive", accessPolicy=policy, forceUpdate=True)
    sender.write("lost")
    assert sender.metric("DeliveryErrors") == 1
    sender.subscribe(arn, roleArn=filter_role(cloud, account, trusts=account))
    sender.write("delivered")
    assert eventually(lambda: archive.messages() == ["delivered"])


def test_a_filter_with_a_role_stops_when_the_role_is_deleted_even_if_the_policy_requires_none(cloud: Cloud) -> None:
    archive = Archive(cloud, [account := new_account()])
    sender, arn = Sender(cloud, account), archive.destination()
    sender.subscribe(arn, roleArn=filter_role(cloud, account, trusts=account))
    sender.write("delivered")
    assert eventually(lambda: archive.messages() == ["delivered"])
    iam = cloud.client("iam", account=account)
    iam.delete_role_policy(RoleName="filters", PolicyName="only")
    iam.delete_role(RoleName="filters")
    sender.write("lost")
    assert sender.metric("DeliveryErrors") == 1
    assert archive.messages() == ["delivered"]


@pytest.mark.parametrize("broken", ["policy", "trust", "permission", "destination", "stream"])
def test_events_that_cannot_be_delivered_are_lost_and_counted_in_the_senders_account(cloud: Cloud, broken: str) -> None:
    archive = Archive(cloud, [account := new_account()])
    sender = Sender(cloud, account)
    sender.subscribe(archive.destination())
    sender.write("before")
    assert eventually(lambda: archive.messages() == ["before"])
    match broken:
        case "policy":
            archive.destination(admit=[new_account()])
        case "trust":
            archive.client("iam").update_assume_role_policy(RoleName="sender", PolicyDocument='{"Statement": []}')
        case "permission":
            archive.client("iam").delete_role_policy(RoleName="sender", PolicyName="only")
        case "destination":
            archive.client("logs").delete_destination(destinationName="archive")
        case "stream":
            archive.client("firehose").delete_delivery_stream(DeliveryStreamName="archive")
    sender.write("lost", "lost too")
    assert sender.metric("DeliveryErrors") == 2
    assert sender.metric("ForwardedLogEvents") == 1
    assert archive.messages() == ["before"]


def test_a_delivery_role_without_permissions_is_reported_in_the_streams_log_group(cloud: Cloud) -> None:
    archive = Archive(cloud, [account := new_account()])
    sender = Sender(cloud, account)
    sender.subscribe(archive.destination())
    report = {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}
    archive.allow("delivery", json.dumps({"Version": "2012-10-17", "Statement": [report]}))
    sender.write("lost")

    def reported() -> bool:
        events = archive.client("logs").get_log_events(logGroupName="errors", logStreamName="S3Delivery")["events"]
        return any("Access was denied" in event["message"] for event in events)

    assert eventually(reported)
    assert archive.objects() == {}


def test_a_delivery_that_is_allowed_in_time_loses_nothing(cloud: Cloud) -> None:
    archive = Archive(cloud, [account := new_account()])
    sender = Sender(cloud, account)
    sender.subscribe(archive.destination())
    iam = archive.client("iam")
    policy = iam.get_role_policy(RoleName="delivery", PolicyName="only")["PolicyDocument"]
    iam.delete_role_policy(RoleName="delivery", PolicyName="only")
    sender.write("late")
    archive.allow("delivery", json.dumps(policy))
    assert eventually(lambda: archive.messages() == ["late"])


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"ErrorOutputPrefix": ""}, "ErrorOutputPrefix cannot be null"),
        ({"ErrorOutputPrefix": "e/!{timestamp:yyyy}/"}, "must contain the expression"),
        ({"BufferingHints": {"SizeInMBs": 129, "IntervalInSeconds": 60}}, "between 1 and 128"),
        ({"BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 901}}, "between 0 and 900"),
        ({"CompressionFormat": "ZIP"}, "UNCOMPRESSED, GZIP, Snappy only"),
        ({"Prefix": "!{partitionKeyFromQuery:a}/"}, "without dynamic partitioning"),
        ({**PARTITIONED, "Prefix": "logs/"}, "requires partition keys"),
        ({**PARTITIONED, "ProcessingConfiguration": {"Enabled": False}}, "requires partition keys"),
        ({**PARTITIONED, "BufferingHints": {"SizeInMBs": 63, "IntervalInSeconds": 60}}, "must be at least 64"),
        ({**PARTITIONED, "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 59}}, "must be at least 60"),
        (
            {"ProcessingConfiguration": {"Enabled": True, "Processors": [{"Type": "MetadataExtraction", "Parameters": [
                {"ParameterName": "MetadataExtractionQuery", "ParameterValue": "." * 5121}
            ]}]}},
            "must have length less than or equal to 5120",
        ),
        ({"RoleARN": "arn:aws:iam::111111111111:role/nobody"}, "unable to assume role"),
        ({"S3BackupMode": "Enabled"}, "S3 backup requires a Lambda processor"),
        (
            {"ProcessingConfiguration": {"Enabled": True, "Processors": [{"Type": "CloudWatchLogProcessing"}]}},
            "requires the Decompression processor",
        ),
    ],
)  # fmt: skip
def test_an_invalid_stream_is_rejected(cloud: Cloud, extra: dict[str, Any], message: str) -> None:
    assert message in error_of(Archive, cloud, [], extra=extra)


def test_a_policy_that_requires_tls_denies_a_request_that_is_marked_as_plain_http(cloud: Cloud) -> None:
    archive = Archive(cloud, [])
    policy = policies.bucket_policy(bucket_arn=f"arn:aws:s3:::{archive.bucket}", key_arn=None)
    archive.client("s3").put_bucket_policy(Bucket=archive.bucket, Policy=policy)
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{archive.account}:root"},
        "Action": "sts:AssumeRole",
    }
    archive.role("reader", json.dumps({"Statement": [trust]}))
    archive.allow("reader", json.dumps({"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}))
    s3 = assumed(cloud, archive.account, "reader", "s3")
    assert s3.list_objects_v2(Bucket=archive.bucket)["KeyCount"] == 0

    def plain(request: Any, **_: object) -> None:  # noqa: ANN401 - boto3
        request.headers["x-forwarded-proto"] = "http"

    s3.meta.events.register("before-send.s3", plain)
    assert "explicit deny" in error_of(s3.list_objects_v2, Bucket=archive.bucket)


def test_the_default_key_of_a_bucket_may_be_given_by_its_id_or_an_alias_of_the_writers_account(cloud: Cloud) -> None:
    archive = Archive(cloud, [])
    kms, s3, firehose = (archive.client(service) for service in ("kms", "s3", "firehose"))
    key, other = (kms.create_key()["KeyMetadata"] for _ in range(2))
    for alias, of in (("alias/logs", key), ("alias/other", other)):
        kms.create_alias(AliasName=alias, TargetKeyId=of["KeyId"])
    statements = json.loads(
        policies.delivery_role_policy(
            home_region=HOME, bucket_arn=f"arn:aws:s3:::{archive.bucket}", cross_account_bucket=False,
            error_log_stream_arn="*", key_arn=key["Arn"], function_arn=None,
        )
    )  # fmt: skip
    archive.allow("delivery", json.dumps(statements))

    def delivers(default: str) -> bool:
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": default}}
        s3.put_bucket_encryption(Bucket=archive.bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
        before = len(archive.objects())
        firehose.put_record(DeliveryStreamName="archive", Record={"Data": gzip.compress(b"{}")})
        return eventually(lambda: len(archive.objects()) > before, seconds=5.0)

    assert [delivers(each) for each in (key["Arn"], key["KeyId"], "alias/logs", "alias/aws/s3")] == [True] * 4
    assert [delivers(each) for each in (other["KeyId"], "alias/other", "alias/none")] == [False] * 3


def test_a_bucket_that_blocks_keys_of_callers_keeps_and_enforces_it(cloud: Cloud) -> None:
    archive = Archive(cloud, [])
    s3, key = archive.client("s3"), {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    s3.put_object(Bucket=archive.bucket, Key="before", Body=b"", **key)
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
        "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
    }
    encryption = {"Rules": [rule]}
    s3.put_bucket_encryption(Bucket=archive.bucket, ServerSideEncryptionConfiguration=encryption)
    (found,) = s3.get_bucket_encryption(Bucket=archive.bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert found["BlockedEncryptionTypes"] == rule["BlockedEncryptionTypes"]
    assert "AccessDenied" in error_of(s3.put_object, Bucket=archive.bucket, Key="after", Body=b"", **key)
    assert "AccessDenied" in error_of(s3.create_multipart_upload, Bucket=archive.bucket, Key="after", **key)
    s3.put_object(Bucket=archive.bucket, Key="after", Body=b"")


def test_whoever_creates_a_bucket_with_tags_needs_permission_to_tag_it(cloud: Cloud) -> None:
    account = new_account()
    iam = cloud.client("iam", account=account)
    iam.create_role(RoleName="maker", AssumeRolePolicyDocument=trust_of(account))
    s3, bucket = assumed(cloud, account, "maker", "s3"), f"made-{account}"
    configuration = {"LocationConstraint": HOME, "Tags": [{"Key": "team", "Value": "shop"}]}

    def allow(*actions: str) -> None:
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName="maker", PolicyName="only", PolicyDocument=policy)

    allow("s3:CreateBucket")
    assert "s3:TagResource" in error_of(s3.create_bucket, Bucket=bucket, CreateBucketConfiguration=configuration)
    allow("s3:CreateBucket", "s3:TagResource")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=configuration)
    tags = cloud.client("s3", account=account).get_bucket_tagging(Bucket=bucket)["TagSet"]
    assert tags == configuration["Tags"]


def test_a_log_group_with_deletion_protection_cannot_be_deleted(cloud: Cloud) -> None:
    logs = cloud.client("logs", account=new_account())
    logs.create_log_group(logGroupName="kept", deletionProtectionEnabled=True)
    assert "Disable deletion protection first" in error_of(logs.delete_log_group, logGroupName="kept")
    logs.put_log_group_deletion_protection(logGroupIdentifier="kept", deletionProtectionEnabled=False)
    logs.delete_log_group(logGroupName="kept")


def test_a_stream_with_decompression_only_accepts_records_from_subscriptions(cloud: Cloud) -> None:
    put = Archive(cloud, []).client("firehose").put_record
    assert "InvalidSourceException" in error_of(put, DeliveryStreamName="archive", Record={"Data": b"plain"})


def test_a_record_that_cannot_be_decompressed_goes_to_the_error_prefix(cloud: Cloud) -> None:
    archive = Archive(cloud, [])
    archive.client("firehose").put_record(DeliveryStreamName="archive", Record={"Data": b"\x1f\x8bbroken"})
    assert eventually(lambda: bool(archive.objects("errors/decompression-failed/")))
    (line,) = archive.objects("errors/").values()
    assert json.loads(line)["errorCode"] == "Decompression.Failed"


def test_a_stream_without_decompression_writes_gzip_in_gzip(cloud: Cloud) -> None:
    """The sandbox shows the mistake that the archive's own stream avoids."""
    archive = Archive(cloud, [account := new_account()], extra={"ProcessingConfiguration": {"Enabled": False}})
    sender = Sender(cloud, account)
    sender.subscribe(archive.destination())
    sender.write("twice")
    assert eventually(lambda: bool(archive.objects()))
    assert all(gzip.decompress(body)[:2] == b"\x1f\x8b" for body in archive.objects().values())


def test_messages_can_be_extracted_from_records(cloud: Cloud) -> None:
    extract = {
        "Type": "CloudWatchLogProcessing",
        "Parameters": [{"ParameterName": "DataMessageExtraction", "ParameterValue": "true"}],
    }
    processing = {"Enabled": True, "Processors": [DECOMPRESSION, extract, DELIMITER]}
    archive = Archive(cloud, [account := new_account()], extra={"ProcessingConfiguration": processing})
    sender = Sender(cloud, account)
    sender.subscribe(archive.destination())
    sender.write("a", "b")

    def lines() -> set[bytes]:
        return {line for body in archive.objects().values() for line in gzip.decompress(body).splitlines()}

    assert eventually(lambda: {b"a", b"b"} <= lines())


@pytest.mark.parametrize(
    ("compression", "extension", "decompress"),
    [("UNCOMPRESSED", "", bytes), ("GZIP", ".gz", gzip.decompress), ("Snappy", ".snappy", cramjam.snappy.decompress)],
)
def test_objects_have_the_compression_of_the_stream(
    cloud: Cloud, compression: str, extension: str, decompress: Callable[[bytes], bytes]
) -> None:
    archive = Archive(cloud, [], extra={"CompressionFormat": compression})
    record = {"Data": gzip.compress(b'{"owner":"o"}')}
    archive.client("firehose").put_record(DeliveryStreamName="archive", Record=record)
    assert eventually(lambda: bool(archive.objects()))
    ((key, body),) = archive.objects().items()
    assert bytes(decompress(body)) == b'{"owner":"o"}\n'
    assert key.removesuffix(extension)[-1].isalnum()
    assert key.endswith(extension)


def test_a_deleted_stream_first_delivers_what_it_has_buffered(cloud: Cloud) -> None:
    archive = Archive(cloud, [account := new_account()])
    sender = Sender(cloud, account)
    sender.subscribe(archive.destination())
    sender.write("buffered")
    archive.client("firehose").delete_delivery_stream(DeliveryStreamName="archive")
    assert archive.messages() == ["buffered"]


def update_of(archive: Archive, **extra: Any) -> dict[str, Any]:  # noqa: ANN401 - of the configuration
    """Return the parameters that update the archive's stream."""
    archive.extra = extra
    described = archive.client("firehose").describe_delivery_stream(DeliveryStreamName="archive")
    stream = described["DeliveryStreamDescription"]
    return {
        "DeliveryStreamName": "archive",
        "CurrentDeliveryStreamVersionId": stream["VersionId"],
        "DestinationId": stream["Destinations"][0]["DestinationId"],
        "ExtendedS3DestinationUpdate": archive.configuration(),
    }


def test_partitioning_can_only_be_enabled_at_creation_and_never_be_disabled(cloud: Cloud) -> None:
    for created, wanted in ((PARTITIONED, {}), ({}, PARTITIONED)):
        archive = Archive(cloud, [], extra=created)
        update = archive.client("firehose").update_destination
        assert "neither enabled nor disabled" in error_of(update, **update_of(archive, **wanted))


def processing(*processors: dict[str, Any]) -> dict[str, Any]:
    return {"ProcessingConfiguration": {"Enabled": bool(processors), "Processors": list(processors)}}


def test_decompression_of_an_existing_stream_can_only_be_enabled_while_it_has_a_function(cloud: Cloud) -> None:
    function = {"Type": "Lambda", "Parameters": [{"ParameterName": "LambdaArn", "ParameterValue": "arn:any"}]}
    for created, wanted in (
        (processing(), processing(DECOMPRESSION)),
        (processing(), processing(DECOMPRESSION, function)),
        (processing(function), processing(DECOMPRESSION)),
    ):
        archive = Archive(cloud, [], extra=created)
        update = archive.client("firehose").update_destination
        assert "Enable data transformation with Lambda first" in error_of(update, **update_of(archive, **wanted))
    archive = Archive(cloud, [], extra=processing())
    update = archive.client("firehose").update_destination
    for step in (processing(function), processing(DECOMPRESSION, function), processing(DECOMPRESSION)):
        update(**update_of(archive, **step))


def test_a_record_without_a_partition_key_goes_to_the_error_prefix(cloud: Cloud) -> None:
    archive = Archive(cloud, [], extra=PARTITIONED)
    put = archive.client("firehose").put_record
    put(DeliveryStreamName="archive", Record={"Data": gzip.compress(b'{"owner":""}')})
    put(DeliveryStreamName="archive", Record={"Data": gzip.compress(b'{"owner":"o"}')})
    assert eventually(lambda: bool(archive.objects("errors/processing-failed/")) and bool(archive.objects("logs/o/")))
    (line,) = archive.objects("errors/").values()
    assert base64.b64decode(json.loads(line)["rawData"]) == b'{"owner":""}'


def test_a_record_whose_key_would_be_too_long_goes_to_the_error_prefix(cloud: Cloud) -> None:
    archive = Archive(cloud, [], extra=PARTITIONED)
    put = archive.client("firehose").put_record
    for owner in ("o" * (512 - len("logs//2026/01/01/00/")), "é" * 485, "p" * 500):
        put(DeliveryStreamName="archive", Record={"Data": gzip.compress(json.dumps({"owner": owner}).encode())})
    assert eventually(lambda: cloud.ask("idle")["idle"])
    lines = [json.loads(line) for body in archive.objects("errors/").values() for line in body.splitlines()]
    assert {line["errorCode"] for line in lines} == {"S3.KeyTooLongError"}
    assert {json.loads(base64.b64decode(line["rawData"]))["owner"] for line in lines} == {"é" * 485, "p" * 500}
    (key,) = archive.objects("logs/")
    assert key.startswith("logs/ooo")


def test_copies_of_centralized_events_say_where_they_were_written_if_a_filter_emits_that(cloud: Cloud) -> None:
    archive, account = Archive(cloud, []), new_account()
    cloud.ask(f"centralize/{account}/{archive.account}/{HOME}")
    copies = Sender(cloud, archive.account, group="apps")
    copies.subscribe(
        archive.stream_arn, roleArn=archive.role_arn("sender"), emitSystemFields=["@aws.account", "@aws.region"]
    )
    for region in (HOME, "us-east-1"):
        Sender(cloud, account, region, group="apps").write(region)
    copies.write("its own")
    assert eventually(lambda: len(archive.messages()) == 3)
    fields = {
        event["message"]: tuple(event["extractedFields"].values())
        for record in archive.records()
        for event in record["logEvents"]
    }
    assert fields == {
        HOME: (account, HOME), "us-east-1": (account, "us-east-1"), "its own": (archive.account, HOME),
    }  # fmt: skip
    assert {record["owner"] for record in archive.records()} == {archive.account}


def test_records_beyond_the_partition_quota_go_to_the_error_prefix(cloud: Cloud) -> None:
    archive = Archive(cloud, [], extra=PARTITIONED)
    records = [{"Data": gzip.compress(b'{"owner":"%d"}' % number)} for number in range(510)]
    put = archive.client("firehose").put_record_batch
    put(DeliveryStreamName="archive", Records=records[:500])
    put(DeliveryStreamName="archive", Records=records[500:])
    assert eventually(lambda: cloud.ask("idle")["idle"])
    failed = [line for body in archive.objects("errors/").values() for line in body.splitlines()]
    s3 = archive.client("s3")
    written = s3.list_objects_v2(Bucket=archive.bucket, Prefix="logs/")["KeyCount"]
    assert (written >= 500, written + len(failed)) == (True, 510)


def test_the_tag_of_a_key_does_not_count_for_authorization_until_minutes_after_it_was_set(cloud: Cloud) -> None:
    account = new_account()
    iam = cloud.client("iam", account=account)
    iam.create_role(RoleName="admin", AssumeRolePolicyDocument=trust_of(account))
    tagged = {"StringEquals": {"aws:ResourceTag/owner": "us"}}
    allowed = [
        {"Effect": "Allow", "Action": ["kms:CreateKey", "kms:TagResource"], "Resource": "*"},
        {"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*", "Condition": tagged},
    ]
    iam.put_role_policy(RoleName="admin", PolicyName="p", PolicyDocument=json.dumps({"Statement": allowed}))
    kms = assumed(cloud, account, "admin", "kms")
    tag = {"TagKey": "owner", "TagValue": "us"}
    key = kms.create_key(Tags=[tag])["KeyMetadata"]["Arn"]
    assert "AccessDenied" in error_of(kms.describe_key, KeyId=key)
    kms.tag_resource(KeyId=key, Tags=[{**tag, "TagValue": "them"}])
    kms.tag_resource(KeyId=key, Tags=[tag])
    assert "AccessDenied" in error_of(kms.describe_key, KeyId=key)
    assert cloud.ask("settle") == {"settled": True}
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Enabled"]


def test_the_policy_of_a_key_that_names_a_role_allows_it_what_the_roles_own_policies_do_not(cloud: Cloud) -> None:
    account = new_account()
    cloud.client("iam", account=account).create_role(RoleName="admin", AssumeRolePolicyDocument=trust_of(account))
    kms = assumed(cloud, account, "admin", "kms")

    def key_for(principal: str) -> str:
        allow = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
        statement = {**allow, "Principal": {"AWS": f"arn:aws:iam::{account}:{principal}"}}
        created = cloud.client("kms", account=account).create_key(Policy=json.dumps({"Statement": [statement]}))
        return str(created["KeyMetadata"]["Arn"])

    assert "AccessDenied" in error_of(kms.describe_key, KeyId=key_for("root"))
    assert "AccessDenied" in error_of(kms.describe_key, KeyId=key_for("role/other"))
    assert kms.describe_key(KeyId=key_for("role/admin"))["KeyMetadata"]["Enabled"]


def test_permissions_on_a_role_are_decided_by_its_arn_with_its_path(cloud: Cloud) -> None:
    account = new_account()
    iam = cloud.client("iam", account=account)
    for role in ({"RoleName": "reader"}, {"RoleName": "delivery", "Path": "/service-role/"}):
        iam.create_role(**role, AssumeRolePolicyDocument=trust_of(account))
    reader, read = assumed(cloud, account, "reader", "iam"), {"Effect": "Allow", "Action": "iam:*"}

    def allowed_on(role: str) -> None:
        statement = {**read, "Resource": f"arn:aws:iam::{account}:role/{role}"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
        iam.put_role_policy(RoleName="reader", PolicyName="read", PolicyDocument=policy)

    allowed_on("delivery")
    assert "AccessDenied" in error_of(reader.get_role, RoleName="delivery")
    allowed_on("service-role/delivery")
    assert reader.get_role(RoleName="delivery")["Role"]["Path"] == "/service-role/"
    new = {"RoleName": "new", "AssumeRolePolicyDocument": trust_of(account)}
    allowed_on("new")
    assert "AccessDenied" in error_of(reader.create_role, **new, Path="/service-role/")
    assert reader.create_role(**new)["Role"]["Path"] == "/"


def test_the_cloud_lists_the_decision_on_every_call_of_a_role(cloud: Cloud) -> None:
    account = new_account()
    iam = cloud.client("iam", account=account)
    iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust_of(account))
    logs = assumed(cloud, account, "reader", "logs")
    assert "AccessDenied" in error_of(logs.describe_log_groups)
    assert {
        "principal": f"arn:aws:sts::{account}:assumed-role/reader/test",
        "action": "logs:DescribeLogGroups",
        "resource": "*",
        "allowed": False,
    } in cloud.ask("calls")


def test_glue_returns_no_description_where_none_was_given(cloud: Cloud) -> None:
    glue = cloud.client("glue", account=new_account())
    glue.create_database(DatabaseInput={"Name": "without"})
    glue.create_database(DatabaseInput={"Name": "with", "Description": "Logs"})
    glue.create_table(DatabaseName="with", TableInput={"Name": "t"})
    assert "Description" not in glue.get_database(Name="without")["Database"]
    assert "Description" not in glue.get_table(DatabaseName="with", Name="t")["Table"]
    assert [each.get("Description") for each in glue.get_databases()["DatabaseList"]] == [None, "Logs"]


def test_calls_become_events_of_cloudtrail_in_their_account_and_region(cloud: Cloud) -> None:
    account = new_account()
    logs, events, kms = (cloud.client(service, account=account) for service in ("logs", "events", "kms"))
    rule, group = "seen", "/aws/events/seen"
    logs.create_log_group(logGroupName=group)
    arn = f"arn:aws:logs:{HOME}:{account}:log-group:{group}"
    principal = {"Service": ["delivery.logs.amazonaws.com", "events.amazonaws.com"]}
    write = {"Effect": "Allow", "Principal": principal, "Action": "logs:*", "Resource": f"{arn}:*"}
    logs.put_resource_policy(policyName=rule, policyDocument=json.dumps({"Statement": [write]}))
    pattern = {"source": [{"prefix": "aws."}], "detail-type": ["AWS API Call via CloudTrail"]}
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, Targets=[{"Id": rule, "Arn": arn}])
    iam = cloud.client("iam", account=account)
    iam.create_role(RoleName="thief", AssumeRolePolicyDocument=trust_of(account))
    everything = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_role_policy(RoleName="thief", PolicyName="all", PolicyDocument=json.dumps(everything))
    key = kms.create_key()["KeyMetadata"]
    s3 = cloud.client("s3", account=account)
    s3.create_bucket(Bucket=f"bucket-{account}", CreateBucketConfiguration={"LocationConstraint": HOME})
    s3.put_object(Bucket=f"bucket-{account}", Key="data", Body=b"")
    s3.put_bucket_versioning(Bucket=f"bucket-{account}", VersioningConfiguration={"Status": "Suspended"})
    s3.get_bucket_versioning(Bucket=f"bucket-{account}")
    kms.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256")
    error_of(logs.delete_log_group, logGroupName="none")
    cloud.client("logs", account=account, region="us-east-1").create_log_group(logGroupName="elsewhere")
    assumed(cloud, account, "thief", "cloudwatch").delete_alarms(AlarmNames=["watch"])
    seen = [json.loads(each["message"])["detail"] for each in logs.filter_log_events(logGroupName=group)["events"]]
    assert {(each["eventSource"].partition(".")[0], each["eventName"], each["readOnly"]) for each in seen} == {
        ("events", "PutTargets", False), ("kms", "CreateKey", False), ("s3", "CreateBucket", False),
        ("s3", "PutBucketVersioning", False), ("kms", "GenerateDataKey", True), ("monitoring", "DeleteAlarms", False),
    }  # fmt: skip
    by_name = {each["eventName"]: each for each in seen}
    assert by_name["PutBucketVersioning"]["requestParameters"] == {"bucketName": f"bucket-{account}"}
    assert by_name["PutBucketVersioning"]["userIdentity"]["type"] == "Root"
    assert by_name["GenerateDataKey"]["resources"][0]["ARN"] == key["Arn"]
    assert by_name["DeleteAlarms"]["requestParameters"] == {"alarmNames": ["watch"]}
    identity = by_name["DeleteAlarms"]["userIdentity"]
    assert (identity["type"], identity["sessionContext"]["sessionIssuer"]["arn"]) == (
        "AssumedRole",
        f"arn:aws:iam::{account}:role/thief",
    )
    counted = cloud.client("cloudwatch", account=account).list_metrics(Namespace="AWS/Events")["Metrics"]
    assert [(each["MetricName"], each["Dimensions"]) for each in counted] == [
        ("TriggeredRules", [{"Name": "RuleName", "Value": rule}])
    ]
