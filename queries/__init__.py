"""The queries of the archive, written once: named queries of its workgroup, widgets of its dashboard, ``ops ask``.

A query is a file of Athena's SQL over the views of ``topology/tables.py``. Comments at its beginning say what it is
for, whose log groups it reads, and which values of its own it takes::

    -- title: Requests
    -- purpose: Lists requests.
    -- groups: aws-waf-logs-
    -- set: client_ip=all  an IP address, or all
    -- set: text  what to look for

A value without a default has to be given. In the SQL, a value is a question mark with its name behind it, so that a
file runs in Athena's console as it is; the names say what to type there, in single quotes. Values are execution
parameters, never a part of the SQL. Athena takes them in WHERE only (User Guide, "Use parameterized queries").

Every query takes the values of ``Scope``, in the conditions of ``SCOPE``. What a query returns counts an event once,
though AWS delivers some twice: they have the same ``id``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import cycle
from types import MappingProxyType

ALL = "all"
"""The value that leaves nothing out."""

NONE = "-"
"""What a query returns, and takes, for a value that an event does not have."""

BUFFERED = timedelta(minutes=15)
"""How much older than an event the date of its object may be: it is of the oldest record, and Firehose buffers for at
most 900 seconds (Firehose Developer Guide, "Custom prefixes for Amazon S3 objects"; API type BufferingHints)."""

LATE = timedelta(days=1)
"""How long an event may be under way: CloudWatch Logs and Firehose each retry for up to 24 hours."""

MAX_PARAMETER_CHARACTERS = 1024
"""Limit of an execution parameter (API operation StartQueryExecution)."""

MAX_GROUP_CHARACTERS = 400
"""How much of a log group's name ``"group"`` has (``topology/layouts.py``)."""

MAX_GROUPS = 1000
"""Limit of values of an injected partition key (Athena User Guide, "Supported types for partition projection")."""

_GROUP = "(? /* group */ = 'all' OR \"group\" = ? /* group */)"
SCOPE = f"""\
WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
  AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
  AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
  AND (? /* account */ = 'all' OR account = ? /* account */)
  AND (? /* region */ = 'all' OR region = ? /* region */)
  AND {_GROUP}"""
"""The conditions with which every query reads a view, and which decide what is read."""

_PLACEHOLDER = re.compile(r"\? /\* (\w+) \*/")
_HEADER = re.compile(r"^-- (title|purpose|groups): (.+)$", re.MULTILINE)
_LIMIT = re.compile(r"^LIMIT (\d+)$", re.MULTILINE)
_OWN = re.compile(r"^-- set: (\w+)(?:=(\S+))?  (.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which events a query is about.

    Attributes:
        since: the first moment.
        until: the moment after the last.
        account: ID of their account, or ``all``.
        region: name of their region, or ``all``.
        groups: their log groups, as ``"group"`` has them. None: all, which Athena rejects in the layout
            partitioned-by-group.
    """

    since: datetime
    until: datetime
    account: str = ALL
    region: str = ALL
    groups: Sequence[str] | None = None

    @property
    def first_hour(self) -> datetime:
        """The hour of the first objects to read."""
        return self.since.astimezone(UTC) - BUFFERED

    @property
    def last_day(self) -> datetime:
        """The day of the last objects to read."""
        return self.until.astimezone(UTC) + LATE - timedelta.resolution

    def reads(self, place: Mapping[str, str]) -> bool:
        """Return whether objects with a prefix are read: the conditions of ``SCOPE``, as far as it has those parts.

        Args:
            place: parts of the prefix, by name.
        """
        first = f"{self.first_hour:%Y-%m-%d}", f"{self.first_hour:%H}"
        day = place.get("date", first[0])
        return (
            self.account in {ALL, place.get("account", self.account)}
            and self.region in {ALL, place.get("region", self.region)}
            and (self.groups is None or place.get("group") in {None, *self.groups})
            and first <= (day, place.get("hour", "24"))
            and day <= f"{self.last_day:%Y-%m-%d}"
        )


@dataclass(frozen=True)
class Parameter:
    """A value that a query takes besides its scope.

    Attributes:
        description: what it is.
        default: the value, if none is given; None: it has to be given.
    """

    description: str
    default: str | None


@dataclass(frozen=True)
class Statement:
    """A query with its values: what Athena's StartQueryExecution takes."""

    sql: str
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class Query:
    """A query.

    Attributes:
        name: its name.
        title: a heading for its result.
        purpose: what it answers, in a sentence.
        prefix: how ``"group"`` begins of all events that it returns.
        parameters: values of its own, by name.
        sql: its text.
    """

    name: str
    title: str
    purpose: str
    prefix: str
    parameters: Mapping[str, Parameter]
    sql: str

    @classmethod
    def parse(cls, name: str, sql: str) -> Query:
        """Read the file of a query."""
        headers = dict(_HEADER.findall(sql))
        own = {each: Parameter(description, default or None) for each, default, description in _OWN.findall(sql)}
        return cls(name, headers["title"], headers["purpose"], headers.get("groups", ""), MappingProxyType(own), sql)

    @property
    def limit(self) -> int | None:
        """How many rows it returns at most; None: all."""
        found = _LIMIT.search(self.sql)
        return int(found[1]) if found else None

    def text(self, groups: int | None = None) -> str:
        """Return the SQL.

        Args:
            groups: how many log groups it names, for the layout partitioned-by-group: Athena looks for literal values
                of ``"group"``, and rejects a query without. None: it names one, or all.
        """
        if groups is None:
            return self.sql
        return self.sql.replace(_GROUP, f'"group" IN ({", ".join(["? /* group */"] * groups)})')

    def groups(self, existing: Iterable[str], given: Mapping[str, str] | None = None) -> list[str]:
        """Return which log groups it has to read, for the layout partitioned-by-group.

        Args:
            existing: the values of ``"group"`` in the bucket.
            given: values of its own, by name.
        """
        name = (given or {}).get("log_group", ALL)
        wanted = None if name == ALL else name.replace("/", "_")[:MAX_GROUP_CHARACTERS]
        return sorted(group for group in set(existing) if group.startswith(self.prefix) and wanted in {None, group})

    def bind(self, scope: Scope, given: Mapping[str, str] | None = None) -> Statement:
        """Return the query with its values.

        Args:
            scope: the events.
            given: values of its own, by name.

        Raises:
            ValueError: one is missing, unknown, or too long, or there are too many log groups.
        """
        own = {name: each.default for name, each in self.parameters.items()} | dict(given or {})
        if unknown := sorted(own.keys() - self.parameters.keys()):
            allowed = f"it takes {', '.join(self.parameters)}" if self.parameters else "it takes none"
            raise ValueError(f"{self.name} has no value {', '.join(unknown)}; {allowed}")
        if missing := [name for name, value in own.items() if not value]:
            described = "; ".join(f"{name} is {self.parameters[name].description}" for name in missing)
            raise ValueError(f"{self.name} needs a value for {', '.join(missing)}: {described}")
        values = own | {
            "account": scope.account,
            "region": scope.region,
            "from_date": f"{scope.first_hour:%Y-%m-%d}",
            "from_hour": f"{scope.first_hour:%H}",
            "to_date": f"{scope.last_day:%Y-%m-%d}",
            "from": _moment(scope.since),
            "to": _moment(scope.until),
        }
        if scope.groups is not None and len(scope.groups) > MAX_GROUPS:
            raise ValueError(
                f"{self.name} would read {len(scope.groups):,} log groups, and Athena takes {MAX_GROUPS:,} in a query: "
                "ask for one account, region or log group"
            )
        # No log group is called NONE, and a list of none is no SQL.
        groups = [ALL] if scope.groups is None else list(scope.groups) or [NONE]
        sql, next_group = self.text(None if scope.groups is None else len(groups)), cycle(groups)
        names = _PLACEHOLDER.findall(sql)
        return Statement(
            sql, tuple(_quoted(name, next(next_group) if name == "group" else str(values[name])) for name in names)
        )


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _quoted(name: str, value: str) -> str:
    """Return a value as a literal of SQL, which is what an execution parameter is."""
    literal = "'" + value.replace("'", "''") + "'"
    if len(literal) > MAX_PARAMETER_CHARACTERS:
        raise ValueError(f"{name} is too long: Athena takes {MAX_PARAMETER_CHARACTERS} characters, with quotes")
    return literal


QUERIES: Mapping[str, Query] = MappingProxyType({
    name: Query.parse(name, file.read_text("utf-8"))
    for file in sorted(files(__name__).iterdir(), key=lambda file: file.name)
    if (name := file.name.removesuffix(".sql")) != file.name
})  # fmt: skip
"""The queries by their names."""
