"""How the function changes the filters of log groups, in an account that is a dictionary."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import botocore.session
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from components.app_account_subscription.subscriber import configuration
from functions.subscriber import handler as subscriber
from topology.patterns import SUBSCRIBER
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
        groups: name → class, or empty if it is not reported.
        filters: log group → filter name → what was put.
        quota: filters that a log group may have.
        described: log groups whose filters were described.
        errors: log group → error of an attempt to put a filter.
    """

    exceptions = SimpleNamespace(ResourceNotFoundException=NotFoundError, LimitExceededException=LimitError)

    def __init__(self, **classes: str) -> None:
        self.groups = dict(classes)
        self.filters: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in classes}
        self.quota = 2
        self.described: list[str] = []
        self.errors: dict[str, Exception] = {}

    def get_paginator(self, operation: str) -> Any:  # noqa: ANN401 - boto3
        assert operation == "describe_log_groups"
        groups = [
            {"logGroupName": name, **({"logGroupClass": each} if each else {})} for name, each in self.groups.items()
        ]

        def paginate(logGroupNamePrefix: str = "") -> list[dict[str, Any]]:  # noqa: N803 - boto3
            found = [group for group in groups if group["logGroupName"].startswith(logGroupNamePrefix)]
            return [{"logGroups": found[:1]}, {"logGroups": found[1:]}]

        return SimpleNamespace(paginate=paginate)

    def describe_subscription_filters(self, *, logGroupName: str) -> dict[str, Any]:  # noqa: N803 - boto3
        self.described.append(logGroupName)
        if logGroupName not in self.filters:
            raise NotFoundError
        filters = self.filters[logGroupName]
        return {"subscriptionFilters": [{"filterName": name, **put} for name, put in filters.items()]}

    def put_subscription_filter(self, *, logGroupName: str, filterName: str, **put: Any) -> None:  # noqa: ANN401, N803
        if logGroupName in self.errors:
            raise self.errors[logGroupName]
        filters = self.filters[logGroupName]
        if len(filters.keys() | {filterName}) > self.quota:
            raise LimitError
        filters[filterName] = put

    def delete_subscription_filter(self, *, logGroupName: str, filterName: str) -> None:  # noqa: N803 - boto3
        del self.filters[logGroupName][filterName]


class Events:
    """EventBridge of one account and region.

    Attributes:
        rules: names of the rules.
    """

    exceptions = SimpleNamespace(ResourceNotFoundException=NotFoundError)

    def __init__(self, *rules: str) -> None:
        self.rules = rules

    def describe_rule(self, *, Name: str) -> dict[str, Any]:  # noqa: N803 - boto3
        if Name not in self.rules:
            raise NotFoundError
        return {"Name": Name}


PAUSE = subscriber._PAUSE_SECONDS
Subscriber = Callable[..., dict[str, int]]


@contextmanager
def running(
    logs: Any,  # noqa: ANN401 - or a client
    folder: Path,
    *,
    events: Events | None = None,
    **environment: str,
) -> Iterator[Subscriber]:
    """The function in an account: called with an event, and with entries and exclusions as in a stack file."""

    def run(event: dict[str, Any], *entries: Any, exclude: Sequence[str] = ()) -> dict[str, int]:  # noqa: ANN401
        groups = [{"name": each} if isinstance(each, str) else each for each in entries]
        region = {"logGroups": groups, **({"exclude": list(exclude)} if exclude else {})}
        text = configuration(RegionLogGroups.model_validate(region, strict=False), "eu-west-1")
        (folder / "config.json").write_text(text, encoding="utf-8")
        return subscriber.handler(event, None)

    with (
        mock.patch.object(subscriber, "_logs", return_value=logs),
        mock.patch.object(subscriber, "_events", return_value=events or Events(SUBSCRIBER)),
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
    with running(logs, tmp_path) as function:
        yield function


def created(name: str, **more: str) -> dict[str, Any]:
    """The event that EventBridge sends when a log group is created."""
    request = {"logGroupName": name, **more}
    return {"source": "aws.logs", "detail": {"eventName": "CreateLogGroup", "requestParameters": request}}


SCHEDULE = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
UPDATE = {"config": "digest", "tf": {"action": "update", "prev_input": {}}}
DELETE = {"config": "digest", "tf": {"action": "delete"}}
PUT = {"destinationArn": DESTINATION, "filterPattern": ""}


def test_a_new_log_group_that_matches_a_pattern_gets_a_filter_as_in_the_stack_file(logs: Logs, run: Subscriber) -> None:
    pattern = {"name": "*", "filterPattern": "ERROR", "emitSystemFields": ["@aws.region"]}
    assert run(created("cart"), pattern) == {"put": 1, "deleted": 0}
    assert logs.filters["cart"] == {
        OWN: {
            "destinationArn": DESTINATION,
            "filterPattern": "ERROR",
            "emitSystemFields": ["@aws.region"],
        }
    }
    assert logs.described == ["cart"]


def test_an_archive_that_admits_an_organization_gets_filters_with_a_role(logs: Logs, tmp_path: Path) -> None:
    with running(logs, tmp_path, ROLE_ARN="arn:role") as run:
        run(created("cart"), "c*")
    assert logs.filters["cart"][OWN] == {**PUT, "roleArn": "arn:role"}


@pytest.mark.parametrize(
    "event",
    [
        created("other"),
        created("noisy"),
        created("cart"),
        created("rare", logGroupClass="STANDARD"),
        created("rare"),
        created("gone"),
        created("car"),
    ],
)
def test_a_new_log_group_that_matches_no_pattern_is_not_changed(
    logs: Logs, run: Subscriber, event: dict[str, Any]
) -> None:
    assert run(event, "cart", "ca*", "no*", "ra*", "go*", exclude=["noisy"]) == {"put": 0, "deleted": 0}
    assert not any(logs.filters.values())


def test_the_hourly_check_puts_missing_and_changed_filters_and_only_reads_selected_log_groups(
    logs: Logs, run: Subscriber
) -> None:
    logs.filters["cart"] = {OWN: {**PUT, "destinationArn": "arn:old"}}
    logs.filters["other"] = {OWN: dict(PUT)}
    assert run(SCHEDULE, "*a*", "n*") == {"put": 2, "deleted": 0}
    assert logs.filters["cart"] == logs.filters["noisy"] == {OWN: PUT}
    assert logs.filters["other"] == {OWN: PUT}
    assert "other" not in logs.described
    assert run(SCHEDULE, "*a*", "n*") == {"put": 0, "deleted": 0}


def test_an_update_deletes_its_own_filters_where_no_pattern_matches_any_more(logs: Logs, run: Subscriber) -> None:
    for name in logs.filters:
        logs.filters[name] = {OWN: dict(PUT), "siem": {}, PULUMIS: {}}
    assert run(UPDATE, "c*", "cart", "n*", exclude=["none"]) == {"put": 0, "deleted": 3}
    kept: dict[str, Any] = {"siem": {}, PULUMIS: {}}
    assert logs.filters == {"cart": kept, "noisy": {OWN: PUT, **kept}, "other": kept, "rare": kept}


def test_a_deletion_deletes_every_filter_of_its_own_and_no_other_once_the_rule_is_gone(
    logs: Logs, tmp_path: Path
) -> None:
    logs.filters["cart"] = {OWN: dict(PUT), "siem": {}}
    logs.filters["noisy"] = {OWN: dict(PUT), PULUMIS: {}}
    with running(logs, tmp_path, events=Events("another")) as run:
        assert run(DELETE, "*") == {"put": 0, "deleted": 2}
    assert logs.filters == {"cart": {"siem": {}}, "noisy": {PULUMIS: {}}, "other": {}, "rare": {}}


FORGED = [
    DELETE,
    {"config": "", "entries": [], "exclude": ["*"], "filterName": PULUMIS, "tf": {"action": "delete"}},
    {"tf": {"action": "update"}},
    {"tf": {"action": "anything"}},
    created("cart", logGroupClass="INFREQUENT_ACCESS"),
    created("cart", logGroupClass="DELIVERY", filterName=OWN),
    {"detail": {"eventName": "DeleteLogGroup", "requestParameters": {"logGroupName": "cart"}}},
    {"detail": {"eventName": "CreateLogGroup", "requestParameters": {"logGroupName": "c"}}},
    {},
]


@pytest.mark.parametrize("event", FORGED)
def test_no_event_that_somebody_makes_up_takes_away_a_filter_that_is_configured(
    logs: Logs, run: Subscriber, event: dict[str, Any]
) -> None:
    configured = {name: {OWN: dict(PUT), PULUMIS: {}} for name in ("cart", "noisy", "other")}
    logs.filters |= {name: dict(filters) for name, filters in configured.items()}
    assert run(event, "*") == {"put": 0, "deleted": 0}
    assert logs.filters == {**configured, "rare": {}}


@pytest.mark.parametrize("event", FORGED)
def test_without_the_rule_only_the_deletion_deletes_what_is_configured(
    logs: Logs, tmp_path: Path, event: dict[str, Any]
) -> None:
    logs.filters["cart"] = {OWN: dict(PUT)}
    with running(logs, tmp_path, events=Events()) as run:
        run(event, "*")
    assert (OWN in logs.filters["cart"]) is ((event.get("tf") or {}).get("action") != "delete")


def test_a_failing_log_group_does_not_prevent_the_filters_of_others(logs: Logs, run: Subscriber) -> None:
    logs.filters["cart"] = logs.filters["noisy"] = {"siem": {}, "metrics": {}}
    text = "2 of the log groups failed: cart, noisy; see the function's log"
    with pytest.raises(subscriber.SubscriberError, match=text):
        run(SCHEDULE, "*")
    assert logs.filters["other"] == {OWN: PUT}


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "AccessDeniedException"}}, "any"),
        EndpointConnectionError(endpoint_url="https://logs"),
        ParamValidationError(report="Unknown parameter in input"),
        NotFoundError(),  # of the destination or the role: the log group has just been described
        RuntimeError("unforeseen"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_error_of_a_log_group_is_swallowed_or_keeps_others_from_their_filters(
    logs: Logs, run: Subscriber, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    logs.errors["noisy"] = error
    with pytest.raises(subscriber.SubscriberError, match="1 of the log groups failed: noisy; see the function's log"):
        run(SCHEDULE, "*")
    assert logs.filters["cart"] == logs.filters["other"] == {OWN: PUT}
    (failed,) = (vars(each) for each in caplog.records if each.message == "failed")
    assert (failed["logGroup"], failed["reason"]) == ("noisy", str(error))


def older_sdk() -> Any:  # noqa: ANN401 - boto3 has no types
    """A client of an SDK from before September 2025, which knows no system fields."""
    session = botocore.session.Session()
    shapes = session.get_component("data_loader").load_service_model("logs", "service-2")["shapes"]
    for shape in ("PutSubscriptionFilterRequest", "SubscriptionFilter"):
        del shapes[shape]["members"]["emitSystemFields"]
    return session.create_client(
        "logs",
        region_name="eu-west-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )


def test_an_older_sdk_puts_filters_without_system_fields(tmp_path: Path) -> None:
    client = older_sdk()
    with Stubber(client) as aws, running(client, tmp_path) as run:
        aws.add_response("describe_log_groups", {"logGroups": [{"logGroupName": "cart"}]})
        aws.add_response("describe_subscription_filters", {"subscriptionFilters": []})
        aws.add_response("put_subscription_filter", {}, {"logGroupName": "cart", "filterName": OWN, **PUT})
        assert run(created("cart"), "c*") == {"put": 1, "deleted": 0}
        aws.assert_no_pending_responses()


def test_an_older_sdk_fails_if_system_fields_are_wanted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    client = older_sdk()
    with Stubber(client) as aws, running(client, tmp_path) as run:
        aws.add_response("describe_log_groups", {"logGroups": [{"logGroupName": "cart"}]})
        aws.add_response("describe_subscription_filters", {"subscriptionFilters": []})
        aws.add_response("put_subscription_filter", {})
        with pytest.raises(subscriber.SubscriberError, match="failed: cart;"):
            run(created("cart"), {"name": "c*", "emitSystemFields": ["@aws.region"]})
    assert 'Unknown parameter in input: "emitSystemFields"' in vars(caplog.records[-1])["reason"]


def test_system_fields_that_are_no_longer_wanted_are_taken_away(logs: Logs, run: Subscriber) -> None:
    logs.filters["cart"] = {OWN: {**PUT, "emitSystemFields": ["@aws.region"]}}
    assert run(SCHEDULE, "c*") == {"put": 1, "deleted": 0}
    assert logs.filters["cart"] == {OWN: {**PUT, "emitSystemFields": []}}


def test_a_filter_waits_for_the_next_check_if_pulumi_is_about_to_delete_its_own(logs: Logs, run: Subscriber) -> None:
    logs.filters["cart"] = {"siem": {}, PULUMIS: {}}
    assert run(UPDATE, "c*") == {"put": 0, "deleted": 0}
    del logs.filters["cart"][PULUMIS]
    assert run(SCHEDULE, "c*") == {"put": 1, "deleted": 0}


@pytest.mark.parametrize(
    ("current", "put"),
    [
        ({**PUT, "roleArn": "arn:role"}, 0),
        ({**PUT, "roleArn": "arn:role", "emitSystemFields": []}, 0),
        ({**PUT, "roleArn": "arn:role", "destinationArn": "arn:old"}, 1),
        ({**PUT, "roleArn": "arn:role", "filterPattern": "ERROR"}, 1),
        ({**PUT, "roleArn": "arn:role", "emitSystemFields": ["@aws.region"]}, 1),
        ({**PUT, "roleArn": "arn:old"}, 1),
        (PUT, 1),
    ],
)
def test_a_filter_is_only_put_if_something_of_it_differs(
    logs: Logs, tmp_path: Path, current: dict[str, Any], put: int
) -> None:
    logs.filters["cart"] = {OWN: current}
    with running(logs, tmp_path, ROLE_ARN="arn:role") as run:
        assert run(SCHEDULE, "c*") == {"put": put, "deleted": 0}


def test_a_log_group_whose_class_is_not_reported_is_a_standard_one(logs: Logs, run: Subscriber) -> None:
    logs.groups["cart"] = ""
    assert run(SCHEDULE, "c*") == {"put": 1, "deleted": 0}


def test_other_events_of_cloudtrail_are_like_the_hourly_check(logs: Logs, run: Subscriber) -> None:
    event = {"detail": {"eventName": "DeleteLogGroup", "requestParameters": {"logGroupName": "cart"}}}
    assert run(event, "n*") == {"put": 1, "deleted": 0}
    assert logs.described == ["noisy"]


def test_each_change_is_logged_and_followed_by_a_pause_that_the_quota_requires(
    logs: Logs, run: Subscriber, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    monkeypatch.setattr(subscriber, "_PAUSE_SECONDS", PAUSE)
    logs.filters["cart"] = {OWN: dict(PUT)}
    logs.filters["rare"] = {OWN: dict(PUT)}
    logs.filters["other"] = {"siem": {}, "metrics": {}}
    with caplog.at_level("INFO"), pytest.raises(subscriber.SubscriberError, match="1 of the log groups failed: other;"):
        run(UPDATE, "*")
    assert [(each.message, vars(each)["logGroup"], each.levelname) for each in caplog.records] == [
        ("put", "noisy", "INFO"), ("failed", "other", "ERROR"), ("deleted", "rare", "INFO"),
    ]  # fmt: skip
    assert "LimitExceededException" in vars(caplog.records[1])["reason"]
    assert pauses == [PAUSE, PAUSE]
    assert PAUSE >= 1 / 5


def test_a_throttled_call_is_retried_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    meta = subscriber._logs.__wrapped__().meta
    assert (meta.service_model.service_name, meta.region_name) == ("logs", "eu-west-1")
    assert meta.config.retries == {"mode": "adaptive", "total_max_attempts": 6}


names = st.text("ab", min_size=1, max_size=3)
entries = st.text("ab*", min_size=1, max_size=3)


@given(
    wanted=st.lists(entries, min_size=1, max_size=3, unique=True),
    exclude=st.lists(entries, max_size=2, unique=True),
    groups=st.dictionaries(names, st.sets(st.sampled_from([OWN, PULUMIS, "siem"])), min_size=1, max_size=5),
)
def test_after_an_update_its_filters_are_where_a_naive_model_puts_them(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[str], exclude: list[str], groups: dict[str, set[str]]
) -> None:
    logs = Logs(**dict.fromkeys(groups, "STANDARD"))
    logs.quota = 3
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
