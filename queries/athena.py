"""Runs queries in a workgroup of Amazon Athena."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from queries import Statement

Value = str | int | float | bool | datetime | None

LONGEST_PERIOD = timedelta(hours=1)
"""For how long the same question is the same query, at most."""

_FIRST_PAUSES, _PAUSE_SECONDS = (0.1, 0.2, 0.4), 0.8
_UNFINISHED = {"QUEUED", "RUNNING"}
_CONVERSIONS: Mapping[str, Callable[[str], Value]] = {
    **dict.fromkeys(("tinyint", "smallint", "integer", "bigint"), int),
    **dict.fromkeys(("real", "double"), float),
    "boolean": lambda text: text == "true",
    "timestamp": lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC),
}
_REMEDIES = {
    "Bytes scanned limit": "it would read more than archive.analysis.scanLimitGiB allows: ask for one account or "
    "region, or for less time",
    "injected projected partition column": "the layout partitioned-by-group needs the names of log groups: none exist, "
    "or none were given",
    "VIEW_IS_STALE": "run pulumi up: the view is not what this version of the program makes",
}


class QueryError(Exception):
    """Athena did not answer a query. The text says why, and what to do."""


@dataclass(frozen=True)
class Workgroup:
    """Where queries run: the stack output ``analysis``.

    Attributes:
        name: of the workgroup.
        database: of the views.
        reuse_minutes: how old the result of the same query may be to be returned again.
    """

    name: str
    database: str
    reuse_minutes: int

    @classmethod
    def of(cls, analysis: Mapping[str, Any]) -> Workgroup:
        """Read the stack output ``analysis``."""
        return cls(analysis["workgroup"], analysis["database"], int(analysis["reuseMinutes"]))


@dataclass(frozen=True)
class Answer:
    """What a query returned.

    Attributes:
        columns: names and types of the columns, as Athena names them.
        rows: the rows. Times are in UTC.
        scanned: bytes read for it, now or when it was first asked.
        reused: whether it is the result of an earlier run, which costs nothing.
        started: when the query was started.
    """

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Value, ...], ...]
    scanned: int
    reused: bool
    started: datetime


def token(statement: Statement, workgroup: Workgroup, now: datetime, attempt: str = "") -> str | None:
    """Return what makes one query of everyone who asks the same in the same period, even before it has ended.

    AWS returns the ID of the first one's query to whoever comes with the same token (API operation StartQueryExecution,
    ``ClientRequestToken``). Periods are of ``reuse_minutes``, an hour at most; None: results are not reused.

    Args:
        statement: the query.
        workgroup: where it runs.
        now: the moment of the call.
        attempt: another one is another query, though all else is the same: what failed would stay so for the period.
    """
    period = min(timedelta(minutes=workgroup.reuse_minutes), LONGEST_PERIOD)
    if not period:
        return None
    question = [statement.sql, *statement.parameters, *astuple(workgroup), now.timestamp() // period.total_seconds()]
    return hashlib.sha256(json.dumps([*question, attempt]).encode()).hexdigest()


def start(
    athena: Any,  # noqa: ANN401 - boto3
    statement: Statement,
    workgroup: Workgroup,
    token: str | None = None,
) -> str:
    """Start a query; return its ID, or that of the query that was started with the same token.

    Args:
        athena: a client of boto3.
        statement: the query.
        workgroup: where it runs.
        token: of ``token``. None: it is a query of its own.
    """
    reuse: dict[str, Any] = {"Enabled": workgroup.reuse_minutes > 0}
    if workgroup.reuse_minutes:
        reuse["MaxAgeInMinutes"] = workgroup.reuse_minutes
    started = athena.start_query_execution(
        QueryString=statement.sql,
        **({"ExecutionParameters": list(statement.parameters)} if statement.parameters else {}),
        QueryExecutionContext={"Database": workgroup.database},
        **({"ClientRequestToken": token} if token else {}),
        WorkGroup=workgroup.name,
        ResultReuseConfiguration={"ResultReuseByAgeConfiguration": reuse},
    )
    return str(started["QueryExecutionId"])


def wait(
    athena: Any,  # noqa: ANN401 - boto3
    identifier: str,
    seconds: float,
    on_progress: Callable[[int], object] = lambda _: None,
) -> bool:
    """Wait for the end of a query; return whether it came in time.

    Args:
        athena: a client of boto3.
        identifier: ID of the query.
        seconds: how long to wait.
        on_progress: called with the bytes read so far.

    Raises:
        QueryError: it failed, or was canceled.
    """
    deadline = time.monotonic() + seconds
    pauses = iter(_FIRST_PAUSES)
    while True:
        execution = _execution(athena, identifier)
        on_progress(int(execution["Statistics"].get("DataScannedInBytes", 0)))
        status = execution["Status"]
        if status["State"] == "SUCCEEDED":
            return True
        if status["State"] not in _UNFINISHED:
            raise QueryError(_explained(status.get("StateChangeReason", status["State"])))
        pause = next(pauses, _PAUSE_SECONDS)
        if time.monotonic() + pause > deadline:
            return False
        time.sleep(pause)


def fetch(athena: Any, identifier: str) -> Answer:  # noqa: ANN401 - boto3
    """Return what a query returned that succeeded."""
    execution = _execution(athena, identifier)
    statistics = execution["Statistics"]
    pages = list(athena.get_paginator("get_query_results").paginate(QueryExecutionId=identifier))
    columns = tuple((each["Name"], each["Type"]) for each in pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"])
    convert = [_CONVERSIONS.get(kind, str) for _, kind in columns]
    lines = [row["Data"] for page in pages for row in page["ResultSet"]["Rows"]]
    rows = (
        tuple(
            read(cell["VarCharValue"]) if "VarCharValue" in cell else None
            for read, cell in zip(convert, line, strict=True)
        )
        for line in lines[1:]  # the first has the names of the columns
    )
    reuse = statistics.get("ResultReuseInformation") or {}
    return Answer(
        columns,
        tuple(rows),
        int(statistics.get("DataScannedInBytes", 0)),
        bool(reuse.get("ReusedPreviousResult")),
        execution["Status"]["SubmissionDateTime"],
    )


def run(
    athena: Any,  # noqa: ANN401 - boto3
    statement: Statement,
    workgroup: Workgroup,
    *,
    seconds: float,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Answer:
    """Run a query, and return what it returns. What takes longer is stopped, and costs what it has read.

    Args:
        athena: a client of boto3.
        statement: the query.
        workgroup: where it runs.
        seconds: how long it may take.
        on_progress: called with the bytes read so far.

    Raises:
        QueryError: it failed, or took longer.
    """
    identifier = start(athena, statement, workgroup)
    try:
        if wait(athena, identifier, seconds, on_progress):
            return fetch(athena, identifier)
    except KeyboardInterrupt:
        athena.stop_query_execution(QueryExecutionId=identifier)
        raise
    athena.stop_query_execution(QueryExecutionId=identifier)
    raise QueryError(f"the query took more than {seconds:.0f} seconds: ask for less time, or for one account")


def _execution(athena: Any, identifier: str) -> dict[str, Any]:  # noqa: ANN401 - boto3
    return dict(athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"])


def _explained(reason: str) -> str:
    remedy = next((remedy for sign, remedy in _REMEDIES.items() if sign in reason), None)
    return f"{reason}; {remedy}" if remedy else reason
