"""What the function does to the filters of log groups, on an account that is a dictionary."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from components.app_account_subscription.subscriber import configuration
from functions.subscriber import handler as subscriber
from topology.settings import RegionLogGroups

OWN, PULUMIS = "central-log-archive.auto.eu-west-1", "central-log-archive.eu-west-1"
DESTINATION = "arn:aws:logs:eu-west-1:111111111111:destination:archive"


class NotFoundError(ClientError):  # type: ignore[misc] # boto3 has no types
    def __init__(self) -> None:
        super().__init__({"Error": {"Code": "ResourceNotFoundException"}}, "any")


class LimitError(ClientError):  # type: ignore[misc] # as above
    def __init__(self) -> None:
        super().__init__({"Error": {"Code": "LimitExceededException"}}, "any")


class Logs:
    """CloudWatch Logs of one account and region.

    Attributes:
        groups: name → class.
        filters: name → filter's name → what was put.
        room: filters that a log group takes.
        asked: log groups whose filters were asked for.
    """

    exceptions = SimpleNamespace(ResourceNotFoundException=NotFoundError, LimitExceededException=LimitError)

    def __init__(self, **classes: str) -> None:
        self.groups = dict(classes)
        self.filters: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in classes}
        self.room = 2
        self.asked: list[str] = []

    def get_paginator(self, operation: str) -> Any:  # noqa: ANN401 - boto3
        assert operation == "describe_log_groups"
        groups = [{"logGroupName": name, "logGroupClass": each} for name, each in self.groups.items()]
        return SimpleNamespace(paginate=lambda: [{"logGroups": groups[:1]}, {"logGroups": groups[1:]}])

    def describe_subscription_filters(self, *, logGroupName: str) -> dict[str, Any]:  # noqa: N803 - boto3
        self.asked.append(logGroupName)
        if logGroupName not in self.filters:
            raise NotFoundError
        filters = self.filters[logGroupName]
        return {"subscriptionFilters": [{"filterName": name, **put} for name, put in filters.items()]}

    def put_subscription_filter(self, *, logGroupName: str, filterName: str, **put: Any) -> None:  # noqa: ANN401, N803
        filters = self.filters[logGroupName]
        if len(filters.keys() | {filterName}) > self.room:
            raise LimitError
        filters[filterName] = put

    def delete_subscription_filter(self, *, logGroupName: str, filterName: str) -> None:  # noqa: N803 - boto3
        del self.filters[logGroupName][filterName]


Subscriber = Callable[..., dict[str, int]]


@contextmanager
def running(logs: Logs, folder: Path, **environment: str) -> Iterator[Subscriber]:
    """The function on an account: called with an event, entries and exclusions as in a stack file."""

    def run(event: dict[str, Any], *entries: Any, exclude: Sequence[str] = ()) -> dict[str, int]:  # noqa: ANN401
        groups = [{"name": each} if isinstance(each, str) else each for each in entries]
        region = {"logGroups": groups, **({"exclude": list(exclude)} if exclude else {})}
        text = configuration(RegionLogGroups.model_validate(region, strict=False), "eu-west-1")
        (folder / "config.json").write_text(text, encoding="utf-8")
        return subscriber.handler(event, None)

    with (
        mock.patch.object(subscriber, "_logs", return_value=logs),
        mock.patch.object(subscriber, "_PAUSE_SECONDS", 0),
        mock.patch.object(subscriber, "__file__", str(folder / "handler.py")),
        mock.patch.dict(os.environ, {"DESTINATION_ARN": DESTINATION, **environment}),
    ):
        yield run


@pytest.fixture
def logs() -> Logs:
    return Logs(cart="STANDARD", noisy="STANDARD", other="STANDARD", rare="INFREQUENT_ACCESS")


@pytest.fixture
def run(logs: Logs, tmp_path: Path) -> Iterator[Subscriber]:
    with running(logs, tmp_path) as made:
        yield made


def made(name: str, **more: str) -> dict[str, Any]:
    """What EventBridge passes on when a log group was made."""
    request = {"logGroupName": name, **more}
    return {"source": "aws.logs", "detail": {"eventName": "CreateLogGroup", "requestParameters": request}}


SCHEDULE = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
UPDATE = {"config": "digest", "tf": {"action": "update", "prev_input": {}}}
DELETE = {"config": "digest", "tf": {"action": "delete"}}
PUT = {"destinationArn": DESTINATION, "filterPattern": "", "emitSystemFields": []}


def test_a_new_log_group_that_a_pattern_means_gets_a_filter_as_the_stack_file_says(logs: Logs, run: Subscriber) -> None:
    pattern = {"name": "c*", "filterPattern": "ERROR", "emitSystemFields": ["@aws.region"]}
    assert run(made("cart"), pattern) == {"put": 1, "deleted": 0}
    assert logs.filters["cart"] == {
        OWN: {
            "destinationArn": DESTINATION,
            "filterPattern": "ERROR",
            "emitSystemFields": ["@aws.region"],
        }
    }
    assert logs.asked == ["cart"]


def test_an_archive_that_admits_an_organization_gets_filters_with_a_role(logs: Logs, tmp_path: Path) -> None:
    with running(logs, tmp_path, ROLE_ARN="arn:role") as run:
        run(made("cart"), "c*")
    assert logs.filters["cart"][OWN] == {**PUT, "roleArn": "arn:role"}


@pytest.mark.parametrize(
    "event", [made("other"), made("noisy"), made("cart"), made("rare", logGroupClass="INFREQUENT_ACCESS"), made("gone")]
)
def test_a_new_log_group_that_no_pattern_means_is_left_alone(
    logs: Logs, run: Subscriber, event: dict[str, Any]
) -> None:
    assert run(event, "cart", "ca*", "no*", "ra*", "go*", exclude=["noisy"]) == {"put": 0, "deleted": 0}
    assert not any(logs.filters.values())


def test_the_hourly_look_puts_what_is_missing_or_changed_and_asks_only_about_what_is_meant(
    logs: Logs, run: Subscriber
) -> None:
    logs.filters["cart"] = {OWN: {**PUT, "destinationArn": "arn:old"}}
    logs.filters["other"] = {OWN: dict(PUT)}
    assert run(SCHEDULE, "*a*", "n*") == {"put": 2, "deleted": 0}
    assert logs.filters["cart"] == logs.filters["noisy"] == {OWN: PUT}
    assert logs.filters["other"] == {OWN: PUT}
    assert "other" not in logs.asked
    assert run(SCHEDULE, "*a*", "n*") == {"put": 0, "deleted": 0}


def test_an_update_takes_its_own_filters_from_what_no_pattern_means_any_more(logs: Logs, run: Subscriber) -> None:
    for name in logs.filters:
        logs.filters[name] = {OWN: dict(PUT), "siem": {}, PULUMIS: {}}
    assert run(UPDATE, "c*", "cart", "n*", exclude=["none"]) == {"put": 0, "deleted": 3}
    kept: dict[str, Any] = {"siem": {}, PULUMIS: {}}
    assert logs.filters == {"cart": kept, "noisy": {OWN: PUT, **kept}, "other": kept, "rare": kept}


def test_the_end_takes_every_filter_of_its_own_and_no_other(logs: Logs, run: Subscriber) -> None:
    logs.filters["cart"] = {OWN: dict(PUT), "siem": {}}
    logs.filters["noisy"] = {OWN: dict(PUT), PULUMIS: {}}
    assert run(DELETE, "*") == {"put": 0, "deleted": 2}
    assert logs.filters == {"cart": {"siem": {}}, "noisy": {PULUMIS: {}}, "other": {}, "rare": {}}


def test_a_log_group_that_refuses_does_not_keep_the_others_from_theirs(logs: Logs, run: Subscriber) -> None:
    logs.filters["cart"] = {"siem": {}, "metrics": {}}
    with pytest.raises(subscriber.SubscriberError, match="1 log groups failed: cart; the log of the function says why"):
        run(SCHEDULE, "*")
    assert logs.filters["noisy"] == logs.filters["other"] == {OWN: PUT}


def test_where_pulumi_is_about_to_make_room_the_next_look_does_it(logs: Logs, run: Subscriber) -> None:
    logs.filters["cart"] = {"siem": {}, PULUMIS: {}}
    assert run(UPDATE, "c*") == {"put": 0, "deleted": 0}
    del logs.filters["cart"][PULUMIS]
    assert run(SCHEDULE, "c*") == {"put": 1, "deleted": 0}


names = st.text("ab", min_size=1, max_size=3)
entries = st.text("ab*", min_size=1, max_size=3)


@given(
    wanted=st.lists(entries, min_size=1, max_size=3, unique=True),
    exclude=st.lists(entries, max_size=2, unique=True),
    groups=st.dictionaries(names, st.sets(st.sampled_from([OWN, PULUMIS, "siem"])), min_size=1, max_size=5),
)
def test_after_an_update_its_filters_are_where_a_naive_model_says(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[str], exclude: list[str], groups: dict[str, set[str]]
) -> None:
    logs = Logs(**dict.fromkeys(groups, "STANDARD"))
    logs.room = 3
    logs.filters = {name: {each: {} for each in sorted(filters)} for name, filters in groups.items()}
    with running(logs, tmp_path_factory.getbasetemp()) as run:
        run(UPDATE, *wanted, exclude=exclude)
    for name, before in groups.items():
        meant = (
            name not in wanted
            and any(fnmatch.fnmatchcase(name, entry) for entry in wanted)
            and not any(fnmatch.fnmatchcase(name, pattern) for pattern in exclude)
        )
        assert logs.filters[name].keys() == (before - {OWN}) | ({OWN} if meant else set())
