"""Where a record goes in each layout."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import jq
import pytest

from topology.layouts import ERROR_PREFIX, LAYOUTS

RECORD: dict[str, object] = {
    "messageType": "DATA_MESSAGE",
    "owner": "222222222222",
    "logGroup": "/aws/lambda/checkout",
    "subscriptionFilters": ["central-log-archive.us-east-1"],
    "logEvents": [],
}
TEST_MESSAGE: dict[str, object] = {
    "messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "", "subscriptionFilters": [],
    "logEvents": [],
}  # fmt: skip


def prefix_of(layout: str, record: dict[str, object]) -> str:
    """The prefix with its partition keys replaced, as by Firehose."""
    prefix, query = LAYOUTS[layout].prefix, LAYOUTS[layout].query
    keys = jq.compile(query).input_text(json.dumps(record)).first() if query else {}
    for key, value in keys.items():
        assert f"!{{partitionKeyFromQuery:{key}}}" in prefix, "Firehose rejects a key that is not in the prefix"
        prefix = prefix.replace(f"!{{partitionKeyFromQuery:{key}}}", value)
    assert "partitionKey" not in prefix
    return prefix


@pytest.mark.parametrize(
    ("layout", "event", "test_message"),
    [
        (
            "partitioned",
            "logs/account=222222222222/region=us-east-1/date=!{timestamp:yyyy-MM-dd}/",
            "control/account=CloudwatchLogs/region=none/date=!{timestamp:yyyy-MM-dd}/",
        ),
        (
            "partitioned-by-group",
            "logs/account=222222222222/region=us-east-1/group=_aws_lambda_checkout/date=!{timestamp:yyyy-MM-dd}/",
            "control/account=CloudwatchLogs/region=none/group=none/date=!{timestamp:yyyy-MM-dd}/",
        ),
    ],
)
def test_a_partition_names_where_its_events_come_from_and_holds_no_test_messages(
    layout: str, event: str, test_message: str
) -> None:
    assert prefix_of(layout, RECORD) == event
    assert prefix_of(layout, TEST_MESSAGE) == test_message


def test_no_layout_mixes_events_with_what_could_not_be_processed() -> None:
    for name in LAYOUTS:
        assert prefix_of(name, RECORD).startswith("logs/")
    assert ERROR_PREFIX.startswith("errors/!{firehose:error-output-type}/")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_where_objects_of_a_moment_are_is_where_firehose_puts_them(layout: str) -> None:
    moment = datetime(2026, 1, 31, 5, 59, tzinfo=UTC)
    expected = prefix_of(layout, RECORD).replace("!{timestamp:yyyy-MM-dd}", "2026-01-31")
    found = LAYOUTS[layout].prefix_at(
        moment, account="222222222222", region="us-east-1", log_group="/aws/lambda/checkout"
    )
    assert found == expected.replace("!{timestamp:HH}", "05")
