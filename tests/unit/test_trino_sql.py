"""Athena's SQL in the sandbox: what it means, what it reads, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.cloud import trino_sql
from sandbox.cloud.serde import column_type
from sandbox.cloud.trino_sql import SqlError, Table, View
from sandbox.cloud.trino_values import text

COLUMNS = {
    "day": "string",
    "account": "string",
    "n": "bigint",
    "message": "string",
    "events": "array<struct<id:string,at:bigint>>",
    "seen": "timestamp",
}
VIEWS = {
    "v": View("v", "SELECT day AS d, account, events[i].id AS id, n FROM t "
              "CROSS JOIN UNNEST(transform(events, e -> e.id)) WITH ORDINALITY AS u (id, i)", "db", {}),
    "w": View("w", "SELECT d, account, upper(id) AS id, n FROM v WHERE n > 0", "db", {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        made.execute(f"SET TimeZone = 'UTC'; {trino_sql.MACROS}")
        yield made


def source(database: str, name: str) -> Table | View:
    table = Table(database, name, {key: column_type(kind) for key, kind in COLUMNS.items()})
    return VIEWS.get(name, table)


def planned(sql: str, *parameters: str) -> tuple[trino_sql.Plan, Any]:
    plan = trino_sql.planned(trino_sql.parsed(sql, parameters), "db", source)
    return plan, trino_sql.qualified(plan.query, plan)


def conditions(sql: str, *names: str) -> list[str | None]:
    """Return what each reading of a table has to fulfill, as far as its keys say it."""
    plan, query = planned(sql)
    found = trino_sql.conditions(query)
    keys = [trino_sql.on_columns(found.get(name), names or ("day", "account")) for name in plan.scans]
    return [None if each is None else each.sql("trino").replace('"', "") for each in keys]


def value(connection: duckdb.DuckDBPyConnection, sql: str, *parameters: str) -> str | None:
    _, query = planned(f"SELECT {sql} AS x", *parameters)
    row = connection.execute(trino_sql.translated(query)).fetchone()
    assert row is not None
    return text(row[0])


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("json_extract_scalar('{\"a\": {\"b-c\": [1, \"x\"]}}', '$.a.b-c[1]')", "x"),
        ("json_extract_scalar('{\"a b\": true}', '$[\"a b\"]')", "true"),
        ("json_extract_scalar('{\"a\": {}}', '$.a')", None),
        ("json_extract_scalar('{\"a\": null}', '$.a')", None),
        ("json_extract_scalar('no JSON', '$.a')", None),
        ("json_extract('{\"a\": [1,  2]}', '$.a')", "[1,2]"),
        ("json_array_length('[1, 2]')", "2"),
        ("json_array_length('no JSON')", None),
        ("TRY_CAST(json_extract('{\"a\": 1}', '$.a') AS ARRAY(JSON))", None),
        ("CAST(json_extract('{\"a\": \"x\"}', '$.a') AS varchar)", "x"),
        ("CAST(json_extract('{\"a\": [\"x\", null]}', '$.a') AS ARRAY(varchar))", "[x, null]"),
        ("json_format(CAST('a' AS JSON))", '"a"'),
        ("transform(TRY_CAST(json_parse('[{\"n\": 1}, {}]') AS ARRAY(JSON)), l -> json_extract_scalar(l, '$.n'))",
         "[1, null]"),
        ("element_at(filter(ARRAY[NULL, 'a', 'b'], r -> r IS NOT NULL), 1)", "a"),
        ("element_at(ARRAY[1, 2], -1)", "2"),
        ("element_at(ARRAY[1, 2], 3)", None),
        ("ARRAY[1, 2][1]", "1"),
        ("MAP(ARRAY['a'], ARRAY[1])['a']", "1"),
        ("split_part('a/b', '/', 2)", "b"),
        ("split_part('a/b', '/', 3)", None),
        ("split('a.b', '.')", "[a, b]"),
        ("regexp_extract('x=12', '(\\d+)', 1)", "12"),
        ("regexp_extract('x', '\\d+')", None),
        ("regexp_like('Fatal error', '(?i)\\berror\\b')", "true"),
        ("regexp_replace('a1b2', '([a-z])(\\d)', '$2$1')", "1a2b"),
        ("date_trunc('hour', TIMESTAMP '2026-11-01 10:59:59')", "2026-11-01 10:00:00.000"),
        ("date_trunc('month', DATE '2026-11-15')", "2026-11-01"),
        ("date_add('day', 1, DATE '2026-11-30')", "2026-12-01"),
        ("date_diff('minute', TIMESTAMP '2026-11-01 00:00:30', TIMESTAMP '2026-11-01 00:01:29')", "0"),
        ("CAST(from_unixtime(1793491200123 / 1e3) AS timestamp(3))", "2026-11-01 00:00:00.123"),
        ("CAST(TIMESTAMP '2026-11-01 00:00:00' AS varchar)", "2026-11-01 00:00:00.000"),
        ("date_format(TIMESTAMP '2026-11-01 13:05:00', '%Y-%m-%d %H:%i')", "2026-11-01 13:05"),
        ("array_join(ARRAY['a', NULL, 'b'], ', ')", "a, b"),
        ("strpos('abc', 'c')", "3"),
        ("concat('a', CAST(NULL AS varchar))", None),
        ("'a' || 'b'", "ab"),
        ("any_match(ARRAY[1, 2], x -> x > 1)", "true"),
        ("all_match(ARRAY[1, 2], x -> x > 1)", "false"),
        ("none_match(ARRAY[1, 2], x -> x > 2)", "true"),
        ("reduce(ARRAY[1, 2], 0, (s, x) -> s + x, s -> s)", "3"),
        ("array_position(ARRAY['a'], 'b')", "0"),
        ("slice(ARRAY[1, 2, 3], 2, 1)", "[2]"),
        ("slice(ARRAY[1, 2, 3], -2, 2)", "[2, 3]"),
        ("slice(ARRAY[1, 2, 3], 3, 9)", "[3]"),
        ("slice(ARRAY[1], 1, 0)", "[]"),
        ("cardinality(array_distinct(ARRAY[1, 1]))", "1"),
        ("arrays_overlap(ARRAY[1], ARRAY[1, 2])", "true"),
        ("5 / 2", "2"),
        ("-5 / 2", "-2"),
        ("5 / 2e0", "2.5"),
        ("1e8", "1.0E8"),
        ("try_cast('x' AS bigint)", None),
        ("count_if(true)", "1"),
        ("count_if(CAST(NULL AS boolean))", "0"),
        ("count_if(true) FILTER (WHERE false)", "0"),
        ("count_if(CAST(NULL AS boolean)) OVER ()", "0"),
        ("count_if(false) / 2", "0"),
        ("sum(CAST(NULL AS bigint))", None),
        ("bool_or(CAST(NULL AS boolean))", None),
        ("array_agg(CAST(NULL AS bigint))", "[null]"),
        ("max_by('a', 1)", "a"),
        ("approx_distinct('a')", "1"),
        ("format('%s-%d', 'a', 1)", "a-1"),
        ("if(1 > 2, 'a')", None),
        ("CASE WHEN 1 IN (1, 2) THEN 'in' END", "in"),
        ("length('ü😀')", "2"),
        ("ROW(1, 'a') = ROW(1, 'a')", "true"),
    ],
)  # fmt: skip
def test_an_expression_has_the_value_that_trino_gives(
    connection: duckdb.DuckDBPyConnection, sql: str, expected: str | None
) -> None:
    assert value(connection, sql) == expected


@pytest.mark.parametrize("sql", ["slice(ARRAY[1], 1, -1)", "slice(ARRAY[1], 0, 1)"])
def test_an_argument_that_trino_refuses_fails_the_query(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    with pytest.raises(duckdb.Error, match="slice"):
        value(connection, sql)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    )
)
@settings(max_examples=50, deadline=None)
def test_a_scalar_of_json_is_what_python_finds(connection: duckdb.DuckDBPyConnection, found: Any) -> None:  # noqa: ANN401 - JSON
    document = json.dumps({"a": [found]}, ensure_ascii=False).replace("'", "''")
    expected = None if found is None or isinstance(found, list | dict) else str(found)
    expected = str(found).lower() if isinstance(found, bool) else expected
    assert value(connection, f"json_extract_scalar('{document}', '$.a[0]')") == expected


@given(st.text(min_size=1))
@settings(max_examples=50, deadline=None)
def test_a_string_parameter_is_its_text_and_nothing_else(
    connection: duckdb.DuckDBPyConnection, given_text: str
) -> None:
    quoted = "'" + given_text.replace("'", "''") + "'"
    assert value(connection, "?", quoted) == given_text


@pytest.mark.parametrize(
    "parameter",
    ["1, 2", "1 FROM t", "(SELECT 1)", "1 AS x", "1; DROP TABLE t", "", "'a", "*", "1 UNION SELECT 2"],
)
def test_a_parameter_that_is_no_constant_is_refused(parameter: str) -> None:
    with pytest.raises(SqlError):
        planned("SELECT ? AS x", parameter)


def test_a_question_mark_in_text_or_in_a_comment_is_no_parameter() -> None:
    _, query = planned("SELECT '?' AS a, ? AS b -- ?\n LIMIT ?", "'x'", "5")
    assert query.sql("trino") == "SELECT '?' AS \"a\", 'x' AS \"b\" /* ? */ LIMIT 5"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1 FROM t WHERE day = 'x' AND n > 1", ["day = 'x'"]),
        ("SELECT 1 FROM w WHERE d BETWEEN 'a' AND 'b' AND id = 'X'", ["day BETWEEN 'a' AND 'b'"]),
        ("WITH c AS (SELECT * FROM w) SELECT 1 FROM c WHERE d = 'x' UNION ALL SELECT 2 FROM c WHERE d = 'y'",
         ["day = 'x'", "day = 'y'"]),
        ("SELECT 1 FROM (SELECT day FROM t UNION ALL SELECT account FROM t) WHERE day = 'x'",
         ["day = 'x'", "account = 'x'"]),
        ("SELECT 1 FROM v CROSS JOIN UNNEST(ARRAY[1]) AS u (k) WHERE d = 'x' AND k = 1", ["day = 'x'"]),
        ("SELECT 1 FROM (SELECT d, count(*) AS c FROM v GROUP BY d) WHERE d = 'x' AND c > 1", ["day = 'x'"]),
        ("SELECT 1 FROM t WHERE (day = 'x' AND n = 1) OR day = 'y'", ["day = 'x' OR day = 'y'"]),
        ("SELECT 1 FROM t WHERE day = 'x' OR n = 1", [None]),
        ("SELECT 1 FROM t WHERE 'all' = 'all' OR account = 'x'", ["'all' = 'all' OR account = 'x'"]),
        ("SELECT 1 FROM t WHERE day LIKE 'x%' AND CAST(account AS bigint) > 5",
         ["day LIKE 'x%' AND CAST(account AS BIGINT) > 5"]),
        ("SELECT 1 FROM t WHERE day IN (SELECT d FROM v WHERE account = 'x')", [None, "account = 'x'"]),
        ("SELECT 1 FROM t AS a JOIN t AS b ON a.n = b.n AND b.day = 'y' WHERE a.day = 'x'", ["day = 'x'", "day = 'y'"]),
        ("SELECT 1 FROM t AS a LEFT JOIN t AS b ON a.n = b.n AND b.day = 'y' AND a.day = 'z' "
         "WHERE a.day = 'x' AND b.day IS NULL",
         ["day = 'x'", "day = 'y'"]),
        ("SELECT 1 FROM (SELECT day FROM t LIMIT 5) WHERE day = 'x'", [None]),
        ("SELECT 1 FROM (SELECT day, row_number() OVER () AS r FROM t) WHERE day = 'x'", [None]),
        ("SELECT 1 FROM (SELECT day, n FROM t GROUP BY GROUPING SETS ((day), (n))) WHERE day IS NULL", [None]),
        ("SELECT 1 FROM t", [None]),
    ],
)  # fmt: skip
def test_a_reading_has_the_conditions_that_the_query_puts_on_its_keys(sql: str, expected: list[str | None]) -> None:
    assert conditions(sql) == expected


LEAVES = st.sampled_from(
    [
        "d = 'a'",
        "account = 'b'",
        "n > 1",
        "d IN ('a', 'b')",
        "d LIKE 'a%'",
        "NOT d = 'b'",
        "account IS NULL",
        "d || account = 'ab'",
        "d = account",
    ]
)
PREDICATES = st.recursive(
    LEAVES, lambda each: st.tuples(each, st.sampled_from(["AND", "OR"]), each).map(lambda parts: f"({' '.join(parts)})")
)


@given(PREDICATES, PREDICATES)
@settings(max_examples=60, deadline=None)
def test_no_row_that_counts_is_pruned(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> None:
    inner = f"SELECT day AS d, account, n FROM (SELECT day AS d, day, account, n FROM t) WHERE {one}"
    plan, query = planned(f"SELECT * FROM ({inner}) WHERE {other}")
    condition = trino_sql.on_columns(trino_sql.conditions(query).get("scan_0"), ("day", "account"))
    days, accounts, numbers = (
        "(VALUES ('a'), ('b'), ('ab'), (NULL))",
        "(VALUES ('a'), ('b'), (NULL))",
        "(VALUES (1), (2))",
    )
    rows = f"SELECT * FROM {days} AS d (day), {accounts} AS a (account), {numbers} AS n (n)"
    connection.execute(f"CREATE OR REPLACE TABLE scan_0 AS {rows}")
    counting = connection.execute(trino_sql.translated(query)).fetchall()
    if condition is not None:
        connection.execute(f"DELETE FROM scan_0 WHERE ({trino_sql.translated(condition)}) IS NOT TRUE")
    assert sorted(map(str, connection.execute(trino_sql.translated(query)).fetchall())) == sorted(map(str, counting))
    assert plan.scans.keys() == {"scan_0"}


@pytest.mark.parametrize(
    ("condition", "pinned"),
    [
        ("day = 'x'", True),
        ("'x' = day", True),
        ("day IN ('x', 'y')", True),
        ("day = 'x' OR day = 'y'", True),
        ("day = 'x' AND n = 1", True),
        ("day = 'x' OR account = 'y'", False),
        ("day LIKE 'x'", False),
        ("day > 'x'", False),
        ("day <> 'x'", False),
    ],
)
def test_only_equality_pins_a_key(condition: str, pinned: bool) -> None:  # noqa: FBT001 - a column of the table
    _, query = planned(f"SELECT 1 FROM t WHERE {condition}")
    assert (
        trino_sql.pins(trino_sql.on_columns(trino_sql.conditions(query).get("scan_0"), ("day", "account")), "day")
        is pinned
    )


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("SELECT list_transform(ARRAY[1], x -> x)", "FUNCTION_NOT_FOUND"),
        ("SELECT strftime(seen, '%Y') FROM t", "FUNCTION_NOT_FOUND"),
        ("SELECT missing FROM t", "COLUMN_NOT_FOUND"),
        ("SELECT day AS x FROM t WHERE x = 'a'", "COLUMN_NOT_FOUND"),
        ("SELECT 1 FROM t WHERE day = 1", "TYPE_MISMATCH"),
        ("SELECT 1 FROM t WHERE seen > '2026-11-01'", "TYPE_MISMATCH"),
        ("SELECT 1 FROM t WHERE day = DATE '2026-11-01'", "TYPE_MISMATCH"),
        ("SELECT 1 FROM t WHERE n BETWEEN '1' AND '2'", "TYPE_MISMATCH"),
        ("SELECT count_if(n) FROM t", r"FUNCTION_NOT_FOUND: .*Unexpected parameters \(bigint\) for function count_if"),
        ("SELECT bool_and(n) FROM t", "FUNCTION_NOT_FOUND: .*for function bool_and"),
        ("SELECT every(day) FROM t", "FUNCTION_NOT_FOUND: .*for function every"),
        ("SELECT sum(n > 1) FROM t", r"FUNCTION_NOT_FOUND: .*\(boolean\) for function sum"),
        ("SELECT avg(day) FROM t", "FUNCTION_NOT_FOUND: .*for function avg"),
        ("SELECT json_extract(message, '$..a') FROM t", "INVALID_FUNCTION_ARGUMENT"),
        ("WITH RECURSIVE c AS (SELECT 1 AS x) SELECT x FROM c", "NOT_SUPPORTED"),
        ("DELETE FROM t", "NOT_SUPPORTED"),
        ("SELECT 1; SELECT 2", "MALFORMED_QUERY"),
        ("SELEC 1", "MALFORMED_QUERY"),
        ("SELECT (1", "MALFORMED_QUERY"),
    ],
)  # fmt: skip
def test_what_athena_does_not_run_is_refused(sql: str, problem: str) -> None:
    with pytest.raises(SqlError, match=problem):
        trino_sql.translated(planned(sql)[1])


def test_columns_without_a_name_are_named_as_trino_names_them() -> None:
    assert planned("SELECT count(*), day, 'x', n + 1 AS m FROM t GROUP BY day, n")[1].named_selects == [
        "_col0",
        "day",
        "_col2",
        "m",
    ]


@pytest.mark.parametrize(
    ("duckdb_type", "trino"),
    [
        ("VARCHAR", "varchar"),
        ("HUGEINT", "bigint"),
        ("INTEGER[]", "array(integer)"),
        ("JSON[]", "array(json)"),
        ("TIMESTAMP", "timestamp(3)"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp(3) with time zone"),
        ("MAP(VARCHAR, BIGINT)", "map(varchar, bigint)"),
        ("STRUCT(id VARCHAR)", "row(id varchar)"),
        ("DECIMAL(10,2)", "decimal(10, 2)"),
        ("DOUBLE", "double"),
    ],
)
def test_a_type_is_trinos(duckdb_type: str, trino: str) -> None:
    assert trino_sql.trino_type(duckdb_type) == trino
