"""Where the diagnosis says that an event was lost, for each thing that can be wrong on its way."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.session import AssumedRole
from components.archive_outputs import ArchiveOutputs
from ops.verify.diagnosis import DeliveryPath, Diagnosis, Loss
from tests.unit.fakes import Answer, Aws, Parameters, Question, Refusal
from topology import policies
from topology.patterns import CANARY

CENTRAL, SHOP, OTHER = "111111111111", "222222222222", "333333333333"
HOME, REGION = "eu-west-1", "us-east-1"
ORGANIZATION, OTHER_ORGANIZATION = "o-exampleorg1", "o-exampleorg2"
BUCKET = "arn:aws:s3:::logs"
STREAM = f"arn:aws:firehose:{HOME}:{CENTRAL}:deliverystream/archive-stream"
DESTINATION = f"arn:aws:logs:{REGION}:{CENTRAL}:destination:archive"
SENDER, DELIVERY = f"arn:aws:iam::{CENTRAL}:role/path/sender", f"arn:aws:iam::{CENTRAL}:role/delivery"
KEY = f"arn:aws:kms:{HOME}:{CENTRAL}:key/archive"
FILTER_ROLE = f"arn:aws:iam::{SHOP}:role/path/filters"
EVENTS = f"arn:aws:logs:{REGION}:{SHOP}:log-group:{CANARY}:*"
SINCE = datetime(2026, 5, 1, 12, tzinfo=UTC)

FILTERS = SHOP, REGION, "DescribeSubscriptionFilters"
FILTER_TRUST = SHOP, REGION, "GetRole"
FILTER_PERMISSION = SHOP, REGION, "SimulatePrincipalPolicy"
DESTINATIONS = CENTRAL, REGION, "DescribeDestinations"
SENDER_TRUST = CENTRAL, HOME, "GetRole"
PERMISSIONS = CENTRAL, HOME, "SimulatePrincipalPolicy"
STREAMS = CENTRAL, HOME, "DescribeDeliveryStream"
ERRORS = CENTRAL, HOME, "FilterLogEvents"

ARCHIVE = ArchiveOutputs(
    stack="archive",
    account=CENTRAL,
    region=HOME,
    bucket="logs",
    stream="archive-stream",
    layout="dated",
    transformed=False,
    originals=False,
    destinations={REGION: DESTINATION},
    topics={},
    admitted_accounts=(SHOP,),
    admitted_organization=None,
)
OF_ORGANIZATION = replace(ARCHIVE, admitted_organization=ORGANIZATION)


def filters(**changed: object) -> Answer:
    """The filter that the program puts on the canary, behind another one."""
    own = {"filterName": f"central-log-archive.{REGION}", "destinationArn": DESTINATION, "filterPattern": "", **changed}
    other = {"filterName": "siem", "destinationArn": "arn:siem", "filterPattern": "x"}

    def answer(parameters: Parameters) -> dict[str, Any]:
        assert parameters == {"logGroupName": CANARY}
        return {"subscriptionFilters": [other, own]}

    return answer


def destinations(policy: str | None = None, **changed: object) -> Answer:
    """The destination that the program makes, behind another one whose name starts in the same way."""
    other = {"arn": f"{DESTINATION}-2", "targetArn": "arn:other", "roleArn": "arn:other"}
    own = {"arn": DESTINATION, "targetArn": STREAM, "roleArn": SENDER, **changed}
    if policy:
        own["accessPolicy"] = policy

    def answer(parameters: Parameters) -> dict[str, Any]:
        assert parameters == {"DestinationNamePrefix": "archive"}
        return {"destinations": [other, own]}

    return answer


def admits(accounts: list[str], organization: str | None = None) -> Answer:
    """The destination with the policy that the program gives it."""
    policy = policies.destination_policy(
        destination_arn=DESTINATION, sender_accounts=accounts, sender_organization=organization
    )
    return destinations(policy)


def document(*others: dict[str, object], **statement: object) -> str:
    statements: list[dict[str, object]] = [{"Effect": "Allow", **each} for each in (*others, statement)]
    return json.dumps({"Statement": statements if others else statements[0]})


def allowing(**statement: object) -> Answer:
    """The destination with a policy of one statement, which lets everyone subscribe unless it says something else."""
    return destinations(document(**{"Principal": {"AWS": "*"}, "Action": "logs:PutSubscriptionFilter", **statement}))


def role(arn: str, trust: str) -> Answer:
    name = arn.rpartition("/")[2]
    described = {"RoleName": name, "Arn": arn, "Path": "/", "RoleId": "A" * 16, "CreateDate": SINCE}

    def answer(parameters: Parameters) -> dict[str, Any]:
        assert parameters == {"RoleName": name}
        return {"Role": {**described, "AssumeRolePolicyDocument": trust}}

    return answer


def trust_of(accounts: list[str], organization: str | None = None) -> Answer:
    """The sender role with the trust policy that the program gives it."""
    trust = policies.sender_role_trust(
        home_region=HOME, account=CENTRAL, sender_accounts=accounts, sender_organization=organization
    )
    return role(SENDER, trust)


def filter_role(account: str) -> Answer:
    """The role of filters with the trust policy that the template gives it."""
    sources = {"StringLike": {"aws:SourceArn": f"arn:aws:logs:*:{account}:*"}}
    return role(FILTER_ROLE, document(Principal={"Service": "logs.amazonaws.com"}, Condition=sources))


def trusting(service: object = "logs.amazonaws.com", **condition: object) -> Answer:
    """The sender role with a trust policy of one statement."""
    trust = {"Principal": {"Service": service}, "Action": "sts:AssumeRole", "Condition": condition}
    return role(SENDER, document(**{key: value for key, value in trust.items() if value}))


def allows(*permissions: tuple[str, str, str]) -> Answer:
    """IAM, which allows roles to do something with resources, and nothing else."""

    def answer(parameters: Parameters) -> dict[str, Any]:
        (action,), (resource,) = parameters["ActionNames"], parameters["ResourceArns"]
        asked = (parameters["PolicySourceArn"], action, resource)
        decision = "allowed" if asked in permissions else "implicitDeny"
        return {"EvaluationResults": [{"EvalActionName": action, "EvalDecision": decision}]}

    return answer


def uses_key(*actions: str, by: str | None = None, through: str = f"firehose.{HOME}.amazonaws.com") -> Answer:
    """IAM, which lets a role, by default that of the sender, do something with a key, through a service only."""
    others = allows(PUT_RECORD, PUT_OBJECT)

    def answer(parameters: Parameters) -> Any:  # noqa: ANN401 - an answer
        (action,), (resource,) = parameters["ActionNames"], parameters["ResourceArns"]
        if resource != KEY:
            assert callable(others)
            return others(parameters)
        via = {"ContextKeyName": "kms:ViaService", "ContextKeyValues": [through], "ContextKeyType": "string"}
        role = by or SENDER
        allowed = action in actions and parameters["PolicySourceArn"] == role and via in parameters["ContextEntries"]
        return {
            "EvaluationResults": [{"EvalActionName": action, "EvalDecision": "allowed" if allowed else "implicitDeny"}]
        }

    return answer


THROUGH_S3 = f"s3.{HOME}.amazonaws.com"
ENCRYPTED: dict[str, Any] = {"EncryptionConfiguration": {"KMSEncryptionConfig": {"AWSKMSKeyARN": KEY}}}


def stream(status: str = "ACTIVE", key: str | None = None, **changed: object) -> Answer:
    delivery = {
        "BucketARN": BUCKET, "RoleARN": DELIVERY, "CompressionFormat": "GZIP",
        "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300},
        "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
        "CloudWatchLoggingOptions": {"Enabled": True, "LogGroupName": "errors", "LogStreamName": "S3Delivery"},
        **changed,
    }  # fmt: skip
    description = {
        "DeliveryStreamName": "archive-stream", "DeliveryStreamARN": STREAM, "DeliveryStreamStatus": status,
        "DeliveryStreamType": "DirectPut", "VersionId": "1", "HasMoreDestinations": False,
        "Destinations": [{"DestinationId": "d", "ExtendedS3DestinationDescription": delivery}],
        **({"DeliveryStreamEncryptionConfiguration": {"KeyARN": key, "Status": "ENABLED"}} if key else {}),
    }  # fmt: skip

    def answer(parameters: Parameters) -> dict[str, Any]:
        assert parameters == {"DeliveryStreamName": "archive-stream"}
        return {"DeliveryStreamDescription": description}

    return answer


def logged(*errors: dict[str, str]) -> Answer:
    def answer(parameters: Parameters) -> dict[str, Any]:
        assert parameters == {"logGroupName": "errors", "startTime": 1777636800000}
        return {"events": [{"message": json.dumps(error)} for error in errors]}

    return answer


PUT_EVENTS = FILTER_ROLE, "logs:PutLogEvents", EVENTS
PUT_RECORD = SENDER, "firehose:PutRecord", STREAM
PUT_OBJECT = DELIVERY, "s3:PutObject", f"{BUCKET}/logs/canary"

SOUND: dict[Question, Answer] = {
    FILTERS: filters(),
    DESTINATIONS: admits([SHOP, OTHER]),
    SENDER_TRUST: trust_of([SHOP, OTHER]),
    PERMISSIONS: allows(PUT_RECORD, PUT_OBJECT),
    STREAMS: stream(),
    ERRORS: logged(),
}
SOUND_OF_ORGANIZATION = {
    **SOUND,
    FILTERS: filters(roleArn=FILTER_ROLE),
    FILTER_TRUST: filter_role(SHOP),
    FILTER_PERMISSION: allows(PUT_EVENTS),
    DESTINATIONS: admits([], ORGANIZATION),
    SENDER_TRUST: trust_of([], ORGANIZATION),
}
NOT_FOUND = Refusal("ResourceNotFoundException")
NO_ROLE = Refusal("NoSuchEntity")
DENIED = Refusal("AccessDenied")


def diagnosis(archive: ArchiveOutputs = ARCHIVE) -> Diagnosis:
    home = AssumedRole(f"arn:aws:iam::{archive.account}:role/verifier", archive.region, "app-dev")
    return Diagnosis(home, archive, "app-dev")


def path() -> DeliveryPath:
    """The path of an event of SHOP."""
    verifier = AssumedRole(f"arn:aws:iam::{SHOP}:role/verifier", REGION, "app-dev")
    return DeliveryPath(SHOP, REGION, verifier, waited=501.4, since=SINCE)


def loss(aws: Aws, answers: dict[Question, Answer], archive: ArchiveOutputs = ARCHIVE) -> Loss:
    """Where an event of SHOP was lost, if AWS gives these answers."""
    aws.answers.update(answers)
    return diagnosis(archive).of(path())


UP_APPLICATIONS = "it was changed outside Pulumi: run pulumi up --refresh -s app-dev"
DEPLOY_TEMPLATE = "deploy bootstrap/application-account.yaml there with FilterRoles=true, and undo changes of the role"
UP_ARCHIVE = "it was changed outside Pulumi: run pulumi up --refresh -s archive"
NOT_ADMITTED = f"it does not admit account {SHOP}"
NOT_TRUSTED = f"{SENDER} does not trust CloudWatch Logs on behalf of account {SHOP}"


@pytest.mark.parametrize(
    ("broken", "stage", "reason"),
    [
        ({FILTERS: {"subscriptionFilters": []}}, "filter", f"the canary has no filter central-log-archive.{REGION}"),
        (
            {FILTERS: filters(filterName="central-log-archive.eu-west-1")},
            "filter",
            f"the canary has no filter central-log-archive.{REGION}",
        ),
        (
            {FILTERS: filters(destinationArn="arn:other")},
            "filter",
            f"its destination is arn:other instead of {DESTINATION}",
        ),
        ({FILTERS: filters(filterPattern="ERROR")}, "filter", "it only matches events with the pattern ERROR"),
        ({DESTINATIONS: {"destinations": []}}, "destination", f"{DESTINATION} does not exist"),
        ({DESTINATIONS: destinations(arn=f"{DESTINATION}-3")}, "destination", f"{DESTINATION} does not exist"),
        (
            {DESTINATIONS: destinations(targetArn="arn:other")},
            "destination",
            f"its target is arn:other instead of {STREAM}",
        ),
        ({DESTINATIONS: destinations()}, "destination policy", NOT_ADMITTED),
        ({DESTINATIONS: admits([OTHER])}, "destination policy", NOT_ADMITTED),
        ({DESTINATIONS: admits([OTHER], ORGANIZATION)}, "destination policy", NOT_ADMITTED),
        ({DESTINATIONS: allowing(Action="logs:PutAccountPolicy")}, "destination policy", NOT_ADMITTED),
        ({DESTINATIONS: allowing(Effect="Deny")}, "destination policy", NOT_ADMITTED),
        ({DESTINATIONS: allowing(Principal={"Service": "logs.amazonaws.com"})}, "destination policy", NOT_ADMITTED),
        ({SENDER_TRUST: NO_ROLE}, "role", f"{SENDER} does not exist"),
        ({SENDER_TRUST: trust_of([OTHER])}, "role", NOT_TRUSTED),
        ({SENDER_TRUST: trust_of([OTHER], ORGANIZATION)}, "role", NOT_TRUSTED),
        ({SENDER_TRUST: trusting("firehose.amazonaws.com")}, "role", NOT_TRUSTED),
        ({SENDER_TRUST: role(SENDER, document(Principal={"AWS": "*"}))}, "role", NOT_TRUSTED),
        ({SENDER_TRUST: role(SENDER, document(Effect="Deny"))}, "role", NOT_TRUSTED),
        ({SENDER_TRUST: trusting(StringLike={"aws:SourceArn": f"arn:aws:logs:*:{OTHER}:*"})}, "role", NOT_TRUSTED),
        ({SENDER_TRUST: trusting(StringEquals={"aws:SourceAccount": OTHER})}, "role", NOT_TRUSTED),
        (
            {PERMISSIONS: allows(PUT_OBJECT)},
            "role",
            f"{SENDER} is not allowed to firehose:PutRecord on {STREAM}: implicitDeny",
        ),
        ({STREAMS: NOT_FOUND}, "stream", f"{STREAM} does not exist"),
        ({STREAMS: stream("CREATING")}, "stream", "its status is CREATING"),
        (
            {STREAMS: stream(key=KEY), PERMISSIONS: uses_key("kms:Decrypt")},
            "key",
            f"{SENDER} is not allowed to kms:GenerateDataKey on {KEY}: implicitDeny",
        ),
        (
            {STREAMS: stream(key=KEY), PERMISSIONS: uses_key("kms:GenerateDataKey")},
            "key",
            f"{SENDER} is not allowed to kms:Decrypt on {KEY}: implicitDeny",
        ),
        (
            {STREAMS: stream(key=KEY), PERMISSIONS: uses_key("kms:Decrypt", "kms:GenerateDataKey", through="s3")},
            "key",
            f"{SENDER} is not allowed to kms:GenerateDataKey on {KEY}: implicitDeny",
        ),
        (
            {STREAMS: stream(**ENCRYPTED), PERMISSIONS: uses_key("kms:Decrypt", by=DELIVERY, through=THROUGH_S3)},
            "bucket",
            f"{DELIVERY} is not allowed to kms:GenerateDataKey on {KEY}: implicitDeny",
        ),
        (
            {STREAMS: stream(**ENCRYPTED), PERMISSIONS: uses_key("kms:Decrypt", "kms:GenerateDataKey", by=DELIVERY)},
            "bucket",
            f"{DELIVERY} is not allowed to kms:GenerateDataKey on {KEY}: implicitDeny",
        ),
        (
            {PERMISSIONS: allows(PUT_RECORD)},
            "bucket",
            f"{DELIVERY} is not allowed to s3:PutObject on {BUCKET}/logs/canary: implicitDeny",
        ),
        (
            {ERRORS: logged({"errorCode": "S3.First", "message": "a"}, {"errorCode": "S3.Last", "message": "b"})},
            "bucket",
            "S3.Last: b",
        ),
        (
            {FILTERS: filters(filterPattern="ERROR"), DESTINATIONS: {"destinations": []}, STREAMS: NOT_FOUND},
            "filter",
            "it only matches events with the pattern ERROR",
        ),
    ],
)  # fmt: skip
def test_the_first_stage_that_is_not_as_the_program_configures_it_lost_the_event(
    aws: Aws, broken: dict[Question, Answer], stage: str, reason: str
) -> None:
    remedy = UP_APPLICATIONS if stage == "filter" else UP_ARCHIVE
    assert loss(aws, SOUND | broken) == Loss(stage, reason, remedy)


def test_a_stream_whose_key_the_sender_role_may_use_loses_nothing_there(aws: Aws) -> None:
    answers = SOUND | {STREAMS: stream(key=KEY), PERMISSIONS: uses_key("kms:Decrypt", "kms:GenerateDataKey")}
    assert loss(aws, answers).stage == "bucket"


def test_objects_whose_key_the_delivery_role_may_use_are_written(aws: Aws) -> None:
    may = uses_key("kms:Decrypt", "kms:GenerateDataKey", by=DELIVERY, through=THROUGH_S3)
    found = loss(aws, SOUND | {STREAMS: stream(**ENCRYPTED), PERMISSIONS: may})
    assert found.reason.startswith("every stage is configured correctly")
    context = {entry["ContextKeyName"]: entry["ContextKeyValues"] for asked in aws.asked("SimulatePrincipalPolicy")
               for entry in asked["ContextEntries"]}  # fmt: skip
    assert context["kms:EncryptionContext:aws:s3:arn"] == [f"{BUCKET}/logs/canary"]


@pytest.mark.parametrize(
    ("broken", "stage", "reason"),
    [
        ({FILTERS: filters()}, "filter", "the archive admits an organization, but the filter has no role"),
        ({FILTER_TRUST: NO_ROLE}, "role of the filter", f"{FILTER_ROLE} does not exist"),
        (
            {FILTER_TRUST: filter_role(OTHER)},
            "role of the filter",
            f"{FILTER_ROLE} does not trust CloudWatch Logs on behalf of account {SHOP}",
        ),
        (
            {FILTER_TRUST: role(FILTER_ROLE, document(
                Principal={"Service": "logs.amazonaws.com"},
                Condition={"StringEquals": {"aws:SourceOrgID": ORGANIZATION}},
            ))},
            "role of the filter",
            f"{FILTER_ROLE} does not trust CloudWatch Logs on behalf of account {SHOP}",
        ),
        (
            {FILTER_PERMISSION: allows()},
            "role of the filter",
            f"{FILTER_ROLE} is not allowed to logs:PutLogEvents on {EVENTS}: implicitDeny",
        ),
        ({DESTINATIONS: admits([OTHER], OTHER_ORGANIZATION)}, "destination policy", NOT_ADMITTED),
        (
            {DESTINATIONS: allowing(Principal={"AWS": OTHER}, Condition={
                "StringEquals": {"aws:PrincipalOrgID": ORGANIZATION},
            })},
            "destination policy",
            NOT_ADMITTED,
        ),
        ({SENDER_TRUST: trust_of([OTHER], OTHER_ORGANIZATION)}, "role", NOT_TRUSTED),
    ],
)  # fmt: skip
def test_an_archive_that_admits_an_organization_needs_filters_with_a_role(
    aws: Aws, broken: dict[Question, Answer], stage: str, reason: str
) -> None:
    remedy = {"filter": UP_APPLICATIONS, "role of the filter": DEPLOY_TEMPLATE}.get(stage, UP_ARCHIVE)
    assert loss(aws, SOUND_OF_ORGANIZATION | broken, OF_ORGANIZATION) == Loss(stage, reason, remedy)


OF_FIREHOSE, OF_LOGS = {"Service": "firehose.amazonaws.com"}, {"Service": "logs.amazonaws.com"}
LATE = Loss(
    "bucket",
    "every stage is configured correctly, but the event has not arrived after 501 s",
    "the stream buffers events for up to 300 s, and after a failed delivery CloudWatch Logs may not retry a filter for "
    "up to 10 minutes: wait, then verify again",
)


@pytest.mark.parametrize(
    ("answers", "archive"),
    [
        (SOUND, ARCHIVE),
        (SOUND_OF_ORGANIZATION, OF_ORGANIZATION),
        (SOUND_OF_ORGANIZATION | {DESTINATIONS: admits([SHOP]), SENDER_TRUST: trust_of([SHOP])}, OF_ORGANIZATION),
        (SOUND | {DESTINATIONS: allowing()}, ARCHIVE),
        (SOUND | {DESTINATIONS: allowing(Principal="*")}, ARCHIVE),
        (SOUND | {DESTINATIONS: allowing(Principal={"AWS": SHOP}, Action=["logs:PutSubscriptionFilter"])}, ARCHIVE),
        (SOUND | {SENDER_TRUST: trusting()}, ARCHIVE),
        (SOUND | {SENDER_TRUST: role(SENDER, document({"Principal": OF_FIREHOSE}, Principal=OF_LOGS))}, ARCHIVE),
        (SOUND | {SENDER_TRUST: trusting(["firehose.amazonaws.com", "logs.amazonaws.com"])}, ARCHIVE),
        (SOUND | {SENDER_TRUST: trusting(StringLike={"aws:SourceArn": f"arn:aws:logs:{HOME}:{SHOP}:*"})}, ARCHIVE),
        (SOUND | {STREAMS: stream(CloudWatchLoggingOptions={"Enabled": False}), ERRORS: NOT_FOUND}, ARCHIVE),
        (SOUND | {STREAMS: stream(CloudWatchLoggingOptions={}), ERRORS: NOT_FOUND}, ARCHIVE),
    ],
)
def test_an_event_whose_stages_are_all_right_is_late(
    aws: Aws, answers: dict[Question, Answer], archive: ArchiveOutputs
) -> None:
    assert loss(aws, answers, archive) == LATE


@pytest.mark.parametrize(
    ("question", "stage"),
    [
        (FILTERS, "filter"),
        (FILTER_TRUST, "role of the filter"),
        (FILTER_PERMISSION, "role of the filter"),
        (DESTINATIONS, "destination"),
        (SENDER_TRUST, "role"),
        (PERMISSIONS, "role"),
        (STREAMS, "stream"),
        (ERRORS, "bucket"),
    ],
)
def test_a_stage_that_cannot_be_checked_is_reported_with_the_error(aws: Aws, question: Question, stage: str) -> None:
    found = loss(aws, SOUND_OF_ORGANIZATION | {question: DENIED}, OF_ORGANIZATION)
    assert found.stage == stage
    assert found.reason.startswith("cannot be checked: An error occurred (AccessDenied)")
    applications = DEPLOY_TEMPLATE if stage == "role of the filter" else UP_APPLICATIONS
    assert found.remedy == (applications if question[0] == SHOP else UP_ARCHIVE)


@pytest.mark.parametrize(("answer", "seconds"), [(stream(), 480), (NOT_FOUND, 180), (stream(BufferingHints={}), 180)])
def test_an_event_has_the_buffer_interval_and_three_minutes_to_arrive(aws: Aws, answer: Answer, seconds: int) -> None:
    aws.answers[STREAMS] = answer
    assert diagnosis().timeout == seconds


def test_the_stream_is_described_once_for_all_events(aws: Aws) -> None:
    aws.answers.update(SOUND)
    found = diagnosis()
    assert [found.of(path()), found.of(path())] == [LATE, LATE]
    assert len(aws.asked("DescribeDeliveryStream")) == 1
