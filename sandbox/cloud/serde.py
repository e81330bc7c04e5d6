"""Lines of JSON as rows of a table, as Athena's OpenX JSON SerDe reads them.

Sources: Amazon Athena User Guide, "OpenX JSON SerDe"; what real Trino does with duplicate keys, numbers, and lines that
are no JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from sqlglot import exp

LIBRARIES = ("org.openx.data.jsonserde.JsonSerDe", "org.apache.hive.hcatalog.data.JsonSerDe")
"""The serialization libraries that this reads."""

Row = dict[str, Any]


class MalformedError(Exception):
    """A line is no JSON object, and the table does not ignore that."""


class _Number(str):
    """A number of JSON with a fraction or an exponent, as it was written: a float may not hold it."""

    __slots__ = ()


def column_type(hive: str) -> exp.DataType:
    """Return the type of a column of a Glue table, like ``array<struct<id:string>>``."""
    return exp.DataType.build(hive, dialect="hive")


def rows(lines: Iterable[bytes], columns: Mapping[str, exp.DataType], parameters: Mapping[str, str]) -> Iterator[Row]:
    """Return a row for each line, with a value for each column that the line has, ready to be written as JSON.

    Args:
        lines: without their ends.
        columns: name, in lower case, and type of each column.
        parameters: of the SerDe: ``mapping.COLUMN``, ``case.insensitive``, ``ignore.malformed.json``.

    Raises:
        MalformedError: a line is no JSON object.
    """
    lower = parameters.get("case.insensitive", "true").lower() == "true"
    keys = {name: parameters.get(f"mapping.{name}", name) for name in columns}
    keys = {name: key.lower() if lower else key for name, key in keys.items()}

    converters = {name: _converter(kind) for name, kind in columns.items()}

    def keyed(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {key.lower(): value for key, value in pairs} if lower else dict(pairs)

    decoder = json.JSONDecoder(object_pairs_hook=keyed, parse_float=_Number, parse_constant=_no_constant)
    for line in lines:
        try:
            document = decoder.decode(line.decode())
        except ValueError as error:
            document = error
        if isinstance(document, dict):
            yield {name: converters[name](document[key]) for name, key in keys.items() if key in document}
        elif parameters.get("ignore.malformed.json", "false").lower() == "true":
            yield {}
        else:
            raise MalformedError(f"Row is not a valid JSON Object: {document}")


def _no_constant(name: str) -> Any:  # noqa: ANN401 - never returns
    raise ValueError(f"{name} is no JSON")


_BITS = {exp.DType.TINYINT: 8, exp.DType.SMALLINT: 16, exp.DType.INT: 32, exp.DType.BIGINT: 64}


def _converter(kind: exp.DataType) -> Callable[[Any], Any]:
    """Return what makes a value of JSON one of a type; None where it does not fit."""
    if kind.is_type(exp.DType.ARRAY):
        element = _converter(kind.expressions[0])
        return _unless_null(lambda value: [element(each) for each in (value if isinstance(value, list) else [value])])
    if kind.is_type(exp.DType.STRUCT):
        fields = [(field.name, _converter(field.kind)) for field in kind.expressions]
        return lambda value: (
            {name: convert(value.get(name)) for name, convert in fields} if isinstance(value, dict) else None
        )
    if kind.is_type(exp.DType.MAP):
        of = _converter(kind.expressions[1])
        return lambda value: {key: of(each) for key, each in value.items()} if isinstance(value, dict) else None
    if kind.is_type(*exp.DataType.TEXT_TYPES):
        return _unless_null(lambda value: value if type(value) is str else text(value))
    convert: Callable[[Any], Any] = str
    if kind.is_type(exp.DType.BOOLEAN):
        convert = lambda value: str(value).lower() == "true"  # noqa: E731 - as the others
    elif kind.this in _BITS:
        convert = partial(_integer, limit=2 ** (_BITS[kind.this] - 1))
    elif kind.is_type(exp.DType.FLOAT, exp.DType.DOUBLE):
        convert = _float
    return _unless_null(lambda value: None if isinstance(value, dict | list) else convert(value))


def _unless_null(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


def _integer(value: Any, limit: int) -> int | None:  # noqa: ANN401 - JSON
    try:
        number = int(value)
    except ValueError:
        return None
    return number if -limit <= number < limit else None


def _float(value: Any) -> float | None:  # noqa: ANN401 - JSON
    try:
        return float(value)
    except ValueError:
        return None


def text(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return canonical JSON: no blanks, numbers as they were written, characters unescaped."""
    match value:
        case dict():
            return "{" + ",".join(f"{_quoted(key)}:{text(each)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ",".join(map(text, value)) + "]"
        case _Number():
            return str(value)
        case str():
            return _quoted(value)
    return json.dumps(value)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
