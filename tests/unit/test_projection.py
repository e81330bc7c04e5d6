"""Which partition an object of a table belongs to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.cloud.projection import ProjectionError, injected, locations

NOW = datetime(2026, 11, 29, 8, 30, tzinfo=UTC)
DATE = {"type": "date", "format": "yyyy-MM-dd", "range": "2026-11-01,NOW"}


def table(template: str | None = None, **keys: dict[str, str]) -> dict[str, Any]:
    parameters = {f"projection.{key}.{what}": value for key, given in keys.items() for what, value in given.items()}
    parameters |= {"projection.enabled": "true"} | ({"storage.location.template": template} if template else {})
    return {
        "Parameters": parameters,
        "PartitionKeys": [{"Name": key, "Type": "string"} for key in keys],
        "StorageDescriptor": {"Location": "s3://bucket/root"},
    }


def values(described: dict[str, Any], key: str) -> dict[str, str] | None:
    (location,) = locations(described, [], NOW)
    place = location.place(key)
    return None if place is None else place[1]


@pytest.mark.parametrize(
    ("projection", "visible", "invisible"),
    [
        (DATE, ["2026-11-01", "2026-11-29"], ["2026-10-31", "2026-11-30", "2026-11-1", "today"]),
        ({**DATE, "range": "NOW-2DAYS,NOW+1DAY"}, ["2026-11-27", "2026-11-30"], ["2026-11-26", "2026-12-01"]),
        ({**DATE, "interval": "7", "interval.unit": "DAYS"}, ["2026-11-01", "2026-11-08"], ["2026-11-02"]),
        (
            {"type": "date", "format": "yyyy/MM/dd/HH", "range": "2026/11/29/00,NOW"},
            ["2026/11/29/08"],
            ["2026/11/29/09"],
        ),
        ({"type": "date", "format": "'d'yyyyMMdd", "range": "d20261101,NOW"}, ["d20261101"], ["20261101"]),
        ({"type": "integer", "range": "0,23", "digits": "2"}, ["00", "09", "23"], ["9", "24", "009", "x"]),
        ({"type": "integer", "range": "0,23"}, ["0", "9", "23"], ["09", "-1"]),
        ({"type": "integer", "range": "0,20", "interval": "10"}, ["0", "10", "20"], ["5"]),
        ({"type": "enum", "values": "a,b c,007"}, ["a", "b c", "007"], ["7", "b", "A", ""]),
        ({"type": "injected"}, ["any/thing", "x=y"], []),
    ],
)
def test_a_key_has_the_values_that_its_projection_names(
    projection: dict[str, str], visible: list[str], invisible: list[str]
) -> None:
    described = table("s3://bucket/logs/k=${k}", k=projection)
    assert [values(described, f"logs/k={value}/file") for value in visible] == [{"k": value} for value in visible]
    assert [values(described, f"logs/k={value}/file") for value in invisible] == [None] * len(invisible)


def test_a_template_says_where_the_values_are() -> None:
    keys = {"day": DATE, "account": {"type": "enum", "values": "1,2"}, "group": {"type": "injected"}}
    described = table("s3://other/x/${account}/${group}/${day}/${account}/", **keys)
    (location,) = locations(described, [], NOW)
    assert (location.bucket, location.prefix) == ("other", "x/")
    found = {"day": "2026-11-02", "account": "1", "group": "aws/lambda/f"}
    assert location.place("x/1/aws/lambda/f/2026-11-02/1/a.gz") == ("x/1/aws/lambda/f/2026-11-02/1/", found)
    assert location.place("x/1/aws/lambda/f/2026-11-02/2/a.gz") is None
    assert injected(described) == ["group"]


def test_without_a_template_folders_have_the_names_of_keys() -> None:
    described = table(day=DATE, hour={"type": "integer", "range": "0,23", "digits": "2"})
    assert values(described, "root/day=2026-11-02/hour=07/a") == {"day": "2026-11-02", "hour": "07"}
    assert values(described, "root/day=2026-11-02/a") is None


@pytest.mark.parametrize("key", ["root/day=2026-11-02/_a", "root/day=2026-11-02/.a", "root/day=2026-11-02/", "root/a"])
def test_hidden_objects_and_folders_are_in_no_partition(key: str) -> None:
    assert values(table(day=DATE), key) is None


def test_without_projection_the_catalog_names_the_partitions() -> None:
    described = {**table(), "PartitionKeys": [{"Name": "Part", "Type": "string"}], "Parameters": {}}
    partitions = [{"Values": ["a"], "StorageDescriptor": {"Location": "s3://bucket/any/where"}}]
    (location,) = locations(described, partitions, NOW)
    assert location.place("any/where/x/y") == ("any/where/", {"part": "a"})
    assert location.place("any/wherever/x") is None
    assert locations(described, [], NOW) == []


def test_a_table_without_keys_is_what_is_in_its_folder() -> None:
    (location,) = locations({**table(), "PartitionKeys": [], "Parameters": {}}, [], NOW)
    assert location.place("root/a/b") == ("root/", {})
    assert location.place("roots/a") is None


@pytest.mark.parametrize(
    ("described", "problem"),
    [
        (table(day={"type": "date", "range": "NOW-1DAY,NOW"}), "projection.day.format is missing"),
        (table(day={}), "projection.day.type is missing"),
        (table(day={"type": "list"}), "may be enum, integer, date or injected"),
        (table(day={**DATE, "format": "yyyy-ww"}), "letters that are not imitated"),
        (table(day={**DATE, "range": "NOW-1YEAR,NOW"}), "NOW-1YEAR is not imitated"),
        (table(day={**DATE, "interval.unit": "MONTHS"}), "interval unit MONTH is not imitated"),
        (table("s3://bucket/${other}/", day=DATE), "names other, which is no partition column"),
        (table("s3://bucket/", day=DATE), r"lacks the partition columns \['day'\]"),
    ],
)
def test_a_projection_that_is_not_complete_or_valid_is_refused(described: dict[str, Any], problem: str) -> None:
    with pytest.raises(ProjectionError, match=problem):
        locations(described, [], NOW)
