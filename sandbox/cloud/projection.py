"""Partitions of a Glue table: which an object belongs to, by partition projection or by the partitions in the catalog.

Source: Amazon Athena User Guide, "Use partition projection with Amazon Athena" and its pages on supported types and on
``storage.location.template``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

Values = dict[str, str]

_PLACEHOLDER = re.compile(r"\$\{([^}]+)\}")
_NOW = re.compile(r"NOW(?:\s*([+-])\s*(\d+)\s*(YEAR|MONTH|WEEK|DAY|HOUR|MINUTE|SECOND)S?)?", re.IGNORECASE)
_SECONDS = {"WEEK": 604_800, "DAY": 86_400, "HOUR": 3_600, "MINUTE": 60, "SECOND": 1}
# Letters of Java's DateTimeFormatter → how Python parses them, and which digits they are.
_LETTERS = {
    "yyyy": ("%Y", r"\d{4}"),
    "MM": ("%m", r"\d{2}"),
    "dd": ("%d", r"\d{2}"),
    "HH": ("%H", r"\d{2}"),
    "mm": ("%M", r"\d{2}"),
    "ss": ("%S", r"\d{2}"),
}
_DATE_PARTS = re.compile(r"yyyy|MM|dd|HH|mm|ss|'([^']*)'|([^A-Za-z'])")


class ProjectionError(Exception):
    """The projection of a table is not complete, or not valid. The text says which column."""


@dataclass(frozen=True)
class Location:
    """Where the objects of partitions are: a bucket, and a pattern of keys with a group for each partition key."""

    bucket: str
    prefix: str
    pattern: re.Pattern[str]
    fixed: Values
    accepts: Mapping[str, Callable[[str], bool]]

    def place(self, key: str) -> tuple[str, Values] | None:
        """Return prefix and values of the partition that an object is in; None: it is in none."""
        found = self.pattern.match(key)
        if found is None or _hidden(key):
            return None
        named = {name: found[f"g{number}"] for number, name in enumerate(self.accepts)}
        if not all(self.accepts[name](value) for name, value in named.items()):
            return None
        return found[0], {**self.fixed, **named}


def locations(table: Mapping[str, Any], partitions: Iterable[Mapping[str, Any]], now: datetime) -> list[Location]:
    """Return where the objects of a table are.

    Args:
        table: a table of Glue.
        partitions: its partitions in the catalog, which projection ignores.
        now: what ``NOW`` in a range means.

    Raises:
        ProjectionError: the projection lacks a column, or a property is not valid.
    """
    names = [key["Name"].lower() for key in table.get("PartitionKeys") or ()]
    root = table["StorageDescriptor"].get("Location", "")
    if projected(table):
        parameters = {name.lower(): value for name, value in table["Parameters"].items()}
        kinds = {name: _kind(name, parameters, now) for name in names}
        default = root.rstrip("/") + "".join(f"/{name}=${{{name}}}" for name in names)
        return [_templated(parameters.get("storage.location.template", default), kinds)]
    if not names:
        return [_fixed(root, {})]
    return [
        _fixed(partition["StorageDescriptor"]["Location"], dict(zip(names, partition["Values"], strict=True)))
        for partition in partitions
    ]


def projected(table: Mapping[str, Any]) -> bool:
    """Return whether a table has partition projection."""
    parameters = {name.lower(): value for name, value in (table.get("Parameters") or {}).items()}
    return bool(table.get("PartitionKeys")) and parameters.get("projection.enabled", "").lower() == "true"


def injected(table: Mapping[str, Any]) -> list[str]:
    """Return the partition keys whose values have to come from the query."""
    return [
        name.split(".")[1]
        for name, value in (table.get("Parameters") or {}).items()
        if projected(table) and re.fullmatch(r"projection\.[^.]+\.type", name) and value.strip().lower() == "injected"
    ]


def _hidden(key: str) -> bool:
    """Athena passes over what begins with an underscore or a dot."""
    return key.endswith("/") or key.rpartition("/")[2].startswith(("_", "."))


def _fixed(location: str, values: Values) -> Location:
    bucket, prefix = _split(location)
    return Location(bucket, prefix, re.compile(re.escape(prefix)), values, {})


def _templated(template: str, kinds: Mapping[str, tuple[str, Callable[[str], bool]]]) -> Location:
    bucket, path = _split(template)
    numbers = {name: number for number, name in enumerate(kinds)}
    seen: set[str] = set()
    pattern = ""
    for position, part in enumerate(_PLACEHOLDER.split(path)):
        name = part.lower()
        if position % 2 == 0:
            pattern += re.escape(part)
        elif name not in kinds:
            raise ProjectionError(f"storage.location.template names {part}, which is no partition column")
        else:
            pattern += f"(?P=g{numbers[name]})" if name in seen else f"(?P<g{numbers[name]}>{kinds[name][0]})"
            seen.add(name)
    if missing := [name for name in kinds if name not in seen]:
        raise ProjectionError(f"storage.location.template lacks the partition columns {missing}")
    accepts = {name: accept for name, (_, accept) in kinds.items()}
    return Location(bucket, _PLACEHOLDER.split(path)[0], re.compile(pattern, re.DOTALL), {}, accepts)


def _split(location: str) -> tuple[str, str]:
    """Return bucket and prefix of a location. Athena reads what is in a folder, with or without the slash."""
    bucket, _, path = location.partition("://")[2].partition("/")
    return bucket, path if not path or path.endswith("/") else f"{path}/"


def _kind(name: str, parameters: Mapping[str, str], now: datetime) -> tuple[str, Callable[[str], bool]]:
    """Return the pattern of a key's values, and what says whether one is in its range."""

    def given(what: str, default: str | None = None) -> str:
        value = parameters.get(f"projection.{name}.{what}", default)
        if value is None:
            raise ProjectionError(
                f"Table is configured for partition projection, but projection.{name}.{what} is missing"
            )
        return value

    match given("type").strip().lower():
        case "enum":
            values = given("values").split(",")
            return "[^/]+", values.__contains__
        case "integer":
            low, high = (int(each) for each in given("range").split(","))
            digits, step = int(given("digits", "0")), int(given("interval", "1"))
            return r"-?\d+", lambda value: _is_integer(value, range(low, high + 1, step), digits)
        case "date":
            return _date(given, now)
        case "injected":
            return ".+", lambda _: True
        case other:
            raise ProjectionError(f"projection.{name}.type is {other}; it may be enum, integer, date or injected")


def _is_integer(value: str, allowed: Sequence[int], digits: int) -> bool:
    return int(value) in allowed and value == format(int(value), f"0{digits}d")


def _date(given: Callable[..., str], now: datetime) -> tuple[str, Callable[[str], bool]]:
    form = given("format")
    if _DATE_PARTS.sub("", form):
        raise ProjectionError(f"the date format {form} has letters that are not imitated")
    python = _DATE_PARTS.sub(lambda part: _LETTERS[part[0]][0] if part[0] in _LETTERS else part[1] or part[2], form)
    pattern = _DATE_PARTS.sub(
        lambda part: _LETTERS[part[0]][1] if part[0] in _LETTERS else re.escape(part[1] or part[2]), form
    )
    unit = given("interval.unit", _finest(form)).strip().upper().removesuffix("S")
    if unit not in _SECONDS:
        raise ProjectionError(f"the interval unit {unit} is not imitated")
    step = timedelta(seconds=int(given("interval", "1")) * _SECONDS[unit])
    low, high = (_moment(each.strip(), python, now) for each in given("range").split(","))

    def accepts(value: str) -> bool:
        try:
            moment = datetime.strptime(value, python).replace(tzinfo=UTC)
        except ValueError:
            return False
        return low <= moment <= high and (moment - low) % step == timedelta()

    return pattern, accepts


def _finest(form: str) -> str:
    units = {"ss": "SECOND", "mm": "MINUTE", "HH": "HOUR"}
    return next((unit for letters, unit in units.items() if letters in form), "DAY")


def _moment(text: str, python: str, now: datetime) -> datetime:
    """Return an end of a range, in the precision of its format."""
    relative = _NOW.fullmatch(text)
    if relative is None:
        return datetime.strptime(text, python).replace(tzinfo=UTC)
    sign, number, unit = relative.groups()
    seconds = int(f"{sign}{number}") * _SECONDS.get(unit.upper(), 0) if sign else 0
    if sign and not seconds:
        raise ProjectionError(f"{text} is not imitated: use weeks, days, hours, minutes or seconds")
    moment = now + timedelta(seconds=seconds)
    return datetime.strptime(moment.strftime(python), python).replace(tzinfo=UTC)
