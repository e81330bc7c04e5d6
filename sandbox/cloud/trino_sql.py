"""Athena's SQL, which is Trino's: read, with its views inlined, asked for the partitions that it needs, and translated.

DuckDB runs what comes out of ``translated``, after ``MACROS``. What Trino refuses and DuckDB would accept is refused
here: functions that Trino does not have, comparisons of different types, and aliases in GROUP BY.

Sources: Trino documentation, "Functions and operators" and "SELECT"; Amazon Athena User Guide, "Use parameterized
queries".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

from sqlglot import TokenType, exp, tokenize
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ErrorLevel, OptimizeError, SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

Columns = Mapping[str, exp.DataType]


class SqlError(Exception):
    """A query is refused. The text begins with the code that Athena gives."""


@dataclass(frozen=True)
class Table:
    """A table that a query reads."""

    database: str
    name: str
    columns: Columns


@dataclass(frozen=True)
class View:
    """A view that a query reads: its SQL, the database in which it looks for tables, and its columns' Trino types."""

    name: str
    sql: str
    database: str
    columns: Mapping[str, str]


PATH = "$path"
"""The column of each table that is the URI of the object that a row is from. It is no column of ``*``, but is here in a
query that names it."""

Source = Callable[[str, str], Table | View]
"""Returns what a database and a name stand for."""


@dataclass
class Plan:
    """A query without names of the catalog: each reading of a table has a name of its own."""

    query: exp.Query
    scans: dict[str, Table] = field(default_factory=dict)
    views: list[tuple[View, exp.Query]] = field(default_factory=list)


MACROS = """
CREATE MACRO trino_json(j, p) AS CASE WHEN json_valid(j) THEN json_extract(j, p) END;
CREATE MACRO trino_json_scalar(j, p) AS
    CASE WHEN json_valid(j) AND json_type(j, p) NOT IN ('OBJECT', 'ARRAY') THEN json_extract_string(j, p) END;
CREATE MACRO trino_json_text(j) AS json_extract_string(j, '$');
CREATE MACRO trino_json_array_length(j) AS
    CASE WHEN json_valid(j) AND json_type(j) = 'ARRAY' THEN json_array_length(j)::BIGINT END;
CREATE MACRO trino_split_part(s, d, n) AS list_extract(string_split(s, d), n);
CREATE MACRO trino_regexp_extract(s, p, g) AS CASE WHEN regexp_matches(s, p) THEN regexp_extract(s, p, g) END;
CREATE MACRO trino_array_position(a, x) AS coalesce(list_position(a, x), 0)::BIGINT;
CREATE MACRO trino_slice(a, s, n) AS CASE
    WHEN n < 0 THEN error('slice: length must be greater than or equal to 0')
    WHEN s = 0 THEN error('slice: SQL array indices start at 1')
    WHEN s < 0 THEN list_slice(a, len(a) + s + 1, len(a) + s + n)
    ELSE list_slice(a, s, s + n - 1) END;
CREATE MACRO trino_map_agg(k, v) AS map_from_entries(list({'k': k, 'v': v}) FILTER (WHERE k IS NOT NULL));
CREATE MACRO trino_time_text(t) AS strftime(t, '%Y-%m-%d %H:%M:%S.%g');
"""
"""Functions of Trino that DuckDB lacks, or has with another meaning."""

FUNCTIONS = frozenset(
    re.findall(r"\w+", """
    abs all_match any_match any_value approx_distinct approx_percentile arbitrary array_agg array_distinct
    array_except array_intersect array_join array_max array_min array_position array_remove array_sort
    array_union arrays_overlap avg bitwise_and bitwise_or bool_and bool_or cardinality cast cbrt ceil ceiling
    chr coalesce codepoint concat concat_ws contains corr count count_if date date_add date_diff date_format
    date_parse date_trunc day day_of_month day_of_week day_of_year degrees dense_rank dow doy element_at every
    exists exp extract filter first_value flatten floor format from_base64 from_hex from_iso8601_date
    from_iso8601_timestamp from_unixtime from_utf8 greatest grouping histogram hour if is_nan json_array_length
    json_extract json_extract_scalar json_format json_parse lag last_value lead least length
    levenshtein_distance listagg ln log10 log2 lower lpad ltrim map map_agg map_entries map_from_entries
    map_keys map_values max max_by md5 min min_by minute mod month none_match now nth_value ntile nullif
    percent_rank pi position pow power quarter radians random rank reduce regexp_count regexp_extract
    regexp_extract_all regexp_like regexp_replace regexp_split repeat replace reverse round row row_number rpad
    rtrim second sequence sha1 sha256 sign slice split split_part sqrt starts_with stddev stddev_pop stddev_samp
    strpos substr substring sum to_base64 to_hex to_unixtime to_utf8 transform translate trim try try_cast
    unnest upper url_decode url_encode var_pop var_samp variance week week_of_year year
    """)
)  # fmt: skip
"""The functions of Trino that are translated."""

_AGGREGATES = {
    **dict.fromkeys(("countif", "every", "logicaland", "logicalor"), "boolean"),
    **dict.fromkeys(("avg", "sum"), "number"),
}
"""Which sort of value they take, by sqlglot's names: DuckDB takes others too."""

_INNER = ("", "CROSS", "INNER")
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)


def parsed(text: str, parameters: Sequence[str] = ()) -> exp.Query:
    """Return a query, with its parameters in place of its question marks.

    Args:
        text: in Athena's SQL.
        parameters: a constant for each question mark, in SQL: a string has its quotes.

    Raises:
        SqlError: it is no SELECT, or does not have that many question marks, or a parameter is no constant.
    """
    try:
        tokens = tokenize(text, read=Trino)
        places = [token for token in tokens if token.token_type == TokenType.PLACEHOLDER]
        if len(places) != len(parameters):
            raise SqlError(
                "INVALID_PARAMETER_USAGE: line 1:1: "
                f"Incorrect number of parameters: expected {len(places)} but found {len(parameters)}"
            )
        for place, value in reversed(list(zip(places, map(_constant, parameters), strict=True))):
            text = f"{text[: place.start]}{value}{text[place.end + 1 :]}"
        statements = [each for each in _DIALECT.parse(text) if each is not None]
    except SqlglotError as error:
        raise SqlError(f"MALFORMED_QUERY: {_plain(error)}") from None
    if len(statements) != 1:
        raise SqlError(f"MALFORMED_QUERY: Only one sql statement is allowed. Got: {text}")
    (statement,) = statements
    if not isinstance(statement, exp.Query):
        raise SqlError("NOT_SUPPORTED: the sandbox runs SELECT, CREATE EXTERNAL TABLE and DROP TABLE")
    _refuse_unknown_functions(text, statement)
    _name_columns(statement)
    return statement


_DIALECT = Trino()


def _constant(text: str) -> str:
    statements = [each.sql(Trino) if each else "" for each in _DIALECT.parse(f"SELECT {text}")]
    value = _DIALECT.parse(f"SELECT {text}")[0]
    (constant, *more) = value.expressions if isinstance(value, exp.Select) and value.expressions else (exp.Null(), None)
    written = str(constant.sql(Trino))
    if more or statements != [f"SELECT {written}"] or constant.find(exp.Query, exp.Alias, exp.Star):
        raise SqlError(f"MALFORMED_QUERY: the parameter {text} is no constant")
    if column := constant.find(exp.Column):
        raise SqlError(f"COLUMN_NOT_FOUND: line 1:1: Column '{column.sql(Trino)}' cannot be resolved")
    return written


def _refuse_unknown_functions(text: str, statement: exp.Query) -> None:
    aliases = {alias.name.lower() for alias in statement.find_all(exp.TableAlias)}
    tokens = tokenize(text, read=Trino)
    for token, following in pairwise(tokens):
        name = token.text.lower()
        called = token.token_type == TokenType.VAR and following.token_type == TokenType.L_PAREN
        if called and name not in FUNCTIONS | aliases:
            raise SqlError(
                f"FUNCTION_NOT_FOUND: line {token.line}:{token.col}: Function '{name}' not registered, "
                "or not imitated by the sandbox"
            )


def _name_columns(query: exp.Query) -> None:
    """Name the columns of a result that have no name as Trino does."""
    first = query
    while isinstance(first, exp.SetOperation):
        first = first.left
    for number, column in enumerate(first.selects):
        if not column.alias_or_name or not isinstance(column, exp.Alias | exp.Column | exp.Dot | exp.Star):
            column.replace(exp.alias_(column.copy(), f"_col{number}"))


def planned(query: exp.Query, database: str, source: Source) -> Plan:
    """Put its common table expressions and views into a query, as Trino does: each reading has its own conditions.

    Args:
        query: which is changed.
        database: of tables that the query names without one.
        source: the catalog.
    """
    plan = Plan(query)
    _inline(query, database, {}, source, plan)
    if any(column.name == PATH for column in query.find_all(exp.Column)):
        plan.scans = {name: _with_path(table) for name, table in plan.scans.items()}
    return plan


def _with_path(table: Table) -> Table:
    return replace(table, columns={**table.columns, PATH: exp.DataType.build("text")})


Environment = Mapping[str, tuple[exp.CTE, "Environment"]]


def _inline(node: exp.Expr, database: str, outer: Environment, source: Source, plan: Plan) -> None:
    environment = dict(outer)
    if with_ := node.args.get("with_"):
        if with_.args.get("recursive"):
            raise SqlError("NOT_SUPPORTED: WITH RECURSIVE is not imitated by the sandbox")
        for cte in with_.expressions:
            environment[cte.alias.lower()] = (cte, dict(environment))
        node.set("with_", None)
    for child in list(node.iter_expressions()):
        if isinstance(child, exp.Column) and child.args.get("db"):
            child.set("db", None)
            child.set("catalog", None)
        if not isinstance(child, exp.Table) or not child.name:
            _inline(child, database, environment, source, plan)
            continue
        for join in child.args.get("joins") or ():
            _inline(join, database, environment, source, plan)
        name = child.name.lower()
        alias = child.args.get("alias") or exp.TableAlias(this=exp.to_identifier(name))
        if not child.db and name in environment:
            cte, inner = environment[name]
            body = cte.this.copy()
            _inline(body, database, inner, source, plan)
            alias.set("columns", alias.columns or [column.copy() for column in cte.args["alias"].columns])
            child.replace(exp.Subquery(this=body, alias=alias, joins=child.args.get("joins")))
            continue
        found = source(child.db.lower() or database, name)
        if isinstance(found, View):
            body = parsed(found.sql)
            _inline(body, found.database, {}, source, plan)
            plan.views.append((found, body.copy()))
            child.replace(exp.Subquery(this=body, alias=alias, joins=child.args.get("joins")))
        else:
            scan = f"scan_{len(plan.scans)}"
            plan.scans[scan] = found
            child.replace(exp.Table(this=exp.to_identifier(scan), alias=alias, joins=child.args.get("joins")))


def qualified(query: exp.Query, plan: Plan) -> exp.Query:
    """Return a query whose columns have their tables and types.

    Raises:
        SqlError: there is no such column, or values of different types are compared.
    """
    schema = MappingSchema({name: dict(table.columns) for name, table in plan.scans.items()}, dialect=Trino)
    try:
        # Trino knows no alias of a SELECT in its WHERE and GROUP BY.
        found = qualify(query, schema=schema, dialect=Trino, expand_alias_refs=False)
    except OptimizeError as error:
        raise SqlError(f"COLUMN_NOT_FOUND: {_plain(error)}") from None
    found = annotate_types(found, schema=schema, dialect=Trino)
    for comparison in found.find_all(*_COMPARISONS, exp.In, exp.Between):
        for other in _compared(comparison):
            left, right = _sort(comparison.this), _sort(other)
            if left and right and left != right:
                raise SqlError(f"TYPE_MISMATCH: Cannot apply operator: {left} = {right} in {comparison.sql(Trino)}")
    for call in found.find_all(exp.AggFunc, exp.Anonymous):
        name = call.name if isinstance(call, exp.Anonymous) else call.key
        value, *_ = call.expressions or [call.this]
        wanted = _AGGREGATES.get(name.lower())
        if wanted and _sort(value) not in {None, wanted}:
            written, kind = call.sql(Trino).partition("(")[0].lower(), value.type.sql(Trino).lower()
            raise SqlError(f"FUNCTION_NOT_FOUND: line 1:1: Unexpected parameters ({kind}) for function {written}")
    return found


def _compared(comparison: exp.Expr) -> Iterator[exp.Expr]:
    match comparison:
        case exp.In():
            yield from comparison.expressions
        case exp.Between():
            yield comparison.args["low"]
            yield comparison.args["high"]
        case _:
            yield comparison.expression


def _sort(value: exp.Expr) -> str | None:
    """Return which sort of type a value has, if that is known. Trino compares none with another one."""
    sorts = {
        "varchar": exp.DataType.TEXT_TYPES,
        "number": exp.DataType.NUMERIC_TYPES,
        "time": exp.DataType.TEMPORAL_TYPES,
        "boolean": {exp.DType.BOOLEAN},
        "json": {exp.DType.JSON},
    }
    return next((name for name, types in sorts.items() if value.type and value.is_type(*types)), None)


def conditions(query: exp.Query) -> dict[str, exp.Expr]:
    """Return what holds for each row of a reading that counts, as far as a condition on its columns alone says it.

    Args:
        query: qualified.

    Returns: name of a reading → condition, on its columns without a table. A reading without one is not in it.
    """
    found: dict[str, exp.Expr] = {}
    _visit(query, [], found)
    return found


def _visit(query: exp.Expr, wanted: list[exp.Expr], found: dict[str, exp.Expr]) -> None:
    """Note the conditions of the readings in a query, given what is wanted of the columns that it returns."""
    if query.args.get("limit") or query.args.get("offset"):
        wanted = []
    if isinstance(query, exp.Subquery):
        _visit(query.this, [] if query.alias_column_names else wanted, found)
    elif isinstance(query, exp.SetOperation):
        left, right = query.left.named_selects, query.right.named_selects
        names = dict(zip(left, map(exp.column, right), strict=False))
        _visit(query.left, wanted, found)
        _visit(query.right, _substituted(wanted, names), found)
    elif isinstance(query, exp.Select):
        _visit_select(query, wanted, found)


def _visit_select(query: exp.Select, wanted: list[exp.Expr], found: dict[str, exp.Expr]) -> None:
    group, distinct = query.args.get("group"), query.args.get("distinct")
    several = group is not None and group.find(exp.GroupingSets, exp.Cube, exp.Rollup)
    if several or (distinct and distinct.args.get("on")) or any(each.find(exp.Window) for each in query.selects):
        wanted = []
    held = _substituted(wanted, {each.alias_or_name: each.unalias() for each in query.selects})
    held += [each.this for each in (query.args.get("where"),) if each]
    joins = query.args.get("joins") or []
    held += [join.args["on"] for join in joins if join.args.get("on") and not join.side]
    sides = ["", *(join.side for join in joins)]
    ons = [None, *(join.args.get("on") for join in joins)]
    sources = [each.this for each in (query.args.get("from_"), *joins) if each]
    for number, source in enumerate(sources):
        optional = sides[number] in {"LEFT", "FULL"} or {"RIGHT", "FULL"} & set(sides[number + 1 :])
        own = ons[number] if sides[number] == "LEFT" else None
        usable = [own] if own and optional else [] if optional else held
        implied = [each for each in (_implied(each, source.alias_or_name) for each in usable) if each is not None]
        if isinstance(source, exp.Table):
            if implied:
                found[source.name] = exp.and_(*implied)
        else:
            _visit(source, implied, found)
    for nested in query.find_all(exp.Query):
        if nested.parent_select is query and nested.find_ancestor(exp.From, exp.Join, exp.Select) is query:
            _visit(nested, [], found)


def _substituted(wanted: list[exp.Expr], columns: Mapping[str, exp.Expr]) -> list[exp.Expr]:
    """Return conditions on what a query returns as conditions on what it reads."""

    def inner(node: exp.Expr) -> exp.Expr:
        return columns[node.name].copy() if isinstance(node, exp.Column) and node.name in columns else node

    return [each.copy().transform(inner) for each in wanted]


def _implied(condition: exp.Expr, table: str) -> exp.Expr | None:
    """Return what a condition implies for the columns of one table, without its name; None: nothing."""
    condition = condition.unnest()
    if isinstance(condition, exp.And | exp.Or):
        sides = [_implied(each, table) for each in (condition.left, condition.right)]
        known = [each for each in sides if each is not None]
        if isinstance(condition, exp.Or):
            return exp.or_(*known) if len(known) == len(sides) else None
        return exp.and_(*known) if known else None
    if condition.find(exp.Query, exp.AggFunc, exp.Window):
        return None
    if any(column.table != table for column in condition.find_all(exp.Column)):
        return None
    return condition.copy().transform(
        lambda node: exp.column(node.name, quoted=True) if isinstance(node, exp.Column) else node
    )


def on_columns(condition: exp.Expr | None, names: Iterable[str]) -> exp.Expr | None:
    """Return what a condition implies for some columns; None: nothing."""
    if condition is None:
        return None
    of_table = set(names)
    marked = condition.copy()
    for column in marked.find_all(exp.Column):
        column.set("table", exp.to_identifier("t" if column.name in of_table else ""))
    return _implied(marked, "t")


def pins(condition: exp.Expr | None, name: str) -> bool:
    """Return whether a condition says which values a column has."""
    match condition and condition.unnest():
        case exp.And() as both:
            return pins(both.left, name) or pins(both.right, name)
        case exp.Or() as either:
            return pins(either.left, name) and pins(either.right, name)
        case exp.EQ() as equal:
            return name in {side.name for side in (equal.left, equal.right) if isinstance(side, exp.Column)}
        case exp.In() as among:
            return isinstance(among.this, exp.Column) and among.this.name == name
    return False


def translated(query: exp.Expr) -> str:
    """Return a qualified query, or a condition, in DuckDB's SQL.

    Raises:
        SqlError: it cannot be said there.
    """
    root = exp.Paren(this=query.copy())
    for node in reversed(list(root.walk())):
        new = _translated(node)
        if new is not node:
            new.type = new.type or node.type
            node.replace(new)
    try:
        return str(root.this.sql("duckdb", unsupported_level=ErrorLevel.RAISE))
    except SqlglotError as error:
        raise SqlError(f"NOT_SUPPORTED: {_plain(error)}") from None


def _translated(node: exp.Expr) -> exp.Expr:
    """Return DuckDB's expression for one of Trino's, where sqlglot does not."""
    if isinstance(node, exp.Anonymous):
        call = _CALLS.get(node.name.lower())
        return call(*node.expressions) if call else node
    translate = _TRANSLATIONS.get(type(node))
    return translate(node) if translate else node


def _call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _matches(array: exp.Expr, condition: exp.Expr) -> exp.Expr:
    return exp.GT(this=_call("len", _call("list_filter", array, condition)), expression=exp.Literal.number(0))


def _all_match(array: exp.Expr, condition: exp.Expr) -> exp.Expr:
    condition.set("this", exp.not_(exp.paren(condition.this)))
    return exp.not_(_matches(array, condition))


_CALLS: Mapping[str, Callable[..., exp.Expr]] = {
    "all_match": _all_match,
    "any_match": _matches,
    "array_union": lambda left, right: _call("list_distinct", _call("list_concat", left, right)),
    "arrays_overlap": partial(_call, "list_has_any"),
    "codepoint": partial(_call, "ord"),
    "every": partial(_call, "bool_and"),
    "json_array_length": partial(_call, "trino_json_array_length"),
    "map_agg": partial(_call, "trino_map_agg"),
    "none_match": lambda array, condition: exp.not_(_matches(array, condition)),
}


def _bracket(node: exp.Expr) -> exp.Expr:
    (index,) = node.expressions
    if node.this.is_type(exp.DType.MAP) or index.is_number:
        return node
    return _call("list_extract", node.this, index)  # where sqlglot knows types, it counts from 0


def _date(node: exp.Expr) -> exp.Expr:
    date = exp.DataType.build("date")
    return exp.Cast(this=node.copy(), to=date) if node.this.is_type(exp.DType.DATE) else node


def _date_diff(node: exp.Expr) -> exp.Expr:
    return _call("date_sub", exp.Literal.string(node.text("unit").lower()), node.expression, node.this)  # whole units


def _regexp_extract(node: exp.Expr) -> exp.Expr:
    return _call("trino_regexp_extract", node.this, node.expression, node.args.get("group") or exp.Literal.number(0))


def _regexp_replace(node: exp.Expr) -> exp.Expr:
    replacement = node.args.get("replacement")
    if replacement is not None and replacement.is_string:
        node.set("replacement", exp.Literal.string(re.sub(r"\$(\d)", r"\\\1", replacement.name)))
    return node


def _json_extract(node: exp.Expr) -> exp.Expr:
    extracted = _call("trino_json", node.this, _path(node.expression))
    extracted.type = exp.DType.JSON
    return extracted


def _reduce(node: exp.Expr) -> exp.Expr:
    finish = node.args.get("finish")
    if finish is not None and finish.this == finish.expressions[0]:
        node.set("finish", None)
    return node


def _cast(node: exp.Expr) -> exp.Expr:
    value, to = node.this, node.args["to"]
    if to.is_type(exp.DType.JSON) and value.is_type(*exp.DataType.TEXT_TYPES):
        return _call("to_json", value)
    if to.is_type(*exp.DataType.TEXT_TYPES):
        if value.is_type(exp.DType.JSON):
            return _call("trino_json_text", value)
        if value.is_type(exp.DType.TIMESTAMP):
            return _call("trino_time_text", value)
    for kind in to.find_all(exp.DataType):
        if kind.is_type(exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ):
            kind.set("expressions", [])  # DuckDB has a type of its own for each precision, which functions lose
    return node


_PATH = re.compile(r"""\.([^.\[\]"'*]+)|\[(\d+)\]|\["([^"]*)"\]|\['([^']*)'\]""")


def _path(path: exp.Expr) -> exp.Expr:
    """Return a JSON path in DuckDB's spelling."""
    if isinstance(path, exp.JSONPath):
        steps = [part for part in path.expressions if not isinstance(part, exp.JSONPathRoot)]
        known = all(isinstance(part, exp.JSONPathKey | exp.JSONPathSubscript) for part in steps)
        parts = [part.this if known else None for part in steps]
    elif path.is_string:
        matches = list(_PATH.finditer(path.name))
        if "$" + "".join(match[0] for match in matches) != path.name:
            raise SqlError(f"INVALID_FUNCTION_ARGUMENT: Invalid JSON path, or not imitated: '{path.name}'")
        parts = [int(match[2]) if match[2] else match[1] or match[3] or match[4] for match in matches]
    else:
        return path
    if not all(isinstance(part, str | int) for part in parts):
        raise SqlError(f"INVALID_FUNCTION_ARGUMENT: JSON path not imitated by the sandbox: {path!r}")
    return exp.Literal.string("$" + "".join(f"[{part}]" if isinstance(part, int) else f'."{part}"' for part in parts))


_TRANSLATIONS: Mapping[type[exp.Expr], Callable[[exp.Expr], exp.Expr]] = {
    exp.ApproxDistinct: lambda node: exp.Count(this=exp.Distinct(expressions=[node.this])),
    exp.ArgMax: lambda node: _call("arg_max_null", node.this, node.expression),
    exp.ArgMin: lambda node: _call("arg_min_null", node.this, node.expression),
    exp.ArrayPosition: lambda node: _call("trino_array_position", node.this, node.expression),
    exp.ArraySlice: lambda node: _call("trino_slice", node.this, node.args["start"], node.args["end"]),
    exp.Bracket: _bracket,
    exp.Cast: _cast,
    # DuckDB's own returns NULL where there is nothing to count.
    exp.CountIf: lambda node: exp.Count(this=exp.Case(ifs=[exp.If(this=node.this, true=exp.Literal.number(1))])),
    exp.DateAdd: _date,
    exp.DateDiff: _date_diff,
    exp.DateTrunc: _date,
    exp.Format: lambda node: _call("printf", node.this, *node.expressions),
    exp.JSONExtract: _json_extract,
    exp.JSONExtractScalar: lambda node: _call("trino_json_scalar", node.this, _path(node.expression)),
    exp.Reduce: _reduce,
    exp.RegexpExtract: _regexp_extract,
    exp.RegexpReplace: _regexp_replace,
    exp.SplitPart: lambda node: _call("trino_split_part", node.this, node.args["delimiter"], node.args["part_index"]),
    exp.TimestampTrunc: _date,
    exp.TryCast: _cast,
}


def trino_type(duckdb: str) -> str:
    """Return Trino's type for one of DuckDB's, like ``array(varchar)`` for ``VARCHAR[]``."""
    kind = exp.DataType.build(duckdb.replace('"NULL"', "VARCHAR"), dialect="duckdb")
    for part in kind.find_all(exp.DataType):
        if part.is_type(exp.DType.INT128, exp.DType.UBIGINT, exp.DType.UINT):
            part.set("this", exp.DType.BIGINT)
    return re.sub(r"\btimestamp(?:_s|_ms|_ns)?\b", "timestamp(3)", kind.sql(Trino).lower().replace('"', ""))


def _plain(error: SqlglotError) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error))
