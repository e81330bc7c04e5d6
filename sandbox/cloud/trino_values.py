"""Values as Athena prints them in its results.

Sources: API operation GetQueryResults; Amazon Athena User Guide, "Work with query results". Floats as Java prints them.
"""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from typing import Any

_PRECISIONS = {
    "bigint": 19, "boolean": 0, "double": 17, "integer": 10, "real": 17, "smallint": 5, "timestamp": 3, "tinyint": 3,
    "timestamp with time zone": 3, "varchar": 2_147_483_647,
}  # fmt: skip


def text(value: Any) -> str | None:  # noqa: ANN401 - whatever DuckDB returns
    """Return the text of a value; None for NULL."""
    return None if value is None else _text(value)


def _text(value: Any) -> str:  # noqa: ANN401 - as above
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return _float(value)
        case Decimal():
            return format(value, "f")
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03d}"
        case bytes():
            return value.hex(" ")
        case list() | tuple():
            return f"[{', '.join(map(_text, value))}]"
        case dict():
            return "{" + ", ".join(f"{key}={_text(each)}" for key, each in value.items()) + "}"
    return str(value)


_LEAST, _MOST = 1e-3, 1e7  # of what Java writes without an exponent


def _float(value: float) -> str:
    """Return a float as Java does: with an exponent where it is less than 0.001, or 10,000,000 and more."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == 0 or _LEAST <= abs(value) < _MOST:
        return format(Decimal(repr(value)), "f") if "e" in repr(value) else repr(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    fraction = "".join(map(str, digits[1:])) or "0"
    return f"{'-' if sign else ''}{digits[0]}.{fraction}E{len(digits) - 1 + int(exponent)}"


def column(name: str, kind: str) -> dict[str, Any]:
    """Return the ColumnInfo of a column, from its type in Trino."""
    base, _, rest = kind.partition("(")
    base = "timestamp with time zone" if kind.endswith("with time zone") else base
    precision, scale = _PRECISIONS.get(base, 0), 0
    if base == "decimal":
        precision, scale = (int(number) for number in rest.rstrip(")").split(","))
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": base,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": base == "varchar",
    }
