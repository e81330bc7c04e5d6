"""Athena: queries over the cloud's own Glue and S3, in Athena's SQL, with the permissions of who asks.

A query is read, its views are inlined, what it says of partition keys decides which objects are read, and DuckDB runs
the rest. It counts as scanned what the objects weigh that were read, compressed as they are.

Sources: API operations StartQueryExecution, GetQueryResults, CreateWorkGroup and UpdateWorkGroup; Amazon Athena User
Guide, "Workgroup settings override client-side settings", "Reuse query results", "Use parameterized queries", "Use
partition projection", and "Access to Amazon S3 from Athena".
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
from ministack.core.responses import (
    error_response_json,
    get_account_id,
    get_region,
    json_response,
    new_uuid,
    request_scope,
)
from ministack.services import athena, glue, s3
from sqlglot import exp

from sandbox.cloud import keys, permissions, projection, serde, trino_sql, trino_values
from sandbox.cloud.patch import replace
from sandbox.cloud.trino_sql import SqlError

Response = Any
Execution = dict[str, Any]

_SKIPPED_CLASSES = {"GLACIER", "DEEP_ARCHIVE"}
_PRESTO_VIEW = "/* Presto View: "
_LONGEST_LINE = 512 * 1024 * 1024
_MOST_ROWS = 1000
_VIA_ATHENA = {"aws:CalledVia": "athena.amazonaws.com", "aws:ViaAWSService": "true"}
_ENGINE = "Athena engine version 3"
_ENCRYPTION = "x-amz-server-side-encryption"
_QUOTE = '"'
# The official provider looks for these words: Athena has no code of its own for what does not exist.
_ABSENT = {
    r"^WorkGroup (\S+) not found$": r"WorkGroup \1 is not found.",
    r"^Named query (\S+) not found$": r"NamedQuery \1 does not exist.",
    r"^Query (\S+) not found$": r"QueryExecution \1 was not found",
}


class QueryError(Exception):
    """A query failed. The text is its StateChangeReason."""


class LimitError(Exception):
    """A query would scan more than its workgroup allows."""


@dataclass(frozen=True)
class Result:
    """What a query returned, as text: columns with their types in Trino, and rows."""

    columns: list[tuple[str, str]]
    rows: list[list[str | None]]

    def lines(self) -> list[list[str | None]]:
        """Return the rows after one with the names of the columns."""
        return [[name for name, _ in self.columns], *self.rows]


def install() -> None:
    """Replace functions of the emulator."""

    def create(data: dict[str, Any]) -> Response:
        response = create_workgroup(data)
        if data["Name"] in athena._workgroups:
            _set_engine(athena._workgroups[data["Name"]]["Configuration"])
        return response

    def update(data: dict[str, Any]) -> Response:
        response = update_workgroup({**data, "ConfigurationUpdates": {}})
        workgroup = athena._workgroups.get(data["WorkGroup"])
        if workgroup is not None:
            _update(workgroup["Configuration"], data.get("ConfigurationUpdates") or {})
            _set_engine(workgroup["Configuration"])
        return response

    def delete(data: dict[str, Any]) -> Response:
        name = data["WorkGroup"]
        stores = (athena._named_queries, athena._prepared_statements, athena._executions)
        held = [
            (store, key)
            for store in stores
            for key, each in store.items()
            if name in {each.get("WorkGroup"), each.get("WorkGroupName")}
        ]
        if held and not data.get("RecursiveDeleteOption"):
            return _invalid(f"WorkGroup {name} is not empty")
        for store, key in held:
            del store[key]
        return delete_workgroup(data)

    error = replace(
        athena,
        "error_response_json",
        "code message status extra message_key content_type",
        lambda code, message, *rest, **more: error(code, _reworded(message), *rest, **more),
    )
    define = replace(athena, "_start_query_execution", "data", lambda data: _requested(data, define))
    create_workgroup = replace(athena, "_create_workgroup", "data", create)
    update_workgroup = replace(athena, "_update_workgroup", "data", update)
    delete_workgroup = replace(athena, "_delete_workgroup", "data", delete)
    results = replace(athena, "_get_query_results", "data", lambda data: _results(data, results))


def _reworded(message: str) -> str:
    for pattern, words in _ABSENT.items():
        message = re.sub(pattern, words, message)
    return message


def _invalid(message: str, code: str = "INVALID_INPUT") -> Response:
    return error_response_json("InvalidRequestException", message, 400, extra={"AthenaErrorCode": code})


def _set_engine(configuration: dict[str, Any]) -> None:
    engine = configuration.setdefault("EngineVersion", {})
    engine.setdefault("SelectedEngineVersion", "AUTO")
    engine["EffectiveEngineVersion"] = _ENGINE


def _update(configuration: dict[str, Any], updates: Mapping[str, Any]) -> None:
    for name, value in updates.items():
        if name == "ResultConfigurationUpdates":
            _update(configuration.setdefault("ResultConfiguration", {}), value)
        elif not name.startswith("Remove"):
            configuration[name] = value
        elif value:
            configuration.pop(name.removeprefix("Remove"), None)


def _refused(data: dict[str, Any]) -> Response | None:
    """Return the response to a query that does not start; None: it does. Where its results go is put into it."""
    name = data.setdefault("WorkGroup", "primary")
    workgroup = athena._workgroups.get(name)
    if workgroup is None:
        return _invalid(f"WorkGroup {name} is not found.")
    if workgroup["State"] == "DISABLED":
        return _invalid(f"WorkGroup {name} is disabled.")
    configuration = workgroup["Configuration"]
    settings = configuration.get("ResultConfiguration") or {}
    if not configuration.get("EnforceWorkGroupConfiguration"):
        settings = {**settings, **(data.get("ResultConfiguration") or {})}
    data["ResultConfiguration"] = settings = dict(settings)
    location = settings.get("OutputLocation")
    if not location:
        return _invalid(
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input."
        )
    settings["OutputLocation"] = location if location.endswith("/") else f"{location}/"
    bucket = location.removeprefix("s3://").partition("/")[0]
    if s3._bucket_owner_account(bucket) is None or not _may("s3:GetBucketLocation", f"arn:aws:s3:::{bucket}"):
        return _invalid(f"Unable to verify/create output bucket {bucket}")
    return None


_running: set[asyncio.Task[None]] = set()


def _requested(data: dict[str, Any], define: Callable[[dict[str, Any]], Response]) -> Response:
    sent = dict(data)
    if (response := _refused(data)) is not None:
        return response
    if athena._parse_ddl(data.get("QueryString", "")) is not None:
        return define(data)
    return _again(sent) or _start(data, sent)


def _again(sent: Mapping[str, Any]) -> Response | None:
    """Return the response to a request whose token an earlier one had; None: none had. Tokens do not expire."""
    token = sent.get("ClientRequestToken")
    for identifier, earlier in athena._executions.items():
        if token and token == earlier.get("_sent", {}).get("ClientRequestToken"):
            if sent != earlier["_sent"]:
                return _invalid("Idempotent parameters do not match")
            return json_response({"QueryExecutionId": identifier})
    return None


def _start(data: dict[str, Any], sent: Mapping[str, Any]) -> Response:
    """Start a query, or answer it with the result of an earlier one.

    Args:
        data: the request, with the settings that count.
        sent: the request as it was sent.
    """
    context, settings = data.get("QueryExecutionContext") or {}, data["ResultConfiguration"]
    parameters, reuse = data.get("ExecutionParameters") or [], data.get("ResultReuseConfiguration") or {}
    query = partial(trino_sql.parsed, data["QueryString"], parameters)
    try:
        query()
    except SqlError as error:
        code, _, message = str(error).partition(": ")
        if code == "MALFORMED_QUERY":  # Athena finds other errors when it runs a query
            return _invalid(message, code)
    identifier = new_uuid()
    execution = {
        "QueryExecutionId": identifier,
        "Query": data["QueryString"],
        "StatementType": "DML",
        "SubstatementType": "SELECT",
        "ResultConfiguration": {**settings, "OutputLocation": f"{settings['OutputLocation']}{identifier}.csv"},
        "ResultReuseConfiguration": reuse,
        "QueryExecutionContext": {
            "Database": context.get("Database", "default"),
            "Catalog": context.get("Catalog", "AwsDataCatalog"),
        },
        "Status": {"State": "QUEUED", "SubmissionDateTime": time.time()},
        "Statistics": {"DataScannedInBytes": 0, "ResultReuseInformation": {"ReusedPreviousResult": False}},
        "WorkGroup": data["WorkGroup"],
        "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": _ENGINE},
        **({"ExecutionParameters": parameters} if parameters else {}),
        "_sent": sent,
        "_asked": (data["QueryString"], parameters, context, settings, data["WorkGroup"]),
    }
    earlier = _earlier(execution)
    athena._executions[identifier] = execution
    if earlier is not None:
        execution["_result"] = earlier["_result"]
        execution["ResultConfiguration"] = earlier["ResultConfiguration"]
        execution["Statistics"]["ResultReuseInformation"] = {"ReusedPreviousResult": True}
        _finish(execution, "SUCCEEDED")
    else:
        limit = athena._workgroups[data["WorkGroup"]]["Configuration"].get("BytesScannedCutoffPerQuery")
        task = asyncio.create_task(asyncio.to_thread(_run, execution, query, limit))
        _running.add(task)
        task.add_done_callback(_running.discard)
    return json_response({"QueryExecutionId": identifier})


def _earlier(execution: Execution) -> Execution | None:
    """Return the latest query that asked the same, if its result may be reused."""
    reuse = execution["ResultReuseConfiguration"].get("ResultReuseByAgeConfiguration") or {}
    if not reuse.get("Enabled"):
        return None
    oldest = time.time() - 60 * reuse.get("MaxAgeInMinutes", 60)
    same = [
        each
        for each in athena._executions.values()
        if each.get("_asked") == execution["_asked"]
        and each["Status"]["State"] == "SUCCEEDED"
        and not each["Statistics"]["ResultReuseInformation"]["ReusedPreviousResult"]
        and each["Status"]["CompletionDateTime"] >= oldest
    ]
    latest = max(same, key=lambda each: float(each["Status"]["CompletionDateTime"]), default=None)
    return latest if latest and _may_read(*_place(latest["ResultConfiguration"]["OutputLocation"])) else None


def _run(execution: Execution, query: Callable[[], exp.Query], limit: int | None) -> None:
    """Run a query, in a thread of its own."""
    if execution["Status"]["State"] != "QUEUED":
        return
    execution["Status"]["State"] = "RUNNING"
    try:
        result = _Query(execution, limit).answer(query())
        _write(execution, result)
    except LimitError:
        _finish(execution, "CANCELLED", "Bytes scanned limit was exceeded")
    except (SqlError, QueryError) as error:
        _finish(execution, "FAILED", str(error))
    except serde.MalformedError as error:
        _finish(execution, "FAILED", f"HIVE_CURSOR_ERROR: {error}")
    except projection.ProjectionError as error:
        _finish(execution, "FAILED", f"INVALID_TABLE_PROPERTY: {error}")
    except duckdb.Error as error:
        _finish(execution, "FAILED", f"GENERIC_INTERNAL_ERROR: {error}")
    except Exception as error:
        _finish(execution, "FAILED", f"GENERIC_INTERNAL_ERROR: {error!r}")
        raise
    else:
        execution["_result"] = result
        _finish(execution, "SUCCEEDED")


def _finish(execution: Execution, state: str, reason: str | None = None) -> None:
    status = execution["Status"]
    if status["State"] not in {"QUEUED", "RUNNING"}:
        return  # it was stopped
    status["CompletionDateTime"] = time.time()
    if reason is not None:
        status["StateChangeReason"] = reason
    if state == "FAILED":
        status["AthenaError"] = {"ErrorCategory": 2, "ErrorType": 1006, "Retryable": False, "ErrorMessage": reason}
    milliseconds = int(1000 * (status["CompletionDateTime"] - status["SubmissionDateTime"]))
    execution["Statistics"].update(
        EngineExecutionTimeInMillis=milliseconds, TotalExecutionTimeInMillis=milliseconds, QueryQueueTimeInMillis=0
    )
    status["State"] = state


@dataclass(frozen=True)
class _Object:
    bucket: str
    key: str
    owner: str
    values: Mapping[str, str]


class _Query:
    """One run of a query."""

    def __init__(self, execution: Execution, limit: int | None) -> None:
        self._execution, self._limit = execution, limit
        self._tables: dict[tuple[str, str], dict[str, Any]] = {}

    def answer(self, query: exp.Query) -> Result:
        """Return what a query returns."""
        database = self._execution["QueryExecutionContext"]["Database"].lower()
        plan = trino_sql.planned(query, database, self._source)
        with closing(duckdb.connect()) as connection, tempfile.TemporaryDirectory() as folder:
            connection.execute(f"SET TimeZone = 'UTC'; {trino_sql.MACROS}")
            for name, table in plan.scans.items():
                columns = ", ".join(f"{_quoted(each)} {kind.sql('duckdb')}" for each, kind in table.columns.items())
                connection.execute(f"CREATE TABLE {name} ({columns})")
            for view, body in plan.views:
                _check(view, _described(connection, trino_sql.translated(trino_sql.qualified(body, plan))))
            whole = trino_sql.qualified(plan.query, plan)
            sql = trino_sql.translated(whole)
            types = [kind for _, kind in _described(connection, sql)]
            conditions = trino_sql.conditions(whole)
            for name, table in plan.scans.items():
                objects = self._objects(connection, table, conditions.get(name))
                _load(connection, name, table, self._lines(table, objects), Path(folder, name))
            rows = connection.execute(_with_time_zones_as_text(sql, types)).fetchall()
        return Result(
            list(zip(whole.named_selects, types, strict=True)),
            [[trino_values.text(value) for value in row] for row in rows],
        )

    def _source(self, database: str, name: str) -> trino_sql.Table | trino_sql.View:
        """Return what a name stands for, as far as the caller may know."""
        _allow_glue("glue:GetDatabase", "catalog", f"database/{database}")
        if database not in glue._databases:
            raise SqlError(f"SCHEMA_NOT_FOUND: line 1:1: Schema '{database}' does not exist")
        _allow_glue("glue:GetTable", "catalog", f"database/{database}", f"table/{database}/{name}")
        table = glue._tables.get(f"{database}/{name}")
        if table is None:
            raise SqlError(f"TABLE_NOT_FOUND: line 1:1: Table 'awsdatacatalog.{database}.{name}' does not exist")
        if table.get("TableType") == "VIRTUAL_VIEW":
            return _view(table)
        self._tables[database, name] = table
        columns = [*table["StorageDescriptor"]["Columns"], *(table.get("PartitionKeys") or ())]
        return trino_sql.Table(
            database, name, {each["Name"].lower(): serde.column_type(each["Type"]) for each in columns}
        )

    def _objects(
        self, connection: duckdb.DuckDBPyConnection, table: trino_sql.Table, condition: exp.Expr | None
    ) -> list[_Object]:
        """Return the objects of the partitions that a condition leaves, as far as the caller may list them."""
        described = self._tables[table.database, table.name]
        names = [each["Name"].lower() for each in described.get("PartitionKeys") or ()]
        condition = trino_sql.on_columns(condition, names)
        for name in projection.injected(described):
            if not trino_sql.pins(condition, name):
                raise SqlError(
                    f"CONSTRAINT_VIOLATION: For the injected projected partition column {name}, the WHERE clause must "
                    "contain only static equality conditions, and at least one such condition must be present."
                )
        partitions: list[dict[str, Any]] = []
        if names and not projection.projected(described):
            path = f"{table.database}/{table.name}"
            _allow_glue("glue:GetPartitions", "catalog", f"database/{table.database}", f"table/{path}")
            partitions = glue._partitions.get(path, [])
        found: list[_Object] = []
        for location in projection.locations(described, partitions, datetime.now(UTC)):
            owner = s3._bucket_owner_account(location.bucket)
            if owner is None:
                raise QueryError(f"HIVE_METASTORE_ERROR: The specified bucket does not exist: {location.bucket}")
            with request_scope(owner, get_region()):
                stored = s3._buckets[location.bucket]["objects"]
                there = [
                    (key, *place)
                    for key in sorted(stored)
                    if (stored[key].get("storage_class") or "STANDARD") not in _SKIPPED_CLASSES
                    and (place := location.place(key)) is not None
                ]
            meant = _meant(connection, table, condition, [values for _, _, values in there])
            there = [each for each, counts in zip(there, meant, strict=True) if counts]
            for prefix in sorted({prefix for _, prefix, _ in there}) or [location.prefix]:
                if not _may("s3:ListBucket", f"arn:aws:s3:::{location.bucket}", {"s3:prefix": prefix}):
                    raise QueryError(f"Permission denied on S3 path: s3://{location.bucket}/{prefix}")
            found += [_Object(location.bucket, key, owner, values) for key, _, values in there]
        return found

    def _lines(self, table: trino_sql.Table, objects: list[_Object]) -> Iterator[serde.Row]:
        """Return the rows of objects, and count what these weigh."""
        described = self._tables[table.database, table.name]
        storage = described["StorageDescriptor"]
        if storage["SerdeInfo"].get("SerializationLibrary") not in serde.LIBRARIES:
            raise QueryError("NOT_SUPPORTED: the sandbox reads tables of JSON")
        columns = {each["Name"].lower(): table.columns[each["Name"].lower()] for each in storage["Columns"]}
        for each in objects:
            if not _may_read(each.bucket, each.key):
                raise QueryError(f"Permission denied on S3 path: s3://{each.bucket}/{each.key}")
            with request_scope(each.owner, get_region()):
                body = s3._get_object_data(each.bucket, each.key)
            self._execution["Statistics"]["DataScannedInBytes"] += len(body)
            if self._limit and self._execution["Statistics"]["DataScannedInBytes"] > self._limit:
                raise LimitError
            try:
                lines = (gzip.decompress(body) if each.key.endswith(".gz") else body).splitlines()
            except (OSError, EOFError, zlib.error) as error:
                raise QueryError(f"HIVE_CURSOR_ERROR: s3://{each.bucket}/{each.key}: {error}") from None
            for row in serde.rows(lines, columns, storage["SerdeInfo"].get("Parameters") or {}):
                yield {**row, **each.values, trino_sql.PATH: f"s3://{each.bucket}/{each.key}"}


def _view(table: Mapping[str, Any]) -> trino_sql.View:
    text = table["ViewOriginalText"]
    if not text.startswith(_PRESTO_VIEW):
        raise QueryError(f"INVALID_VIEW: {table['DatabaseName']}.{table['Name']} is no view of Presto")
    encoded = text.removeprefix(_PRESTO_VIEW).removesuffix("*/").strip()
    view = json.loads(base64.b64decode(encoded))
    columns = {column["name"]: column["type"] for column in view["columns"]}
    name = f"awsdatacatalog.{table['DatabaseName']}.{table['Name']}"
    return trino_sql.View(name, view["originalSql"], view["schema"].lower(), columns)


def _check(view: trino_sql.View, actual: list[tuple[str, str]]) -> None:
    """Refuse a view whose SQL does not return the columns that it declares."""
    stale = f"VIEW_IS_STALE: line 1:1: View '{view.name}' is stale or in invalid state"
    if len(actual) != len(view.columns):
        raise SqlError(f"{stale}: stored view column count ({len(view.columns)}) does not match {len(actual)}")
    for position, ((name, kind), (stored, declared)) in enumerate(zip(actual, view.columns.items(), strict=True)):
        if (name, kind) != (stored, declared):
            raise SqlError(
                f"{stale}: column [{name}] of type {kind} projected from query view at position {position} cannot be "
                f"coerced to column [{stored}] of type {declared} stored in view definition"
            )


def _described(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[str, str]]:
    """Return names and types of the columns of a query."""
    return [(name, trino_sql.trino_type(kind)) for name, kind, *_ in connection.execute(f"DESCRIBE {sql}").fetchall()]


def _with_time_zones_as_text(sql: str, types: list[str]) -> str:
    """DuckDB needs another package to return times with a time zone."""
    if not any(kind.endswith("with time zone") for kind in types):
        return sql
    names = [f"c{number}" for number in range(len(types))]
    columns = [
        f"strftime({name}, '%Y-%m-%d %H:%M:%S.%g UTC')" if kind.endswith("with time zone") else name
        for name, kind in zip(names, types, strict=True)
    ]
    return f"SELECT {', '.join(columns)} FROM ({sql}) AS result ({', '.join(names)})"  # noqa: S608 - of a query


def _meant(
    connection: duckdb.DuckDBPyConnection,
    table: trino_sql.Table,
    condition: exp.Expr | None,
    places: list[Mapping[str, str]],
) -> list[bool]:
    """Return for each place, which says its partition, whether a condition leaves it."""
    distinct = {tuple(values.values()): values for values in places}
    names = list(next(iter(distinct.values()), ()))
    if condition is None or not names:
        return [True] * len(places)
    types = {f"c{number}": table.columns[name].sql("duckdb") for number, name in enumerate(names)}
    listed = [dict(zip(types, values, strict=True)) for values in distinct]
    columns = ", ".join(f"p.{column} AS {_quoted(name)}" for column, name in zip(types, names, strict=True))
    found = connection.execute(
        f"SELECT i FROM (SELECT {columns}, i FROM UNNEST(from_json({_literal(json.dumps(listed))}, "  # noqa: S608 - quoted
        f"{_literal(json.dumps([types]))})) WITH ORDINALITY AS u (p, i)) WHERE {trino_sql.translated(condition)}"
    ).fetchall()
    numbers = {number for (number,) in found}
    left = {values for number, values in enumerate(distinct, start=1) if number in numbers}
    return [tuple(values.values()) in left for values in places]


def _load(
    connection: duckdb.DuckDBPyConnection, name: str, table: trino_sql.Table, rows: Iterator[serde.Row], path: Path
) -> None:
    with path.open("wb") as file:
        file.writelines(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n" for row in rows)
    columns = ", ".join(f"{_literal(each)}: {_literal(kind.sql('duckdb'))}" for each, kind in table.columns.items())
    connection.execute(
        f"INSERT INTO {name} SELECT * FROM read_json({_literal(str(path))}, format = 'newline_delimited', "  # noqa: S608 - quoted
        f"columns = {{{columns}}}, maximum_object_size = {_LONGEST_LINE})"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _write(execution: Execution, result: Result) -> None:
    """Write the result where the workgroup wants it, as the caller."""
    location = execution["ResultConfiguration"]["OutputLocation"]
    encryption = execution["ResultConfiguration"].get("EncryptionConfiguration") or {}
    headers = {}
    if option := encryption.get("EncryptionOption"):
        headers[_ENCRYPTION] = "AES256" if option == "SSE_S3" else "aws:kms"
        if option != "SSE_S3":
            headers[f"{_ENCRYPTION}-aws-kms-key-id"] = encryption["KmsKey"]
    bucket, key = _place(location)
    arn = f"arn:aws:s3:::{bucket}/{key}"
    owner = s3._bucket_owner_account(bucket)
    allowed = owner is not None and _may("s3:PutObject", arn, {f"s3:{name}": value for name, value in headers.items()})
    with request_scope(owner or get_account_id(), get_region()):
        used = headers.get(f"{_ENCRYPTION}-aws-kms-key-id") or keys.bucket_default(bucket)
        if used is not None:
            allowed = allowed and keys.caller_may(keys.OBJECT_ACTIONS, used, keys.encrypted_arn(bucket, arn))
        lines = result.lines()
        body = "".join(",".join(map(_cell, line)) + "\n" for line in lines).encode()
        metadata = json.dumps(result.columns).encode()
        statuses = [
            s3._put_object(bucket, name, content, headers)[0]
            for name, content in ((key, body), (f"{key}.metadata", metadata))
            if allowed
        ]
    if statuses != [200, 200]:
        raise QueryError(
            f"Access denied when writing output to url: {location} . Please ensure you are allowed to access the S3 "
            "bucket. If you are encrypting query results with KMS key, please ensure you are allowed to access your "
            "KMS key"
        )


def _cell(value: str | None) -> str:
    return "" if value is None else f'"{value.replace(_QUOTE, 2 * _QUOTE)}"'


def _results(data: dict[str, Any], others: Callable[[dict[str, Any]], Response]) -> Response:
    """Return a page of a result: its first row has the names of the columns."""
    execution = athena._executions.get(data["QueryExecutionId"])
    if execution is None or "_asked" not in execution:
        return others(data)  # a definition
    state = execution["Status"]["State"]
    if state in {"QUEUED", "RUNNING"}:
        return _invalid(f"Query has not yet finished. Current state: {state}", "INVALID_QUERY_EXECUTION_STATUS")
    if state != "SUCCEEDED":
        return _invalid(
            f"Query did not finish successfully. Final query state: {state}", "INVALID_QUERY_EXECUTION_STATUS"
        )
    if not _may_read(*_place(execution["ResultConfiguration"]["OutputLocation"])):
        return error_response_json("AccessDeniedException", "Access denied when reading the result of the query", 400)
    result: Result = execution["_result"]
    rows = result.lines()
    begin, most = int(data.get("NextToken") or 0), data.get("MaxResults") or _MOST_ROWS
    if not 0 < most <= _MOST_ROWS:
        return _invalid(f"MaxResults is {most}, and may be 1 to {_MOST_ROWS}")
    page = [
        {"Data": [{} if value is None else {"VarCharValue": value} for value in row]}
        for row in rows[begin : begin + most]
    ]
    answer = {
        "UpdateCount": 0,
        "ResultSet": {
            "Rows": page,
            "ResultSetMetadata": {"ColumnInfo": [trino_values.column(name, kind) for name, kind in result.columns]},
        },
    }
    return json_response(answer | ({"NextToken": str(begin + most)} if begin + most < len(rows) else {}))


def _place(location: str) -> tuple[str, str]:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bucket, key


def _may(action: str, arn: str, context: permissions.Context | None = None) -> bool:
    """Return whether the caller may do something in a bucket, through Athena."""
    return permissions.caller_may_in_bucket(action, arn, {**_VIA_ATHENA, **(context or {})})


def _may_read(bucket: str, key: str) -> bool:
    """Return whether the caller may read an object, and use its key."""
    arn, owner = f"arn:aws:s3:::{bucket}/{key}", s3._bucket_owner_account(bucket)
    if owner is None or not _may("s3:GetObject", arn):
        return False
    with request_scope(owner, get_region()):
        stored = s3._buckets[bucket]["objects"].get(key)
        used = s3._stored_sse_headers(stored).get(f"{_ENCRYPTION}-aws-kms-key-id") if stored else None
        return stored is not None and (
            used is None or keys.caller_may(["kms:Decrypt"], used, keys.encrypted_arn(bucket, arn))
        )


def _allow_glue(action: str, *resources: str) -> None:
    """Refuse what the caller may not do in the catalog. Glue asks for the resource and what it is in."""
    for resource in resources:
        arn = f"arn:aws:glue:{get_region()}:{get_account_id()}:{resource}"
        if not permissions.caller_may(action, arn, _VIA_ATHENA):
            raise QueryError(
                "Insufficient permissions to execute the query. User is not authorized to perform: "
                f"{action} on resource: {arn}"
            )
