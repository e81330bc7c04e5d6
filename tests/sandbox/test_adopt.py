"""``python -m ops adopt``: the program adopts an existing archive, and no event is lost meanwhile."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.adopt.bootstrap import OWN_ROLE
from sandbox.prepare import prepare
from tests.sandbox.checkout import Checkout
from tests.sandbox.existing_archive import eventually
from tests.sandbox.stacks import Stacks, archived, write

CENTRAL = "111111111111"
BUCKET = "company-waf-logs"
REGIONS = ("eu-west-1", "us-east-1")
SENDERS = {"222222222222": {"aws-waf-logs-shop": ""}, "333333333333": {"/app/a": "", "/app/b": "ERROR"}}
"""Application account → log group → filter pattern, in each region."""
OWN = "aws-waf-logs-central"
FILTERS = len(REGIONS) * sum(map(len, SENDERS.values())) + 1
ADOPT = ("adopt", "-s", "company", "--account", CENTRAL, "--region", "eu-west-1")

IMPORT_FLAGS = ("--yes", "--protect=false", "--generate-code=false")


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def role(stacks: Stacks, name: str, service: str, *actions: str, account: str = CENTRAL, path: str = "/") -> str:
    """A role as in tutorials: trusted without a condition, with more permissions than it needs."""
    iam = stacks.client("iam", account=account)
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    permissions = document({"Effect": "Allow", "Action": list(actions), "Resource": "*"})
    iam.put_role_policy(RoleName=name, PolicyName=f"Permissions-{name}", PolicyDocument=permissions)
    return str(arn)


def create_archive(stacks: Stacks) -> None:
    """An archive as in AWS's tutorial on cross-account subscriptions, with names of its own."""
    s3 = stacks.client("s3", account=CENTRAL)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    delivery = role(stacks, "FirehosetoS3Role", "firehose.amazonaws.com", "s3:*")
    stream = stacks.client("firehose", account=CENTRAL).create_delivery_stream(
        DeliveryStreamName="waf-logs",
        ExtendedS3DestinationConfiguration={"RoleARN": delivery, "BucketARN": f"arn:aws:s3:::{BUCKET}"},
    )["DeliveryStreamARN"]
    sender = role(stacks, "CWLtoFirehose", "logs.amazonaws.com", "firehose:*")
    logs = stacks.client("logs", account=CENTRAL)
    logs.create_log_group(logGroupName=OWN)
    logs.put_subscription_filter(
        logGroupName=OWN, filterName="MyFilter", filterPattern="", destinationArn=stream, roleArn=sender
    )
    for region in REGIONS:
        logs = stacks.client("logs", account=CENTRAL, region=region)
        made = logs.put_destination(destinationName="testFirehoseDestination", targetArn=stream, roleArn=sender)
        admit = {
            "Effect": "Allow", "Principal": {"AWS": list(SENDERS)}, "Action": "logs:PutSubscriptionFilter",
            "Resource": made["destination"]["arn"],
        }  # fmt: skip
        logs.put_destination_policy(destinationName="testFirehoseDestination", accessPolicy=document(admit))
        for account, groups in SENDERS.items():
            logs = stacks.client("logs", account=account, region=region)
            for name, pattern in groups.items():
                with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
                    logs.create_log_group(logGroupName=name)
                logs.put_subscription_filter(
                    logGroupName=name, filterName="MyFilter", filterPattern=pattern,
                    destinationArn=made["destination"]["arn"],
                )  # fmt: skip


def arrived(stacks: Stacks) -> Counter[str]:
    """How often each numbered event is in the bucket, whether it is compressed once or twice."""
    s3 = stacks.client("s3", account=CENTRAL)
    listed = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    bodies = [gzip.decompress(s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()) for item in listed]
    return Counter(number for body in bodies for number in re.findall(r"event-\d+\.", body.decode()))


@contextlib.contextmanager
def events(stacks: Stacks) -> Iterator[Callable[[], int]]:
    """Write an event every 50 ms, in turn into a log group of a sender and one of the central account.

    Yields:
        A function that returns how many there are.
    """
    over, count = threading.Event(), 0

    def go_on() -> None:
        nonlocal count
        while not over.wait(0.05):
            own = {"account": CENTRAL, "group": OWN} if count % 2 else {}
            write(stacks, f"event-{count}.", **own)
            count += 1

    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        yield lambda: count
    finally:
        over.set()
        writer.join()


@pytest.fixture(scope="module")
def checkout(stacks: Stacks, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    create_archive(stacks)
    made = Checkout(tmp_path_factory.mktemp("checkout") / "project", stacks)
    made.init("company")
    return made


def stack_file(checkout: Checkout) -> Path:
    return checkout.folder / "Pulumi.company.yaml"


def deploy_bootstrap(checkout: Checkout, **more: str) -> None:
    """Deploy the bootstrap templates with the names that the first error reports, as an administrator does."""
    archive = {
        "account": CENTRAL, "region": "eu-west-1", "destinationRegions": list(REGIONS),
        "senders": {"accounts": list(SENDERS)}, "senderRoleName": OWN_ROLE, "streamName": "waf-logs",
        "destinationNames": dict.fromkeys(REGIONS, "testFirehoseDestination"), **more,
    }  # fmt: skip
    prepare([checkout.stacks.write({"archive": archive})], checkout.stacks.instance.environment())


def test_missing_permissions_are_reported_with_what_to_deploy_and_nothing_is_written(checkout: Checkout) -> None:
    before = stack_file(checkout).read_text(encoding="utf-8")
    printed = checkout.ops(*ADOPT, status=2)
    assert "the stream waf-logs cannot be read with arn:aws:iam::111111111111:role/central-log-archive-dep" in printed
    assert f"SenderRoleName={OWN_ROLE} SenderAccounts=222222222222,333333333333" in printed
    assert stack_file(checkout).read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--application", "777777777777"), "account 777777777777: An error occurred (AccessDenied)"),
        (("--application", "7"), '"7" is not a'),
        (("--region", "eu-west-9"), '"eu-west-9" is not a'),
        (("--region", "us-east-1"), "no Logs destination of the account leads to a stream in us-east-1"),
        (("--stream", "other"), "no Logs destination of the account leads to the stream other in eu-west-1"),
        (("--account", "777777777777"), "777777777777 cannot be read with its deployer role arn:aws:iam::777777777"),
    ],
)
def test_what_cannot_be_adopted_is_reported_with_the_reason(
    checkout: Checkout, arguments: tuple[str, str], problem: str
) -> None:
    deploy_bootstrap(checkout, existingBucket=BUCKET)
    before = stack_file(checkout).read_text(encoding="utf-8")
    assert problem in checkout.ops(*ADOPT, *arguments, status=2)
    assert stack_file(checkout).read_text(encoding="utf-8") == before


def test_ambiguous_destinations_are_reported(checkout: Checkout) -> None:
    logs = checkout.stacks.client("logs", account=CENTRAL)
    firehose = checkout.stacks.client("firehose", account=CENTRAL)
    iam = f"arn:aws:iam::{CENTRAL}:role"
    delivery = {"RoleARN": f"{iam}/FirehosetoS3Role", "BucketARN": f"arn:aws:s3:::{BUCKET}"}
    other = firehose.create_delivery_stream(
        DeliveryStreamName="other", ExtendedS3DestinationConfiguration=delivery
    )["DeliveryStreamARN"]  # fmt: skip
    put = {"destinationName": "second", "roleArn": f"{iam}/CWLtoFirehose"}
    try:
        logs.put_destination(**put, targetArn=other)
        several_streams = checkout.ops(*ADOPT, status=2)
        logs.put_destination(**put, targetArn=other.replace("/other", "/waf-logs"))
        several_destinations = checkout.ops(*ADOPT, status=2)
    finally:
        logs.delete_destination(destinationName="second")
        firehose.delete_delivery_stream(DeliveryStreamName="other")
    assert "several streams in eu-west-1: other, waf-logs; choose one with --stream" in several_streams
    assert "eu-west-1 has 2 destinations that lead to waf-logs" in several_destinations


@contextlib.contextmanager
def denied(stacks: Stacks, regions: dict[str, str]) -> Iterator[None]:
    """Deny a region to the deployer role of each account, as a service control policy does."""
    policy = {"RoleName": "central-log-archive-deployer", "PolicyName": "denied"}
    for account, region in regions.items():
        condition = {"StringEquals": {"aws:RequestedRegion": region}}
        deny = {"Effect": "Deny", "Action": "logs:*", "Resource": "*", "Condition": condition}
        stacks.client("iam", account=account).put_role_policy(**policy, PolicyDocument=document(deny))
    yield
    for account in regions:
        stacks.client("iam", account=account).delete_role_policy(**policy)


def test_denied_regions_are_reported_and_left_out(checkout: Checkout) -> None:
    deploy_bootstrap(checkout, existingBucket=BUCKET)
    checkout.init("second")
    with denied(checkout.stacks, {CENTRAL: "eu-west-1"}):
        assert "cannot be read with its deployer role" in checkout.ops("adopt", "-s", "second", *ADOPT[3:], status=2)
    with denied(checkout.stacks, {CENTRAL: "eu-west-2", "333333333333": "us-east-1"}):
        adopted = json.loads(checkout.ops("adopt", "-s", "second", *ADOPT[3:], "--json"))
    unread = "whatever is in eu-west-2 of the central account, us-east-1 of account 333333333333"
    assert adopted["left"][-1].startswith(unread)
    config = yaml.safe_load((checkout.folder / adopted["stackFile"]).read_text(encoding="utf-8"))["config"]
    assert [[*each["regions"]] for each in config["central-log-archive:applications"]] == [[*REGIONS], ["eu-west-1"]]


def test_an_existing_archive_is_adopted_without_interruption(checkout: Checkout) -> None:
    stacks = checkout.stacks
    with events(stacks) as count:
        checkout.ops(*ADOPT)
        prepare([stack_file(checkout)], stacks.instance.environment())
        adopted = json.loads(checkout.ops(*ADOPT, "--json"))
        assert "a new stream replaces waf-logs, which does not decompress records" in adopted["changes"][0]
        assert adopted["bootstrap"]["archive-account.yaml"]["StreamName"] == "waf-logs"
        assert "archive-stream" not in adopted["adopted"]
        checkout.pulumi("import", "-s", "company", "--file", adopted["importFile"], *IMPORT_FLAGS)

        steps = json.loads(checkout.pulumi("preview", "-s", "company", "--json"))["steps"]
        operations = {step["urn"].rsplit("::", 1)[-1]: step["op"] for step in steps}
        assert set(operations.values()) == {"create", "read", "same", "update"}
        assert {name for name, operation in operations.items() if operation == "update"} == set(adopted["adopted"])
        checkout.pulumi("up", "-s", "company", "--yes", "--skip-preview")
        assert "lost" not in checkout.ops("verify", "-s", "company", "--timeout", "20")

        assert f"deleted {FILTERS} filters" in checkout.ops("retire", "-s", "company", "--yes")
        retired = count()
        assert eventually(lambda: count() > retired + 20)
        stacks.client("firehose", account=CENTRAL).delete_delivery_stream(DeliveryStreamName="waf-logs")
        gone = count()
        assert eventually(lambda: count() > gone + 20)
    assert eventually(lambda: len(arrived(stacks)) == count()), f"{len(arrived(stacks))} of {count()}"
    times = arrived(stacks)
    assert set(times.values()) == {1, 2}  # twice while there were two filters
    assert all(times[f"event-{number}."] == 1 for number in range(retired + 1, count()))
    checkout.pulumi("preview", "-s", "company", "--expect-no-changes")
    assert "There is nothing to import" in checkout.ops(*ADOPT)
    assert "deleted 0 filters" in checkout.ops("retire", "-s", "company")
    adopted = json.loads(checkout.ops("adopt", "-s", "second", *ADOPT[3:], "--json"))
    assert not any("filters" in line for line in adopted["left"])  # the program's own do not count


def test_superseded_filters_are_only_deleted_when_confirmed(checkout: Checkout) -> None:
    logs = checkout.stacks.client("logs", account="222222222222")
    arn = checkout.stacks.outputs("company")["destinations"]["eu-west-1"]
    filters = ("central-log-archive.eu-west-1", "MyFilter")
    logs.put_subscription_filter(
        logGroupName="aws-waf-logs-shop", filterName="MyFilter", filterPattern="", destinationArn=arn
    )

    def names() -> list[str]:
        found = logs.describe_subscription_filters(logGroupName="aws-waf-logs-shop")["subscriptionFilters"]
        return [each["filterName"] for each in found]

    checkout.ops("retire", "-s", "company", status=1)  # nobody answers
    assert set(names()) == set(filters)
    adopted = json.loads(checkout.ops("retire", "-s", "company", "--yes", "--json"))
    assert [(each["account"], each["logGroup"], each["name"]) for each in adopted["deleted"]] == [
        ("222222222222", "aws-waf-logs-shop", "MyFilter")
    ]
    assert names() == [filters[0]]


CONSOLE = "555555555555"
PROCESSORS = [
    {"Type": "Decompression", "Parameters": [{"ParameterName": "CompressionFormat", "ParameterValue": "GZIP"}]},
    {
        "Type": "MetadataExtraction",
        "Parameters": [
            {"ParameterName": "MetadataExtractionQuery", "ParameterValue": "{owner:.owner}"},
            {"ParameterName": "JsonParsingEngine", "ParameterValue": "JQ-1.6"},
        ],
    },
    {"Type": "AppendDelimiterToRecord", "Parameters": [{"ParameterName": "Delimiter", "ParameterValue": "\\n"}]},
]


def create_in_console(stacks: Stacks) -> str:
    """An archive as the console creates it: roles with a path, a partitioned stream, and a bucket with a default key.

    Returns:
        The ARN of its destination.
    """
    account = {"account": CONSOLE, "path": "/service-role/"}
    s3 = stacks.client("s3", account=CONSOLE)
    s3.create_bucket(Bucket="console-logs", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    key = stacks.client("kms", account=CONSOLE).create_key()["KeyMetadata"]["KeyId"]
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    s3.put_bucket_encryption(Bucket="console-logs", ServerSideEncryptionConfiguration={"Rules": [default]})
    allowed = ("s3:*", "logs:*", "kms:*")
    delivery = role(stacks, "KinesisFirehoseServiceRole", "firehose.amazonaws.com", *allowed, **account)
    stacks.client("logs", account=CONSOLE).create_log_group(logGroupName="/aws/kinesisfirehose/PUT-S3")
    stream = stacks.client("firehose", account=CONSOLE).create_delivery_stream(
        DeliveryStreamName="PUT-S3",
        ExtendedS3DestinationConfiguration={
            "RoleARN": delivery,
            "BucketARN": "arn:aws:s3:::console-logs",
            "Prefix": "by-owner/!{partitionKeyFromQuery:owner}/",
            "ErrorOutputPrefix": "failed/",
            "CompressionFormat": "GZIP",
            "BufferingHints": {"SizeInMBs": 100, "IntervalInSeconds": 120},
            "DynamicPartitioningConfiguration": {"Enabled": True},
            "ProcessingConfiguration": {"Enabled": True, "Processors": PROCESSORS},
            "CloudWatchLoggingOptions": {
                "Enabled": True, "LogGroupName": "/aws/kinesisfirehose/PUT-S3", "LogStreamName": "DestinationDelivery",
            },
        },
    )["DeliveryStreamARN"]  # fmt: skip
    sender = role(stacks, "CWLtoKinesisFirehoseRole", "logs.amazonaws.com", "firehose:*", **account)
    logs = stacks.client("logs", account=CONSOLE)
    arn = logs.put_destination(destinationName="to-PUT-S3", targetArn=stream, roleArn=sender)["destination"]["arn"]
    admit = {"Effect": "Allow", "Principal": {"AWS": "444444444444"}, "Action": "logs:*", "Resource": arn}
    logs.put_destination_policy(destinationName="to-PUT-S3", accessPolicy=document(admit))
    return str(arn)


def test_a_partitioned_stream_and_the_key_of_its_bucket_are_kept_and_a_role_with_a_path_is_replaced(
    checkout: Checkout,
) -> None:
    stacks = checkout.stacks
    arn = create_in_console(stacks)
    archive = {
        "account": CONSOLE, "region": "eu-west-1", "destinationRegions": ["eu-west-1"], "streamName": "PUT-S3",
        "destinationNames": {"eu-west-1": "to-PUT-S3"}, "existingBucket": "console-logs", "senderRoleName": OWN_ROLE,
    }  # fmt: skip
    groups = {"account": "444444444444", "regions": {"eu-west-1": {"logGroups": ["/console"]}}}
    prepare([stacks.write({"archive": archive, "applications": [groups]})], stacks.instance.environment())
    logs = stacks.client("logs", account="444444444444")
    logs.put_subscription_filter(logGroupName="/console", filterName="mine", filterPattern="", destinationArn=arn)
    checkout.init("console")
    options = ("-s", "console", "--account", CONSOLE, "--region", "eu-west-1", "--json")
    adopted = json.loads(checkout.ops("adopt", *options))
    assert set(adopted["adopted"]) == {
        "archive-stream", "archive-destination-eu-west-1", "archive-destination-policy-eu-west-1",
    }  # fmt: skip
    (key,) = (each["KeyArn"] for each in stacks.client("kms", account=CONSOLE).list_keys()["Keys"])
    assert adopted["bootstrap"]["archive-account.yaml"]["KeyArn"] == key
    written = yaml.safe_load((checkout.folder / adopted["stackFile"]).read_text(encoding="utf-8"))["config"]
    assert written["central-log-archive:archive"]["key"] == {"objects": key}
    prepare([checkout.folder / adopted["stackFile"]], stacks.instance.environment())
    checkout.pulumi("import", "-s", "console", "--file", adopted["importFile"], *IMPORT_FLAGS)
    steps = json.loads(checkout.pulumi("preview", "-s", "console", "--json"))["steps"]
    assert {step["op"] for step in steps} == {"create", "read", "same", "update"}
    checkout.pulumi("up", "-s", "console", "--yes", "--skip-preview")
    assert "lost" not in checkout.ops("verify", "-s", "console", "--timeout", "20")
    checkout.ops("retire", "-s", "console", "--yes")
    write(stacks, "after", account="444444444444", group="/console")
    under = "logs/account=444444444444/region=eu-west-1/"
    assert eventually(lambda: "after" in json.dumps(archived(stacks, "console-logs", under, account=CONSOLE)))
    (made,) = stacks.client("logs", account=CONSOLE).describe_destinations()["destinations"]
    assert made["roleArn"] == f"arn:aws:iam::{CONSOLE}:role/central-log-archive-sender"
    checkout.pulumi("preview", "-s", "console", "--expect-no-changes")
