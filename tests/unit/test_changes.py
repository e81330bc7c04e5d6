"""The event patterns that see what anybody but the deployer changes, matched as EventBridge does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ministack.core.responses import request_scope
from ministack.services import eventbridge

from topology.changes import archive_changes, sender_changes
from topology.settings import Application

REGION, ARCHIVE, SHOP = "eu-west-1", "111111111111", "222222222222"
DEPLOYER = "central-log-archive-deployer"
BUCKET, STREAM = "archive-bucket-1a2b3c4", "archive-stream-1a2b3c4"
KEY, SIGNING = (f"arn:aws:kms:{REGION}:{ARCHIVE}:key/{each * 8}-1234-1234-1234-123456789012" for each in "ab")
DESTINATION = f"arn:aws:logs:{REGION}:{ARCHIVE}:destination:archive-destination-{REGION}-1a2b3c4"
FILTER = {"logGroupName": "aws-waf-logs-shop", "filterName": f"central-log-archive.{REGION}"}
HOME = archive_changes(
    REGION,
    ARCHIVE,
    DEPLOYER,
    alarms="archive-alarm-",
    destinations=[DESTINATION],
    buckets=[BUCKET],
    streams=[STREAM],
    functions=["archive-transform-1a2b3c4"],
    rules=["archive-digest-rule-1a2b3c4"],
    keys=[KEY, KEY, SIGNING],
)
SENDER = sender_changes(
    Application.model_validate({"account": SHOP, "alias": "shop", "regions": {REGION: {"logGroups": ["a"]}}}), REGION
)
Detail = dict[str, Any]
Call = tuple[str, str, Detail]  # service, name of the event, request parameters


def session(account: str, role: str) -> Detail:
    """Return the identity of a session of a role."""
    issuer = {"type": "Role", "arn": f"arn:aws:iam::{account}:role/{role}", "accountId": account, "userName": role}
    arn = f"arn:aws:sts::{account}:assumed-role/{role}/session"
    return {"type": "AssumedRole", "arn": arn, "accountId": account, "sessionContext": {"sessionIssuer": issuer}}


THIEF = session(SHOP, "administrator")
ROOT = {"type": "Root", "arn": f"arn:aws:iam::{SHOP}:root", "accountId": SHOP}
USER = {"type": "IAMUser", "arn": f"arn:aws:iam::{SHOP}:user/eve", "accountId": SHOP, "userName": "eve"}
STRANGER = {"type": "AWSAccount", "accountId": "999999999999"}


def matches(pattern: str, call: Call, identity: Detail = THIEF, **differences: Any) -> bool:  # noqa: ANN401 - JSON
    """Return whether a pattern matches the event of a call."""
    service, name, parameters = call
    detail = {
        "userIdentity": identity,
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "requestParameters": parameters,
        "readOnly": False,
        "managementEvent": True,
        "eventCategory": "Management",
        **differences,
    }
    event = {"Source": f"aws.{service}", "DetailType": "AWS API Call via CloudTrail", "Detail": json.dumps(detail)}
    with request_scope(SHOP, REGION):
        return bool(eventbridge._matches_pattern(pattern, event))


def of_key(name: str, arn: str, **differences: object) -> Detail:
    """Return the arguments of ``matches`` for a call on a key."""
    resources = [{"accountId": ARCHIVE, "type": "AWS::KMS::Key", "ARN": arn}]
    return {"call": ("kms", name, {"keyId": arn}), "resources": resources, **differences}


OF_SENDER: list[Call] = [
    ("logs", "DeleteSubscriptionFilter", FILTER),
    ("logs", "PutSubscriptionFilter", {**FILTER, "filterPattern": "never", "destinationArn": DESTINATION}),
    ("logs", "DeleteSubscriptionFilter", {**FILTER, "filterName": f"central-log-archive.auto.{REGION}"}),
    ("logs", "DeleteAccountPolicy", {"policyName": FILTER["filterName"], "policyType": "SUBSCRIPTION_FILTER_POLICY"}),
    ("logs", "DeleteResourcePolicy", {"policyName": "central-log-archive-canary"}),
    ("logs", "DeleteLogGroup", {"logGroupName": "/aws/events/central-log-archive-canary"}),
    ("lambda", "UpdateFunctionCode20150331v2", {"functionName": "central-log-archive-subscriber"}),
    ("lambda", "PutFunctionConcurrency20171031", {
        "functionName": f"arn:aws:lambda:{REGION}:{SHOP}:function:central-log-archive-subscriber"}),
    ("lambda", "DeleteFunction20150331", {"functionName": f"{SHOP}:central-log-archive-subscriber:7"}),
    ("lambda", "AddPermission20150331v2", {"functionName": "central-log-archive-subscriber:7"}),
    ("events", "DisableRule", {"name": "central-log-archive-canary"}),
    ("events", "RemoveTargets", {"rule": "central-log-archive-changes", "ids": ["central-log-archive-changes"]}),
    ("monitoring", "DeleteAlarms", {"alarmNames": ["other", "central-log-archive-silent"]}),
    ("monitoring", "PutMetricAlarm", {"alarmName": "central-log-archive-changed"}),
]  # fmt: skip
OF_ARCHIVE: list[Call] = [
    ("logs", "PutDestinationPolicy", {"destinationName": f"archive-destination-{REGION}-1a2b3c4"}),
    ("logs", "DeleteDestination", {"destinationName": f"archive-destination-{REGION}-1a2b3c4"}),
    ("logs", "DeleteLogGroup", {"logGroupName": "/aws/events/central-log-archive-changes"}),
    ("firehose", "UpdateDestination", {"deliveryStreamName": STREAM}),
    ("firehose", "DeleteDeliveryStream", {"deliveryStreamName": STREAM}),
    ("s3", "PutBucketVersioning", {"bucketName": BUCKET}),
    ("s3", "PutBucketLifecycle", {"bucketName": BUCKET}),
    ("s3", "DeleteBucketPolicy", {"bucketName": BUCKET}),
    ("lambda", "UpdateFunctionConfiguration20150331v2", {"functionName": "archive-transform-1a2b3c4"}),
    ("events", "DisableRule", {"name": "archive-digest-rule-1a2b3c4"}),
    ("monitoring", "DisableAlarmActions", {"alarmNames": ["archive-alarm-late-1a2b3c4"]}),
]
EVERYTHING = [*((SENDER, each) for each in OF_SENDER), *((HOME, each) for each in OF_ARCHIVE)]


@pytest.mark.parametrize(("pattern", "call"), EVERYTHING)
@pytest.mark.parametrize("identity", [THIEF, ROOT, USER, STRANGER], ids=["role", "root", "user", "stranger"])
def test_a_change_by_anybody_is_seen(pattern: str, call: Call, identity: Detail) -> None:
    assert matches(pattern, call, identity)


@pytest.mark.parametrize(("pattern", "call"), EVERYTHING)
def test_a_change_by_the_deployer_is_not_seen(pattern: str, call: Call) -> None:
    account = ARCHIVE if pattern is HOME else SHOP
    assert not matches(pattern, call, session(account, DEPLOYER))
    assert matches(pattern, call, session("999999999999", DEPLOYER))


@pytest.mark.parametrize(("pattern", "call"), EVERYTHING)
def test_what_is_denied_only_reads_is_no_management_event_or_is_forged_is_not_seen(pattern: str, call: Call) -> None:
    assert not matches(pattern, call, errorCode="AccessDenied")
    assert not matches(pattern, call, readOnly=True)
    assert not matches(pattern, call, managementEvent=False, eventCategory="Data")
    assert not matches(pattern, call, {"type": "AWSService", "invokedBy": "events.amazonaws.com"})
    with request_scope(SHOP, REGION):
        assert not eventbridge._matches_pattern(pattern, {"Source": "mine", "Detail": "{}"})


def test_the_function_that_subscribes_log_groups_changes_filters() -> None:
    assert not matches(SENDER, OF_SENDER[2], session(SHOP, "central-log-archive-subscriber"))


@pytest.mark.parametrize(
    ("pattern", "call"),
    [
        (SENDER, ("logs", "DeleteSubscriptionFilter", {**FILTER, "filterName": "to-the-team"})),
        (SENDER, ("logs", "DeleteSubscriptionFilter", {**FILTER, "filterName": "central-log-archive.us-east-1"})),
        (SENDER, ("logs", "DeleteLogGroup", {"logGroupName": "aws-waf-logs-shop"})),
        (SENDER, ("logs", "PutAccountPolicy", {"policyName": "redaction", "policyType": "DATA_PROTECTION_POLICY"})),
        (SENDER, ("logs", "CreateLogStream", {"logGroupName": "central-log-archive-canary"})),
        (SENDER, ("lambda", "UpdateFunctionCode20150331v2", {"functionName": "my-central-log-archive-subscriber"})),
        (SENDER, ("events", "DeleteRule", {"name": "nightly"})),
        (SENDER, ("monitoring", "DeleteAlarms", {"alarmNames": ["cpu"]})),
        (SENDER, ("ec2", "RunInstances", {"instanceType": "t4g.nano"})),
        (HOME, ("s3", "PutBucketVersioning", {"bucketName": f"{BUCKET}-copy"})),
        (HOME, ("logs", "PutDestinationPolicy", {"destinationName": "archive-destination-other"})),
        (HOME, ("firehose", "UpdateDestination", {"deliveryStreamName": "clicks"})),
        (HOME, ("sts", "AssumeRole", {"roleArn": f"arn:aws:iam::{ARCHIVE}:role/CWLtoKinesisFirehoseRole"})),
        (HOME, ("signin", "ConsoleLogin", {})),
    ],
)
def test_what_belongs_to_others_is_not_seen(pattern: str, call: Call) -> None:
    assert not matches(pattern, call)


def test_whatever_changes_a_key_is_seen_and_its_use_is_not() -> None:
    for name in ("DisableKey", "ScheduleKeyDeletion", "PutKeyPolicy", "CreateGrant"):
        assert matches(HOME, **of_key(name, KEY)), name
    assert matches(HOME, **of_key("DisableKey", SIGNING))
    assert not matches(HOME, **of_key("DisableKey", KEY.replace("a", "c")))
    for name in ("Decrypt", "GenerateDataKey", "Sign"):
        assert not matches(HOME, **of_key(name, KEY, readOnly=True)), name
    firehose = {"type": "AWSService", "invokedBy": "firehose.amazonaws.com"}
    assert not matches(HOME, **of_key("CreateGrant", KEY, identity=firehose))
    on_behalf = {**session(ARCHIVE, DEPLOYER), "invokedBy": "firehose.amazonaws.com"}
    assert not matches(HOME, **of_key("CreateGrant", KEY, identity=on_behalf))


def test_an_event_without_optional_fields_is_seen() -> None:
    event = {
        "userIdentity": ROOT,
        "eventCategory": "Management",
        "eventName": "DeleteSubscriptionFilter",
        "requestParameters": FILTER,
    }
    entry = {"Source": "aws.logs", "DetailType": "AWS API Call via CloudTrail", "Detail": json.dumps(event)}
    with request_scope(SHOP, REGION):
        assert eventbridge._matches_pattern(SENDER, entry)


def test_a_region_that_only_has_a_destination_sees_what_changes_it() -> None:
    pattern = archive_changes(REGION, ARCHIVE, DEPLOYER, alarms="archive-alarm-", destinations=[DESTINATION])
    assert matches(pattern, OF_ARCHIVE[0])
    assert not matches(pattern, ("s3", "PutBucketVersioning", {"bucketName": BUCKET}))


def test_patterns_are_as_short_as_eventbridge_wants_them_with_the_longest_names_and_most_keys() -> None:
    region, longest = "us-gov-east-1", "d" * 64
    sender = {"account": SHOP, "alias": "s", "deployerRole": longest, "regions": {region: {"logGroups": ["a"]}}}
    keys = [f"arn:aws-us-gov:kms:{region}:{ARCHIVE}:key/mrk-{each * 32}" for each in "abcd"]
    archive = archive_changes(
        region,
        ARCHIVE,
        longest,
        alarms="archive-alarm-",
        destinations=[f"arn:aws-us-gov:logs:{region}:{ARCHIVE}:destination:{'x' * 240}"],
        buckets=["b" * 63],
        streams=["s" * 64],
        functions=["f" * 64, "archive-digest-1a2b3c4"],
        rules=["archive-digest-rule-1a2b3c4"],
        keys=keys,
    )
    for pattern in (archive, sender_changes(Application.model_validate(sender), region)):
        assert len(pattern) <= 2048
        assert eventbridge._event_pattern_error(pattern) is None
