"""Where a record goes in each layout."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import jq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.transform import handler as transform
from topology.layouts import ERROR_PREFIX, LAYOUTS
from topology.regions import PARTITIONS

CENTRAL, REGIONS = "111111111111", ("eu-west-1", "us-east-1")
RECORD: dict[str, Any] = {
    "messageType": "DATA_MESSAGE",
    "owner": "222222222222",
    "logGroup": "/aws/lambda/checkout",
    "subscriptionFilters": ["central-log-archive.us-east-1"],
    "logEvents": [],
}
TEST_MESSAGE: dict[str, Any] = {
    "messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "", "subscriptionFilters": [],
    "logEvents": [],
}  # fmt: skip


def keys_of(layout: str, record: dict[str, Any]) -> dict[str, str]:
    """The partition keys that the query finds."""
    query = LAYOUTS[layout].query(CENTRAL, REGIONS)
    (keys,) = jq.compile(query).input_text(json.dumps(record)).all() if query else [{}]
    return dict(keys)


def prefix_of(layout: str, record: dict[str, Any]) -> str:
    """The prefix with its partition keys replaced, as by Firehose."""
    prefix = LAYOUTS[layout].prefix
    for key, value in keys_of(layout, record).items():
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
            "control/account=other/region=other/date=!{timestamp:yyyy-MM-dd}/",
        ),
        (
            "partitioned-by-group",
            "logs/account=222222222222/region=us-east-1/group=_aws_lambda_checkout/date=!{timestamp:yyyy-MM-dd}/",
            "control/account=other/region=other/group=other/date=!{timestamp:yyyy-MM-dd}/",
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


def centralized(account: str, region: str, owner: str = CENTRAL) -> dict[str, Any]:
    """A record of a log group that collects others, whose filter emits system fields."""
    event = {"extractedFields": {"@aws.account": account, "@aws.region": region}}
    return {**RECORD, "owner": owner, "logEvents": [event]}


def test_a_sender_reaches_as_many_partitions_as_the_archive_has_regions_and_one() -> None:
    names = [*(f"x.{region}" for region in PARTITIONS), *(f"{number}/a=b" for number in range(100)), "", "."]
    sent = [{**RECORD, "subscriptionFilters": [name], "logGroup": name} for name in names]
    query = jq.compile(str(LAYOUTS["partitioned"].query(CENTRAL, REGIONS)))
    reached = {tuple(query.input_value(record).first().items()) for record in sent}
    assert len(reached) == len(REGIONS) + 1
    assert len({query.input_value({**record, "owner": "3" * 12}).first()["account"] for record in sent}) == 1


@pytest.mark.parametrize(
    ("record", "account", "region"),
    [
        (RECORD, "222222222222", "us-east-1"),
        ({**RECORD, "subscriptionFilters": ["central-log-archive.auto.eu-west-1", "x"]}, "222222222222", "eu-west-1"),
        ({**RECORD, "subscriptionFilters": ["eu-west-1"]}, "222222222222", "eu-west-1"),
        ({**RECORD, "subscriptionFilters": ["central-log-archive.eu-west-2"]}, "222222222222", "other"),
        ({**RECORD, "subscriptionFilters": ["a.eu-west-1/group=b"]}, "222222222222", "other"),
        ({**RECORD, "subscriptionFilters": ["a.west-1"]}, "222222222222", "other"),
        ({**RECORD, "subscriptionFilters": []}, "222222222222", "other"),
        ({**RECORD, "owner": "22222222222a"}, "other", "us-east-1"),
        ({**RECORD, "owner": "2222222222222"}, "other", "us-east-1"),
        ({**RECORD, "owner": "222222222222\n"}, "other", "us-east-1"),
        ({**RECORD, "owner": "٢٢٢٢٢٢٢٢٢٢٢٢"}, "other", "us-east-1"),
        (centralized("333333333333", "ap-south-1"), "333333333333", "ap-south-1"),
        (centralized("333333333333", "ap-south-1/x"), "333333333333", "us-east-1"),
        (centralized("", ""), CENTRAL, "us-east-1"),
        # A sender cannot pass for another account, nor choose its partition, by fields of its own.
        (centralized("333333333333", "ap-south-1", owner="222222222222"), "222222222222", "us-east-1"),
    ],
)
def test_account_and_region_of_a_record_are_those_that_aws_states_and_the_archive_serves(
    record: dict[str, Any], account: str, region: str
) -> None:
    assert keys_of("partitioned", record) == {"root": "logs", "account": account, "region": region}


_texts = st.text(max_size=20) | st.text("/=.é€\U0001f600", min_size=500, max_size=520)
_log_groups = _texts | st.text("abc-_/.#", max_size=512)
_accounts = st.sampled_from([CENTRAL, "222222222222"]) | _texts
_regions = st.sampled_from([*REGIONS, "ap-south-1"]) | _texts


@given(
    owner=_accounts,
    log_group=_log_groups,
    filters=st.lists(_regions.map(lambda region: f"central-log-archive.{region}") | _texts, max_size=2),
    fields=st.lists(
        st.none() | st.fixed_dictionaries({}, optional={"@aws.account": _accounts, "@aws.region": _regions}), max_size=2
    ),
)
def test_whatever_a_sender_chooses_query_and_transform_agree_and_keys_are_safe_and_short(
    owner: str, log_group: str, filters: list[str], fields: list[dict[str, str] | None]
) -> None:
    events = [{} if each is None else {"extractedFields": each} for each in fields]
    record = {**RECORD, "owner": owner, "logGroup": log_group, "subscriptionFilters": filters, "logEvents": events}
    keys = keys_of("partitioned-by-group", record)
    archive = transform.Archive(CENTRAL, REGIONS, ["account", "region", "group"])
    assert keys == {"root": "logs", **transform._partition_keys(record, archive)}
    assert re.fullmatch("[0-9]{12}|other", keys["account"])
    assert keys["region"] in (*REGIONS, "other") or owner == CENTRAL
    assert re.fullmatch("[a-z0-9-]{1,20}", keys["region"])
    assert re.fullmatch(r"[A-Za-z0-9_.#-]{1,400}", keys["group"])
    prefix = prefix_of("partitioned-by-group", record).replace("!{timestamp:yyyy-MM-dd}", "2026-01-31")
    assert len(prefix.encode()) <= 512
    name = f"{'s' * 64}-{10**6}-2026-01-31-05-59-00-d1a7e9f0-0000-0000-0000-000000000000.snappy"
    assert len((prefix + name).encode()) <= 1024


def test_the_query_of_an_archive_that_serves_every_region_fits_into_a_parameter_of_firehose() -> None:
    assert len(LAYOUTS["partitioned-by-group"].query(CENTRAL, sorted(PARTITIONS)) or "") <= 5120
