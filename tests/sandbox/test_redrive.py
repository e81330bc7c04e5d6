"""``python -m ops redrive``: what a transform failed on arrives once it is fixed. The tests run in their order."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sandbox.instance import MANAGEMENT_ACCOUNT
from sandbox.prepare import prepare
from sandbox.server import ROOT
from tests.sandbox.existing_archive import eventually
from tests.sandbox.ops_command import ops
from tests.sandbox.stacks import Stacks, archived, write
from tests.sandbox.templates import actions
from tests.sandbox.test_permissions import without
from tests.stacks import config_of

HOME, SHOP, REGION = "111111111111", "222222222222", "eu-west-1"
REDRIVER = "central-log-archive-redriver"
KEY = "arn:aws:kms:eu-west-1:555555555555:key/11111111-2222-3333-4444-555555555555"
GOOD, POISON = ([f"{kind} {number}" for number in range(5)] for kind in ("good", "poison"))
BASE = {
    **config_of("archive")["archive"],
    "key": "create",
    "bucket": {"objectLock": {"mode": "governance", "days": 1}},
}
BUNDLED = {"archive": {**BASE, "transform": "bundled"}}
FAILS_ON_POISON = """
import base64, gzip
from bundled import handler as bundled

def handler(event, context):
    answer = bundled(event, context)
    for index, record in enumerate(event["records"]):
        if b"poison" in gzip.decompress(base64.b64decode(record["data"])):
            answer["records"][index] = {
                "recordId": record["recordId"], "result": "ProcessingFailed", "data": record["data"]
            }
    return answer
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Create a folder in the project, for the code of a function."""
    folder = Path(tempfile.mkdtemp(dir=ROOT, prefix=".own-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def failed(stacks: Stacks, folder: Path) -> Stacks:
    """Deploy an archive whose transform fails on some events, and write both kinds."""
    shutil.copy(ROOT / "functions/transform/handler.py", folder / "bundled.py")
    (folder / "main.py").write_text(FAILS_ON_POISON, encoding="utf-8")
    stacks.up("archive", {"archive": {**BASE, "transform": {"code": folder.name, "handler": "main.handler"}}})
    stacks.up("app-dev")
    for message in [*GOOD, *POISON]:
        write(stacks, message)
    assert eventually(lambda: messages(stacks) == GOOD and len(raw_records(stacks)) == len(POISON))
    return stacks


@pytest.fixture(scope="module")
def existing(stacks: Stacks) -> Stacks:
    """Deploy the template for an existing bucket and a key of another account."""
    config = {"archive": {**config_of("archive")["archive"], "existingBucket": "company-logs", "key": KEY}}
    prepare([stacks.write(config)], stacks.instance.environment())
    return stacks


def bucket_of(stacks: Stacks) -> str:
    return str(stacks.outputs("archive")["bucket"])


def messages(stacks: Stacks) -> list[str]:
    """All messages in the archive, sorted: duplicates too."""
    return sorted(str(line["message"]) for line in archived(stacks, bucket_of(stacks)))


def raw_records(stacks: Stacks) -> list[bytes]:
    """The records under the error prefix."""
    s3, bucket = stacks.client("s3", account=HOME), bucket_of(stacks)
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="errors/").get("Contents", [])]
    bodies = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
    return [base64.b64decode(json.loads(line)["rawData"]) for body in bodies for line in body.splitlines()]


def redrive(stacks: Stacks, *more: str, status: int = 0) -> dict[str, Any]:
    today = datetime.now(UTC).date()
    period = ("--from", str(today - timedelta(days=1)), "--to", str(today + timedelta(days=1)))
    printed = ops(stacks, "redrive", "-s", "archive", *period, "--json", *more, config=BUNDLED, status=status)
    found: dict[str, Any]
    found, _ = json.JSONDecoder().raw_decode(printed)  # errors follow if it has to fail
    return found


def results(found: dict[str, Any]) -> Counter[str]:
    return Counter(each["result"] for each in found["objects"])


def put_error(stacks: Stacks, name: str, body: bytes) -> str:
    """Write an object under the error prefix, today; return its key."""
    key = f"errors/processing-failed/date={datetime.now(UTC):%Y-%m-%d}/{name}"
    stacks.client("s3", account=HOME).put_object(Bucket=bucket_of(stacks), Key=key, Body=body)
    return key


def error_line(message: str) -> bytes:
    """A line of an error object, with a record of one event."""
    event = {"id": message, "timestamp": 1, "message": message}
    document = {
        "messageType": "DATA_MESSAGE", "owner": SHOP, "logGroup": "g", "logStream": "s", "subscriptionFilters": [],
        "logEvents": [event],
    }  # fmt: skip
    raw = base64.b64encode(gzip.compress(json.dumps(document).encode())).decode()
    return json.dumps({"errorCode": "Lambda.FunctionError", "rawData": raw}).encode() + b"\n"


def test_a_dry_run_lists_what_failed_and_changes_nothing(failed: Stacks) -> None:
    found = redrive(failed, "--dry-run")
    assert set(results(found)) == {"redrivable"}
    (total,) = found["totals"]
    assert (total["errorType"], total["code"]) == ("processing-failed", "Lambda.ProcessingFailedStatus")
    assert (total["records"], total["bytes"]) == (len(POISON), sum(map(len, raw_records(failed))))
    assert eventually(lambda: bool(failed.ask("idle")["idle"]))
    assert messages(failed) == GOOD


def test_before_the_cause_is_fixed_records_fail_again_and_can_be_put_back_again(failed: Stacks) -> None:
    before = len(raw_records(failed))
    redrive(failed)
    assert eventually(lambda: len(raw_records(failed)) == 2 * before)
    assert messages(failed) == GOOD
    assert set(results(redrive(failed, "--dry-run"))) == {"redriven before", "redrivable"}


def test_once_the_transform_is_fixed_every_event_arrives_once(failed: Stacks) -> None:
    failed.up("archive", BUNDLED)
    broken = put_error(failed, "broken", b"{broken")
    found = redrive(failed, status=1)
    assert results(found)["unreadable"] == 1
    assert {each["key"]: each["unreadable"] for each in found["objects"] if each["unreadable"]} == {
        broken: ["line 1: it is not JSON"]
    }
    assert eventually(lambda: messages(failed) == GOOD + POISON)
    assert sum(total["records"] for total in found["totals"]) == len(POISON)
    ids = [line["id"] for line in archived(failed, bucket_of(failed))]
    assert len(set(ids)) == len(ids) == len(GOOD + POISON)


def test_a_second_run_puts_nothing_and_still_lists_what_cannot_be_read(failed: Stacks) -> None:
    found = redrive(failed, status=1)
    assert set(results(found)) == {"redriven before", "unreadable"}
    assert found["totals"] == []
    assert eventually(lambda: bool(failed.ask("idle")["idle"]))
    assert messages(failed) == GOOD + POISON


def test_the_marked_objects_keep_their_only_version_and_their_lock(failed: Stacks) -> None:
    s3, bucket = failed.client("s3", account=HOME), bucket_of(failed)
    versions = s3.list_object_versions(Bucket=bucket, Prefix="errors/")
    keys = [each["Key"] for each in versions["Versions"]]
    assert len(set(keys)) == len(keys) > 1
    assert "DeleteMarkers" not in versions
    for key in keys:
        assert s3.head_object(Bucket=bucket, Key=key)["ObjectLockMode"] == "GOVERNANCE"
        tags = [tag["Key"] for tag in s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]]
        assert tags == ([] if key.endswith("/broken") else ["central-log-archive:redriven"])


def test_the_redriver_role_has_the_permissions_that_it_uses_and_no_others(failed: Stacks) -> None:
    mine = [call for call in failed.ask("calls") if f":assumed-role/{REDRIVER}/" in call["principal"]]
    assert [call for call in mine if not call["allowed"]] == []
    # kms:Decrypt is asked for records; that S3 decrypts on behalf of the caller, the emulator does not check.
    assert actions("archive-account.yaml", "Redriver") == {call["action"] for call in mine}


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("s3:ListBucket", "(AccessDenied) when calling the ListObjectsV2 operation"),
        ("s3:GetObject", "(AccessDenied) when calling the GetObject operation"),
        ("s3:GetObjectTagging", "(AccessDenied) when calling the GetObjectTagging operation"),
        ("s3:PutObjectTagging", "(AccessDenied) when calling the PutObjectTagging operation"),
        ("firehose:PutRecordBatch", "not authorized to perform: firehose:PutRecordBatch"),
        ("kms:Decrypt", "(InvalidKMSResourceException) when calling the PutRecordBatch operation"),
        ("kms:GenerateDataKey", "(InvalidKMSResourceException) when calling the PutRecordBatch operation"),
    ],
)
def test_without_one_of_its_permissions_the_command_fails_and_the_object_stays_unmarked(
    failed: Stacks, action: str, message: str
) -> None:
    key = put_error(failed, "denied", error_line(f"denied {action}"))
    iam, role = failed.client("iam", account=HOME), {"RoleName": REDRIVER, "PolicyName": "redrive"}
    document = iam.get_role_policy(**role)["PolicyDocument"]
    iam.put_role_policy(**role, PolicyDocument=json.dumps(without(document, action)))
    try:
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        period = ("--from", today, "--to", today)
        printed = ops(failed, "redrive", "-s", "archive", *period, config=BUNDLED, status=2)
    finally:
        iam.put_role_policy(**role, PolicyDocument=json.dumps(document))
    assert message in printed
    tags = failed.client("s3", account=HOME).get_object_tagging(Bucket=bucket_of(failed), Key=key)["TagSet"]
    assert tags == []


def client_of(stacks: Stacks, role: str, service: str) -> Any:  # noqa: ANN401 - boto3
    """Return a client with the permissions of a role of the central account."""
    given = stacks.client("sts", account=MANAGEMENT_ACCOUNT).assume_role(
        RoleArn=f"arn:aws:iam::{HOME}:role/{role}", RoleSessionName="thief"
    )["Credentials"]
    return boto3.client(
        service, endpoint_url=stacks.environment["AWS_ENDPOINT_URL"], region_name=REGION,
        aws_access_key_id=given["AccessKeyId"], aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )  # fmt: skip


def test_a_thief_of_the_redriver_role_reads_no_event_and_deletes_nothing(failed: Stacks) -> None:
    s3, firehose = (client_of(failed, REDRIVER, service) for service in ("s3", "firehose"))
    outputs = failed.outputs("archive")
    bucket, stream = outputs["bucket"], outputs["stream"]
    root = failed.client("s3", account=HOME)
    event = root.list_objects_v2(Bucket=bucket, Prefix="logs/")["Contents"][0]["Key"]
    error = root.list_objects_v2(Bucket=bucket, Prefix="errors/")["Contents"][0]["Key"]
    tagging = {"TagSet": [{"Key": "a", "Value": "b"}]}
    failed.client("firehose", account=HOME).create_delivery_stream(
        DeliveryStreamName="another",
        ExtendedS3DestinationConfiguration={
            "RoleARN": failed.client("firehose", account=HOME).describe_delivery_stream(DeliveryStreamName=stream)[
                "DeliveryStreamDescription"
            ]["Destinations"][0]["ExtendedS3DestinationDescription"]["RoleARN"],
            "BucketARN": f"arn:aws:s3:::{bucket}",
        },
    )
    record = {"Data": gzip.compress(b"forged")}
    attempts: list[tuple[Callable[..., object], dict[str, object]]] = [
        (s3.list_objects_v2, {}),
        (s3.list_objects_v2, {"Prefix": "logs/"}),
        (s3.get_object, {"Key": event}),
        (s3.get_object_tagging, {"Key": event}),
        (s3.put_object_tagging, {"Key": event, "Tagging": tagging}),
        (s3.put_object, {"Key": error, "Body": b""}),
        (s3.delete_object, {"Key": error}),
        (s3.delete_object_tagging, {"Key": error}),
        (s3.put_object_legal_hold, {"Key": error, "LegalHold": {"Status": "OFF"}}),
        (firehose.put_record, {"DeliveryStreamName": stream, "Record": record}),
        (firehose.put_record_batch, {"DeliveryStreamName": "another", "Records": [record]}),
        (firehose.delete_delivery_stream, {"DeliveryStreamName": stream}),
    ]
    for attempt, parameters in attempts:
        given = parameters if "DeliveryStreamName" in parameters else {"Bucket": bucket, **parameters}
        with pytest.raises(ClientError, match="AccessDenied"):
            attempt(**given)
    failed.client("firehose", account=HOME).delete_delivery_stream(DeliveryStreamName="another")


@pytest.mark.parametrize(
    "role", ["central-log-archive-deployer", "central-log-archive-verifier", "central-log-archive-previewer"]
)
def test_no_other_role_of_the_templates_may_put_records_or_mark_objects(failed: Stacks, role: str) -> None:
    outputs, tagging = failed.outputs("archive"), {"TagSet": [{"Key": "a", "Value": "b"}]}
    with pytest.raises(ClientError, match="AccessDenied"):
        client_of(failed, role, "firehose").put_record_batch(
            DeliveryStreamName=outputs["stream"], Records=[{"Data": gzip.compress(b"forged")}]
        )
    with pytest.raises(ClientError, match="AccessDenied"):
        client_of(failed, role, "s3").put_object_tagging(
            Bucket=outputs["bucket"], Key="errors/processing-failed/x", Tagging=tagging
        )


def test_nobody_else_may_assume_the_redriver_role(failed: Stacks) -> None:
    for account in (HOME, SHOP):
        with pytest.raises(ClientError, match="AccessDenied"):
            failed.client("sts", account=account).assume_role(
                RoleArn=f"arn:aws:iam::{HOME}:role/{REDRIVER}", RoleSessionName="stranger"
            )


@pytest.mark.parametrize(
    ("action", "resource", "context", "decision"),
    [
        ("s3:ListBucket", "arn:aws:s3:::company-logs", {"s3:prefix": "errors/"}, "allowed"),
        ("s3:ListBucket", "arn:aws:s3:::company-logs", {"s3:prefix": "logs/"}, "implicitDeny"),
        ("s3:GetObject", "arn:aws:s3:::company-logs/errors/x", {}, "allowed"),
        ("s3:PutObjectTagging", "arn:aws:s3:::company-logs/errors/x", {}, "allowed"),
        ("s3:GetObject", "arn:aws:s3:::company-logs/logs/x", {}, "implicitDeny"),
        ("s3:PutObject", "arn:aws:s3:::company-logs/errors/x", {}, "implicitDeny"),
        ("kms:Decrypt", "KEY", {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}, "allowed"),
        ("kms:GenerateDataKey", "KEY", {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}, "implicitDeny"),
        ("kms:GenerateDataKey", "KEY", {"kms:ViaService": "firehose.eu-west-1.amazonaws.com"}, "allowed"),
        ("kms:Decrypt", "KEY", {}, "implicitDeny"),
    ],
)
def test_the_role_covers_the_errors_in_an_existing_bucket_and_a_given_key(
    existing: Stacks, action: str, resource: str, context: dict[str, str], decision: str
) -> None:
    answer = existing.client("iam", account=HOME).simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{HOME}:role/{REDRIVER}",
        ActionNames=[action],
        ResourceArns=[KEY if resource == "KEY" else resource],
        ContextEntries=[
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in context.items()
        ],
    )
    assert answer["EvaluationResults"][0]["EvalDecision"] == decision
