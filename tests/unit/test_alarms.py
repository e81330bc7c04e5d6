"""What is monitored: the metrics, the thresholds and the dashboard."""

from __future__ import annotations

import json
from typing import Any

import pytest

from topology.alarms import (
    Alarm,
    change_alarm,
    dashboard,
    function_alarm,
    replica_alarm,
    sender_alarms,
    silence_alarm,
    stream_alarms,
    subscriber_alarm,
)

EVERYTHING: dict[str, Any] = {"transformed": True, "partitioned": True, "has_key": True, "backup": True}
NOTHING: dict[str, Any] = dict.fromkeys(EVERYTHING, False)


def by_name(**differences: object) -> dict[str, Alarm]:
    options = {"buffer_seconds": 300, **NOTHING, **differences}
    return {alarm.name: alarm for alarm in stream_alarms(**options)}


def test_a_stream_is_late_when_events_wait_longer_than_its_buffer_explains() -> None:
    assert by_name(buffer_seconds=300)["late"].threshold == 1350
    assert by_name(buffer_seconds=900)["late"].threshold == 2250


@pytest.mark.parametrize(
    ("option", "added", "gone"),
    [
        ("transformed", {"not-transformed"}, {"not-unpacked"}),
        ("partitioned", {"too-many-partitions"}, set()),
        ("has_key", {"key"}, set()),
        ("backup", {"no-originals"}, set()),
    ],
)
def test_the_options_of_a_stream_decide_which_alarms_it_has(option: str, added: set[str], gone: set[str]) -> None:
    plain, with_option = by_name().keys(), by_name(**{option: True}).keys()
    assert with_option - plain == added
    assert plain - with_option == gone


def test_every_expression_uses_all_its_metrics_and_no_other() -> None:
    more = [function_alarm(), replica_alarm(), change_alarm("r", "a", "g")]
    for alarm in [*by_name(**EVERYTHING).values(), *by_name().values(), *more]:
        words = "".join(c if c.isalnum() else " " for c in alarm.expression).split()
        assert {word for word in words if word.islower() and not word.isdigit()} == alarm.metrics.keys()


def test_names_are_unique_and_every_description_has_a_remedy() -> None:
    alarms = [*by_name(**EVERYTHING).values(), function_alarm(), *sender_alarms("filters"), subscriber_alarm()]
    alarms.append(replica_alarm())
    alarms.append(silence_alarm("us-east-1", "222222222222"))
    alarms.append(change_alarm("us-east-1", "222222222222", "/aws/events/canary"))
    assert len({alarm.name for alarm in alarms}) == len(alarms)
    assert all(len(alarm.description) <= 1024 and ". " in alarm.description for alarm in alarms)


def test_the_alarms_of_a_sender_cover_all_its_filters_of_a_region() -> None:
    errors, throttling = sender_alarms("central-log-archive.us-east-1")
    query = "SELECT SUM({}) FROM \"AWS/Logs\" WHERE FilterName = 'central-log-archive.us-east-1'"
    assert errors.expression == query.format("DeliveryErrors")
    assert throttling.expression == query.format("DeliveryThrottling")


def test_only_silence_is_an_alarm_although_there_is_no_data() -> None:
    silent = silence_alarm("us-east-1", "222222222222")
    assert (silent.missing, silent.period, silent.comparison, silent.threshold) == (
        "breaching", 3600, "LessThanThreshold", 1,
    )  # fmt: skip
    assert silent.expression == (
        "SELECT SUM(ForwardedLogEvents) FROM \"AWS/Logs\" WHERE FilterName = 'central-log-archive.us-east-1' "
        "AND LogGroupName = '/aws/events/central-log-archive-canary'"
    )
    assert "Account 222222222222 has sent nothing to the archive from us-east-1" in silent.description
    others = [*by_name(**EVERYTHING).values(), function_alarm(), *sender_alarms("filters"), subscriber_alarm()]
    others.append(replica_alarm())
    assert {alarm.missing for alarm in others} == {"notBreaching"}


@pytest.mark.parametrize("function", [None, "archive-transform"])
def test_the_dashboard_shows_the_stream_the_transform_and_each_sender(function: str | None) -> None:
    body = json.loads(
        dashboard(
            account="111111111111",
            region="eu-west-1",
            stream="archive-stream",
            function=function,
            sender_accounts=["222222222222"],
            sender_regions=["us-east-1"],
        )
    )
    text = json.dumps(body)
    assert ("archive-transform" in text) is (function is not None)
    assert {w["properties"]["region"] for w in body["widgets"] if w["type"] == "metric"} == {"eu-west-1", "us-east-1"}
    (errors,) = (w for w in body["widgets"] if w["properties"].get("title") == "DeliveryErrors, us-east-1")
    (query,) = errors["properties"]["metrics"][0]
    assert (query["accountId"], query["region"]) == ("222222222222", "us-east-1")
