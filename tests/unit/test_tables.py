"""The table and the views that Athena reads."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, date, datetime
from typing import Any

import pytest

from functions.transform import handler as transform
from topology.layouts import LAYOUTS, OTHER
from topology.tables import (
    SERDE_PARAMETERS,
    Table,
    View,
    database_name,
    events_view,
    records_table,
    waf_view,
)

CENTRAL, REGIONS = "111111111111", ("us-east-1", "eu-west-1")
RECORD: dict[str, Any] = {
    "messageType": "DATA_MESSAGE",
    "owner": CENTRAL,
    "logGroup": "/aws/lambda/checkout",
    "logStream": "2026/01/31",
    "subscriptionFilters": ["central-log-archive.us-east-1"],
    "logEvents": [{"id": "1", "timestamp": 0, "message": "m", "extractedFields": {"@aws.region": "eu-west-1"}}],
}


def table(layout: str) -> Table:
    return records_table(
        layout=layout, accounts=["222222222222", "111111111111"], regions=REGIONS, since=date(2025, 3, 1)
    )


def views() -> list[View]:
    return [waf_view(), *(events_view(layout=layout, account=CENTRAL, regions=REGIONS) for layout in LAYOUTS)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_table_looks_for_objects_where_firehose_puts_them(layout: str) -> None:
    moment = datetime(2026, 1, 31, 5, 59, tzinfo=UTC)
    where = {"account": "222222222222", "region": "eu-west-1", "log_group": "/aws/lambda/checkout"}
    values = {
        **where, "group": "_aws_lambda_checkout", "date": f"{moment:%Y-%m-%d}", "hour": f"{moment:%H}",
    }  # fmt: skip
    template = table(layout).parameters("b")["storage.location.template"]
    assert template.startswith(table(layout).location("b"))
    assert re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], template) == (
        f"s3://b/{LAYOUTS[layout].prefix_at(moment, **where)}"
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_partition_key_is_projected_and_no_column_has_its_name(layout: str) -> None:
    described = table(layout)
    keys = [key.name for key in described.partition_keys]
    assert {name.split(".")[1] for name in described.projection} == set(keys)
    assert not set(keys) & {column.name for column in described.columns}


def test_dates_begin_with_the_first_day_and_hours_have_two_digits() -> None:
    parameters = table("dated").parameters("b")
    assert parameters["projection.enabled"] == "true"
    assert parameters["projection.date.range"] == "2025-03-01,NOW"
    assert parameters["projection.date.format"] == "yyyy-MM-dd"
    assert parameters["projection.hour.digits"] == "2", "or the hours 00 to 09 are silently missing"


def test_accounts_and_regions_are_listed_with_what_is_none() -> None:
    parameters = table("partitioned-by-group").projection
    assert parameters["projection.account.values"] == f"111111111111,222222222222,{OTHER}"
    assert parameters["projection.region.values"] == f"eu-west-1,us-east-1,{OTHER}"
    assert parameters["projection.group.type"] == "injected"


def test_another_layout_is_another_table() -> None:
    assert len({table(layout).name for layout in LAYOUTS}) == len(LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_key_of_a_record_and_of_a_transformed_line_is_found(layout: str) -> None:
    described = table(layout)
    (line,) = transform.lines(RECORD, transform.Archive(CENTRAL, REGIONS, ())).splitlines()
    columns = {column.name: column.type for column in (*described.columns, *described.partition_keys)}
    # The view needs no extracted fields of a transformed line: the transform has used them.
    keys = {*RECORD, *json.loads(line)} - {"extractedFields"}
    assert {key.lower() for key in keys} <= columns.keys()
    assert {f"{key.lower()}:" for key in RECORD["logEvents"][0]} <= set(re.findall(r"\w+:", columns["logevents"]))
    for key in {*keys, *RECORD["logEvents"][0]}:
        assert SERDE_PARAMETERS.get(f"mapping.{key.lower()}", key.lower()) == key


def test_the_events_of_all_layouts_have_the_same_columns() -> None:
    _, first, *others = views()
    assert {column.name for column in first.columns} >= {
        "account", "region", "date", "time", "log_group", "log_stream", "id", "message",
    }  # fmt: skip
    assert all(each.columns == first.columns for each in others)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_parts_of_the_prefix_are_columns_as_they_are_so_that_a_condition_on_them_prunes(layout: str) -> None:
    view = events_view(layout=layout, account=CENTRAL, regions=REGIONS)
    for part in LAYOUTS[layout].parts:
        assert f'\n  "{part}" AS "{part}"' in view.sql
    assert f"FROM {table(layout).name} " in view.sql


def test_a_group_is_the_same_in_every_layout() -> None:
    for name in ("/aws/lambda/a_b", "aws-waf-logs-#1.x", "/" * 512, "g" * 401):
        keys = transform._partition_keys({**RECORD, "logGroup": name}, transform.Archive(CENTRAL, REGIONS, ["group"]))
        assert name.replace("/", "_")[:400] == keys["group"]
    assert "substr(replace(loggroup, '/', '_'), 1, 400)" in events_view(
        layout="dated", account=CENTRAL, regions=REGIONS
    ).sql  # fmt: skip


@pytest.mark.parametrize("view", views())
def test_a_view_is_stored_with_the_columns_of_its_query(view: View) -> None:
    stored = re.fullmatch(r"/\* Presto View: ([A-Za-z0-9+/=]+) \*/", view.original_text("events_of_all"))
    assert stored
    text = json.loads(base64.b64decode(stored[1]))
    assert text["schema"] == "events_of_all"
    assert text["catalog"] == "awsdatacatalog"
    selected = re.findall(r' AS "(\w+)"(?:,|\n)', text["originalSql"])
    assert [column["name"] for column in text["columns"]] == selected == [column.name for column in view.columns]
    assert ";" not in text["originalSql"], "Athena stores none"


def test_what_is_no_text_has_its_type_in_hive_and_in_trino() -> None:
    stored = {
        column["name"]: column["type"]
        for view in views()
        for column in json.loads(base64.b64decode(view.original_text("d").split()[3]))["columns"]
    }
    assert {name: kind for name, kind in stored.items() if kind != "varchar"} == {
        "time": "timestamp(3)",
        "response_code": "bigint",
        "labels": "array(varchar)",
    }


@pytest.mark.parametrize(
    ("stack", "name"),
    [("archive", "central_log_archive_archive"), ("Prod-EU.2", "central_log_archive_prod_eu_2")],
)
def test_a_database_has_a_name_that_sql_reads_without_quotes(stack: str, name: str) -> None:
    assert database_name(stack) == name


def test_the_hour_of_an_object_without_one_in_its_prefix_is_in_its_name() -> None:
    sql = events_view(layout="partitioned", account=CENTRAL, regions=REGIONS).sql
    found = re.search(r"""regexp_extract\("\$path", '(.+?)', 1\) AS "hour\"""", sql)
    assert found
    path = (
        "s3://b/logs/account=1/region=eu-west-1/date=2026-01-31/archive-stream-1234567-1-2026-01-31-07-59-58-0a1b-2c.gz"
    )
    hour = re.search(found[1], path)
    assert hour
    assert hour[1] == "07"
