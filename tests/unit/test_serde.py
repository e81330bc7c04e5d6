"""Lines of JSON as rows of a table, and values of results as text."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cloud import serde, trino_values
from sandbox.cloud.serde import MalformedError, column_type

EXACT = {"case.insensitive": "FALSE"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
)


def value(document: str, kind: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
    given_parameters = {**EXACT, **{name.replace("_", "."): each for name, each in parameters.items()}}
    (row,) = serde.rows([document.encode()], {"x": column_type(kind)}, given_parameters)
    return row.get("x")


@pytest.mark.parametrize(
    ("document", "kind", "expected"),
    [
        ('{"x": "a \\"b\\" 😀"}', "string", 'a "b" 😀'),
        ('{"x": {"b" : 1,  "a": [1.50, 1e400, null], "b": "é"}}', "string", '{"b":"é","a":[1.50,1e400,null]}'),
        ('{"x": 1.10}', "string", "1.10"),
        ('{"x": true}', "string", "true"),
        ('{"x": null}', "string", None),
        ('{"y": 1}', "string", None),
        ('{"x": "12"}', "bigint", 12),
        ('{"x": 9223372036854775808}', "bigint", None),
        ('{"x": "many"}', "bigint", None),
        ('{"x": {"a": 1}}', "bigint", None),
        ('{"x": 2.5}', "double", 2.5),
        ('{"x": "TRUE"}', "boolean", True),
        ('{"x": [{"id": 1, "extra": 2}, {}]}', "array<struct<id:string>>", [{"id": "1"}, {"id": None}]),
        ('{"x": "one"}', "array<string>", ["one"]),
        ('{"x": {"a": 1}}', "map<string,bigint>", {"a": 1}),
        ('{"x": "text"}', "struct<a:string>", None),
    ],
)
def test_a_column_takes_what_fits_its_type(document: str, kind: str, expected: object) -> None:
    assert value(document, kind) == expected


@given(JSON)
def test_a_string_takes_text_exactly_and_anything_else_as_json_without_blanks(found: Any) -> None:  # noqa: ANN401 - JSON
    expected = (
        found
        if found is None or isinstance(found, str)
        else json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    )
    assert value(json.dumps({"x": found}, indent=1).replace("\n", " "), "string") == expected


def test_keys_have_other_names_only_where_the_table_maps_them() -> None:
    line = '{"logGroup": "g", "nested": {"Id": 1, "id": 2}}'
    assert value(line, "string", mapping_x="logGroup") == "g"
    assert value(line, "string", mapping_x="loggroup") is None
    assert value(line, "string", mapping_x="logGroup", case_insensitive="true") == "g"
    assert value(line, "string", mapping_x="nested", case_insensitive="true") == '{"id":2}'
    assert value(line, "string", mapping_x="nested") == '{"Id":1,"id":2}'


@pytest.mark.parametrize("line", ["", "{", "[1]", '"x"', '{"x": NaN}', '{"x": 1} {"x": 2}', "\xff"])
def test_a_line_that_is_no_object_is_a_row_of_nulls_or_an_error(line: str) -> None:
    lines = [line.encode("latin-1"), b'{"x": 1}']
    columns = {"x": column_type("int")}
    assert list(serde.rows(lines, columns, {**EXACT, "ignore.malformed.json": "TRUE"})) == [{}, {"x": 1}]
    with pytest.raises(MalformedError, match="Row is not a valid JSON Object"):
        list(serde.rows(lines, columns, EXACT))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, None),
        (True, "true"),
        (5, "5"),
        (1.0, "1.0"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (12345678.9, "1.23456789E7"),
        (-1e22, "-1.0E22"),
        (9999999.0, "9999999.0"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (Decimal("1.50"), "1.50"),
        (date(2026, 11, 1), "2026-11-01"),
        (datetime(2026, 11, 1), "2026-11-01 00:00:00.000"),
        (datetime(2026, 11, 1, 1, 2, 3, 45678), "2026-11-01 01:02:03.045"),
        ([1, None, "a"], "[1, null, a]"),
        ({"a": [1.5], "b": None}, "{a=[1.5], b=null}"),
        (b"ab", "61 62"),
    ],
)
def test_a_value_is_printed_as_athena_prints_it(found: object, expected: str | None) -> None:
    assert trino_values.text(found) == expected


def test_a_column_says_its_type_without_its_parts() -> None:
    assert [
        (each["Type"], each["Precision"], each["Scale"])
        for each in (
            trino_values.column("x", kind)
            for kind in ("varchar", "timestamp(3)", "timestamp(3) with time zone", "array(varchar)", "decimal(10, 2)")
        )
    ] == [
        ("varchar", 2_147_483_647, 0),
        ("timestamp", 3, 0),
        ("timestamp with time zone", 3, 0),
        ("array", 0, 0),
        ("decimal", 10, 2),
    ]
