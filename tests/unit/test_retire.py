"""Which filters are superseded by the program's own, and how they are deleted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from accounts.inventory import Subscription
from ops.adopt.retire import Kept, Superseded, delete, judge, judged
from tests.unit.fakes import Answer, Aws, Refusal, filters, log_groups
from topology.settings import Settings, load

CENTRAL, SHOP, BANK = "111111111111", "222222222222", "333333333333"
HOME, ABROAD = "eu-west-1", "us-east-1"


def to(region: str, name: str = "MyFilter", pattern: str = "") -> Subscription:
    return Subscription(name, f"arn:aws:logs:{region}:{CENTRAL}:destination:waf", filter_pattern=pattern)


OWN = to(HOME, f"central-log-archive.{HOME}")
AUTO = replace(OWN, name=f"central-log-archive.auto.{HOME}")


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([OWN, to(HOME), to(HOME, "b", "ERROR")], ["MyFilter", "b"]),
        ([to(HOME), AUTO], ["MyFilter"]),
        ([replace(OWN, filter_pattern="ERROR"), to(HOME), to(HOME, "b", "ERROR")], ["b"]),
        ([replace(OWN, filter_pattern="ERROR"), AUTO, to(HOME), to(HOME, "b", "ERROR")], ["MyFilter", "b"]),
        ([OWN, to(ABROAD)], []),
        ([OWN, AUTO], []),
        ([replace(OWN, name=f"central-log-archive.{ABROAD}"), to(HOME)], []),
        ([to(HOME), to(HOME, "b")], []),
    ],
)
def test_a_filter_is_superseded_once_the_programs_own_sends_all_its_events_to_the_same_destination(
    filters: list[Subscription], found: list[str]
) -> None:
    judgments = judge(HOME, filters, lambda one, other: one == other)
    assert [each.name for each, reason in judgments if reason is None] == found


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ([to(HOME)], "the log group has no filter of the program to the same place"),
        ([OWN, to(ABROAD)], "the log group has no filter of the program to the same place"),
        (
            [replace(OWN, filter_pattern="ERROR"), to(HOME)],
            f"its pattern forwards other events than central-log-archive.{HOME}: all",
        ),
        (
            [replace(OWN, filter_pattern="ERROR"), to(HOME, pattern="WARN")],
            f"its pattern forwards other events than central-log-archive.{HOME}: WARN",
        ),
    ],
)
def test_a_filter_that_stays_says_why(filters: list[Subscription], reason: str) -> None:
    assert [why for _, why in judge(HOME, filters, lambda one, other: one == other)] == [reason]


BUCKET = {
    "RoleARN": f"arn:aws:iam::{CENTRAL}:role/delivery", "BucketARN": "arn:aws:s3:::logs", "BufferingHints": {},
    "CompressionFormat": "GZIP", "EncryptionConfiguration": {},
}  # fmt: skip


DESCRIBED = {
    "DeliveryStreamName": "x", "DeliveryStreamARN": "arn", "DeliveryStreamStatus": "ACTIVE",
    "DeliveryStreamType": "DirectPut", "VersionId": "1", "HasMoreDestinations": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        ({"ExtendedS3DestinationDescription": BUCKET}, 1),
        (lambda given: {"DeliveryStreamDescription": {**DESCRIBED, "Destinations": [{
            "DestinationId": "1",
            "ExtendedS3DestinationDescription": {
                **BUCKET, "BucketARN": f"arn:aws:s3:::{given['DeliveryStreamName']}",
            },
        }]}}, 0),
        ({}, 0),
        (Refusal("AccessDeniedException"), 0),
        (Refusal("ResourceNotFoundException"), 0),
    ],
)  # fmt: skip
def test_a_filter_to_another_stream_is_superseded_if_both_streams_write_to_the_same_bucket(
    accounts: Aws, answer: Answer, count: int
) -> None:
    arn = f"arn:aws:firehose:{HOME}:{CENTRAL}:deliverystream/"
    of_central = filters(a=[replace(OWN, destination=f"{arn}new"), replace(OWN, name="old", destination=f"{arn}old")])
    accounts.answers[CENTRAL, HOME, "DescribeSubscriptionFilters"] = of_central
    if isinstance(answer, dict):
        answer = {"DeliveryStreamDescription": {**DESCRIBED, "Destinations": [{"DestinationId": "1", **answer}]}}
    accounts.answers[CENTRAL, HOME, "DescribeDeliveryStream"] = answer
    archive = settings(ownLogGroups=[{"name": "a"}])
    found, _ = judged(archive, "archive", lambda *_: None)
    assert len([each for each in found if each.account == CENTRAL]) == count


def test_a_stream_that_cannot_be_described_for_another_reason_stops_the_command(accounts: Aws) -> None:
    arn = f"arn:aws:firehose:{HOME}:{CENTRAL}:deliverystream/"
    of_central = filters(a=[replace(OWN, destination=f"{arn}new"), replace(OWN, name="old", destination=f"{arn}old")])
    accounts.answers[CENTRAL, HOME, "DescribeSubscriptionFilters"] = of_central
    accounts.answers[CENTRAL, HOME, "DescribeDeliveryStream"] = Refusal("LimitExceededException")
    with pytest.raises(ClientError, match="LimitExceeded"):
        judged(settings(ownLogGroups=[{"name": "a"}]), "archive", lambda *_: None)


def settings(**archive: object) -> Settings:
    regions = {region: {"logGroups": ["a"]} for region in (HOME, ABROAD)}
    bank = {"account": BANK, "regions": {HOME: {"logGroups": ["a"]}}, "deployerRole": "bank-deployer"}
    applications: list[dict[str, Any]] = [{"account": SHOP, "regions": regions}, bank]
    central = {"account": CENTRAL, "region": HOME, "deployerRole": "deployer", **archive}
    config = {"archive": central, "applications": applications} if archive else {"applications": applications}
    keys = {**config, **({} if archive else {"archiveStack": "archive"})}
    return load({key: value if isinstance(value, str) else json.dumps(value) for key, value in keys.items()}, "test")


STAYS = Kept(SHOP, HOME, "c", "MyFilter", "the log group has no filter of the program to the same place")
PLACES = ((SHOP, HOME), (SHOP, ABROAD), (BANK, HOME), (CENTRAL, HOME))


@pytest.fixture
def accounts(aws: Aws) -> Aws:
    """Log groups with a superseded filter in each account, and one without."""
    own_abroad = to(ABROAD, f"central-log-archive.{ABROAD}")
    aws.answers = {
        (SHOP, HOME, "DescribeLogGroups"): log_groups("b", "a", "c"),
        (SHOP, HOME, "DescribeSubscriptionFilters"): filters(a=[OWN, to(HOME)], b=[to(HOME, "two"), OWN], c=[to(HOME)]),
        (SHOP, ABROAD, "DescribeLogGroups"): log_groups("a"),
        (SHOP, ABROAD, "DescribeSubscriptionFilters"): filters(a=[own_abroad, to(ABROAD)]),
        (BANK, HOME, "DescribeLogGroups"): log_groups("a"),
        (BANK, HOME, "DescribeSubscriptionFilters"): filters(a=[OWN, to(HOME)]),
        (CENTRAL, HOME, "DescribeLogGroups"): log_groups("a"),
        (CENTRAL, HOME, "DescribeSubscriptionFilters"): filters(a=[OWN, to(HOME)]),
        **{(account, region, "DeleteSubscriptionFilter"): {} for account, region in PLACES},
        **{(account, region, "DescribeAccountPolicies"): {"accountPolicies": []} for account, region in PLACES},
    }
    return aws


def found(account: str, region: str, log_group: str = "a", name: str = "MyFilter") -> Superseded:
    return Superseded(account, region, log_group, name, to(region).destination)


OF_APPLICATIONS = [
    found(SHOP, HOME), found(SHOP, HOME, "b", "two"), found(SHOP, ABROAD), found(BANK, HOME),
]  # fmt: skip


def test_superseded_filters_are_found_in_the_order_of_the_stack_file(accounts: Aws) -> None:
    progress: list[tuple[int, int]] = []
    assert judged(settings(), "app-dev", lambda *state: progress.append(state)) == (OF_APPLICATIONS, [STAYS])
    assert progress == [(0, 2), (1, 2), (2, 2)]
    assert {session for *_, session in accounts.assumed()} == {"central-log-archive-app-dev"}


@pytest.mark.parametrize(
    ("archive", "of_central"),
    [({"streamName": "x"}, []), ({"ownLogGroups": [{"name": "a"}]}, [found(CENTRAL, HOME)])],
)
@pytest.mark.usefixtures("accounts")
def test_the_central_account_has_some_if_it_archives_log_groups_of_its_own(
    archive: dict[str, object], of_central: list[Superseded]
) -> None:
    assert judged(settings(**archive), "archive", lambda *_: None) == ([*of_central, *OF_APPLICATIONS], [STAYS])


def test_filters_are_deleted_one_by_one_with_the_deployer_role_of_their_account(accounts: Aws) -> None:
    progress: list[tuple[int, int]] = []
    filters = [found(CENTRAL, HOME), *OF_APPLICATIONS]
    archive = settings(ownLogGroups=[{"name": "a"}])
    delete(iter(filters), archive, "archive", lambda *state: progress.append(state))
    deleted = [call for call in accounts.calls if call[0][2] == "DeleteSubscriptionFilter"]
    assert deleted == [
        (
            (each.account, each.region, "DeleteSubscriptionFilter"),
            {"logGroupName": each.log_group, "filterName": each.name},
        )
        for each in filters
    ]
    assert progress == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    assert accounts.assumed() == [
        (f"arn:aws:iam::{CENTRAL}:role/deployer", HOME, "central-log-archive-archive"),
        (f"arn:aws:iam::{SHOP}:role/central-log-archive-deployer", HOME, "central-log-archive-archive"),
        (f"arn:aws:iam::{BANK}:role/bank-deployer", HOME, "central-log-archive-archive"),
    ]


def test_after_a_filter_that_cannot_be_deleted_the_rest_stays(accounts: Aws) -> None:
    accounts.answers[SHOP, ABROAD, "DeleteSubscriptionFilter"] = Refusal("AccessDenied")
    progress: list[tuple[int, int]] = []
    with pytest.raises(ClientError, match="DeleteSubscriptionFilter"):
        delete(OF_APPLICATIONS, settings(), "app-dev", lambda *state: progress.append(state))
    assert progress == [(1, 4), (2, 4)]
    assert len(accounts.asked("DeleteSubscriptionFilter")) == 3


POLICY = {
    "policyName": f"central-log-archive.{HOME}",
    "policyDocument": json.dumps({"DestinationArn": OWN.destination}),
}


@pytest.mark.parametrize(
    ("policy", "superseded"),
    [
        (POLICY, ["c"]),
        ({**POLICY, "selectionCriteria": 'LogGroupName NOT IN ["a"]'}, ["c"]),
        ({**POLICY, "selectionCriteria": 'LogGroupName NOT IN ["c"]'}, []),
        ({**POLICY, "policyName": "mine"}, []),
        ({**POLICY, "policyDocument": json.dumps({"DestinationArn": OWN.destination, "FilterPattern": "ERROR"})}, []),
    ],
)
def test_the_account_policy_of_the_program_supersedes_a_filter_of_a_log_group_that_it_covers(
    accounts: Aws, policy: dict[str, str], superseded: list[str]
) -> None:
    accounts.answers[SHOP, HOME, "DescribeAccountPolicies"] = {"accountPolicies": [policy]}
    accounts.answers[SHOP, HOME, "DescribeSubscriptionFilters"] = filters(c=[to(HOME)])
    found, kept = judged(settings(), "app-dev", lambda *_: None)
    assert [each.log_group for each in found if (each.account, each.region) == (SHOP, HOME)] == superseded
    # Of a policy with another name nothing says that it leads to the archive.
    assert [each.log_group for each in kept] == ([] if superseded or policy["policyName"] == "mine" else ["c"])


def test_filters_that_lead_elsewhere_are_nobodys_business(accounts: Aws) -> None:
    accounts.answers[SHOP, HOME, "DescribeSubscriptionFilters"] = filters(a=[OWN], c=[to(ABROAD)])
    _, kept = judged(settings(), "app-dev", lambda *_: None)
    assert kept == []
