"""What an adoption leaves: it is remembered, and nothing that is used is offered for deletion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from accounts.inventory import Subscription
from ops.adopt.leftovers import Leftover, Usage, file_of, recall, remember, usages
from tests.unit.fakes import Answer, Aws, Parameters, Question, Refusal, filters, log_groups, paged
from topology.settings import Archive

CENTRAL = "111111111111"
HOME, ABROAD = "us-gov-west-1", "us-gov-east-1"  # the regions of a small partition
ARN = "arn:aws-us-gov"
OLD, NEW, OTHER = (f"{ARN}:firehose:{HOME}:{CENTRAL}:deliverystream/{name}" for name in ("old", "new", "other"))
SENDER, DELIVERY = f"{ARN}:iam::{CENTRAL}:role/service-role/sender", f"{ARN}:iam::{CENTRAL}:role/delivery"
ARCHIVE = Archive.model_validate({
    "account": CENTRAL, "region": HOME, "destinationRegions": [HOME], "senders": {"accounts": ["222222222222"]},
})  # fmt: skip
LEFT = [Leftover("stream", OLD), Leftover("role", SENDER), Leftover("role", DELIVERY), Leftover("log group", "/errors")]


def destination(name: str, target: str, role: str) -> Answer:
    found = {"destinationName": name, "arn": f"{ARN}:x", "targetArn": target, "roleArn": role}
    return paged("destinations", [found])


def described(name: str, role: str, *, group: str | None = None, invokes_as: str = "none") -> dict[str, Any]:
    parameters = [{"ParameterName": "RoleArn", "ParameterValue": invokes_as}]
    delivery = {
        "RoleARN": role, "BucketARN": f"{ARN}:s3:::logs", "BufferingHints": {}, "CompressionFormat": "GZIP",
        "EncryptionConfiguration": {},
        "ProcessingConfiguration": {"Enabled": True, "Processors": [{"Type": "Lambda", "Parameters": parameters}]},
        **({"CloudWatchLoggingOptions": {"Enabled": True, "LogGroupName": group}} if group else {}),
    }  # fmt: skip
    return {
        "DeliveryStreamName": name, "DeliveryStreamARN": OLD.replace("/old", f"/{name}"), "VersionId": "1",
        "DeliveryStreamStatus": "ACTIVE", "DeliveryStreamType": "DirectPut", "HasMoreDestinations": False,
        "Destinations": [{"DestinationId": "1", "ExtendedS3DestinationDescription": delivery}],
    }  # fmt: skip


@pytest.fixture
def account(aws: Aws) -> Aws:
    """A central account whose archive has been adopted with a new stream, and where nothing is used anymore."""
    streams = {"old": described("old", DELIVERY, group="/errors"), "new": described("new", f"{DELIVERY}-of-program")}

    def pages(given: Parameters) -> dict[str, Any]:
        first = "ExclusiveStartDeliveryStreamName" not in given
        return {"DeliveryStreamNames": ["new"] if first else ["old"], "HasMoreDeliveryStreams": first}

    aws.answers = {
        (CENTRAL, HOME, "ListDeliveryStreams"): pages,
        (CENTRAL, HOME, "DescribeDeliveryStream"): lambda given: {
            "DeliveryStreamDescription": streams[given["DeliveryStreamName"]]
        },
        (CENTRAL, HOME, "DescribeDestinations"): destination("ours", NEW, f"{SENDER}-of-program"),
        (CENTRAL, ABROAD, "DescribeDestinations"): destination("ours", NEW, f"{SENDER}-of-program"),
        (CENTRAL, HOME, "DescribeLogGroups"): log_groups("app"),
        (CENTRAL, HOME, "DescribeSubscriptionFilters"): filters(app=[Subscription("ours", NEW)]),
    }
    return aws


def used(aws: Aws, answers: dict[Question, Answer]) -> dict[str, list[str]]:
    """What still uses each leftover, by the last part of its name."""
    aws.answers |= answers
    found, _ = usages(LEFT, ARCHIVE, "company")
    assert all(bool(each.delete) is not bool(each.used_by) for each in found)
    return {each.name.rpartition("/")[2]: each.used_by for each in found}


def test_a_stream_goes_first_and_then_what_only_it_used(account: Aws) -> None:
    by_old = ["stream old"]
    assert used(account, {}) == {"old": [], "sender": [], "delivery": by_old, "errors": by_old}
    account.answers[CENTRAL, HOME, "ListDeliveryStreams"] = {
        "DeliveryStreamNames": ["new"], "HasMoreDeliveryStreams": False,
    }  # fmt: skip
    found, unread = usages(LEFT, ARCHIVE, "company")
    assert (found, unread) == (
        [
            Usage("role", SENDER, [], "aws iam delete-role --role-name sender"),
            Usage("role", DELIVERY, [], "aws iam delete-role --role-name delivery"),
            Usage("log group", "/errors", [], f"aws logs delete-log-group --region {HOME} --log-group-name /errors"),
        ],
        (),
    )


@pytest.mark.parametrize(
    ("answers", "name", "user"),
    [
        ({(CENTRAL, ABROAD, "DescribeDestinations"): destination("siem", OTHER, SENDER)}, "sender",
         f"destination siem in {ABROAD}"),
        ({(CENTRAL, ABROAD, "DescribeDestinations"): destination("late", OLD, "other")}, "old",
         f"destination late in {ABROAD}"),
        ({(CENTRAL, HOME, "DescribeSubscriptionFilters"): filters(app=[Subscription("mine", OLD)])}, "old",
         f"filter mine of the log group app in {HOME}"),
        ({(CENTRAL, HOME, "DescribeSubscriptionFilters"): filters(app=[Subscription("mine", OTHER, role=SENDER)])},
         "sender", f"filter mine of the log group app in {HOME}"),
        ({(CENTRAL, HOME, "DescribeDeliveryStream"): lambda given: {"DeliveryStreamDescription": described(
            given["DeliveryStreamName"], "other", invokes_as=SENDER)}}, "sender", "stream new"),
    ],
)  # fmt: skip
def test_whatever_uses_it_keeps_it(account: Aws, answers: dict[Question, Answer], name: str, user: str) -> None:
    assert user in used(account, answers)[name]


def test_a_region_that_cannot_be_looked_at_is_named(account: Aws) -> None:
    account.answers[CENTRAL, ABROAD, "DescribeDestinations"] = Refusal("AccessDenied")
    _, unread = usages(LEFT, ARCHIVE, "company")
    assert unread == (f"{ABROAD} of the central account",)


def test_without_leftovers_nothing_is_read(aws: Aws) -> None:
    assert usages([], ARCHIVE, "company") == ([], ())
    assert aws.calls == []


def test_leftovers_are_remembered_beside_the_stack_file_although_aws_has_forgotten_them(tmp_path: Path) -> None:
    file = file_of(tmp_path / "Pulumi.company.eu.yaml")
    assert file == tmp_path / "leftovers-company.eu.json"
    assert recall(file) == []
    remember(file, [])
    assert not file.exists()
    remember(file, LEFT[:2])
    remember(file, LEFT[1:3])
    remember(file, [])
    assert recall(file) == LEFT[:3]
