"""Invokes the function of a stream with its records, and processes the response as Firehose does.

Sources: Firehose Developer Guide, "Transform source data in Amazon Data Firehose" and "Data delivery errors". Retries
follow immediately; AWS waits between them.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ministack.core.arn import parse_arn
from ministack.core.responses import get_region, new_uuid, now_epoch, request_scope
from ministack.services import lambda_svc

from sandbox.cloud import permissions

_MAX_PAYLOAD_BYTES = 6 * 1024 * 1024  # of a request and of a response
_DEFAULTS = {"BufferSizeInMBs": "1", "NumberOfRetries": "3"}
_RESULTS = ("Ok", "Dropped", "ProcessingFailed")
Record = tuple[str, bytes]  # record ID, data


@dataclass
class Transformed:
    """The results for records.

    Attributes:
        processed: data and partition keys.
        failed: original data, error code, message and number of attempts.
        successes: number of successful invocations.
        errors: number of failed invocations; one with its retries counts once.
    """

    processed: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    failed: list[tuple[bytes, str, str, int]] = field(default_factory=list)
    successes: int = 0
    errors: int = 0


class _FunctionError(Exception):
    """The function failed, or violated Firehose's contract. Arguments: error code, message."""


def transformed(stream_arn: str, role: str, parameters: Mapping[str, str], records: Sequence[Record]) -> Transformed:
    """Invoke the function with all records, batch by batch.

    Args:
        stream_arn: ARN of the stream.
        role: ARN of the delivery role, which invokes the function.
        parameters: parameters of the Lambda processor.
        records: the records.
    """
    options, done = {**_DEFAULTS, **parameters}, Transformed()
    for batch in _batches(records, float(options["BufferSizeInMBs"]) * 2**20):
        attempts = int(options["NumberOfRetries"]) + 1
        for attempt in range(1, attempts + 1):
            try:
                results = _invoke(stream_arn, role, options["LambdaArn"], batch)
            except _FunctionError as error:
                if attempt == attempts:
                    done.errors += 1
                    done.failed += [(raw, *error.args, attempt) for _, raw in batch]
            else:
                done.successes += 1
                _sort(batch, results, done)
                break
    return done


def _sort(batch: Sequence[Record], results: Mapping[str, dict[str, Any]], done: Transformed) -> None:
    for record_id, raw in batch:
        result = results[record_id]
        if result["result"] == "Ok":
            keys = (result.get("metadata") or {}).get("partitionKeys") or {}
            done.processed.append((base64.b64decode(result["data"]), keys))
        elif result["result"] == "ProcessingFailed":
            done.failed.append((raw, "Lambda.ProcessingFailedStatus", "ProcessingFailed status set for record", 1))


def _invoke(stream_arn: str, role: str, function_arn: str, batch: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """Invoke the function once; return record ID → result.

    Raises:
        _FunctionError: with one of the error codes that AWS documents.
    """
    if not permissions.role_may(role, "lambda:InvokeFunction", function_arn):
        raise _FunctionError("Lambda.InvokeAccessDenied", f"Access was denied to {function_arn}.")
    account = parse_arn(function_arn)
    records = [
        {
            "recordId": record_id,
            "approximateArrivalTimestamp": int(now_epoch() * 1000),
            "data": base64.b64encode(raw).decode(),
        }
        for record_id, raw in batch
    ]
    event = {"invocationId": new_uuid(), "deliveryStreamArn": stream_arn, "region": get_region(), "records": records}
    if len(json.dumps(event)) > _MAX_PAYLOAD_BYTES:
        raise _FunctionError("Lambda.InvokeLimitExceeded", "The request is larger than 6 MB.")
    with request_scope(account.account_id, account.region):
        name, qualifier = lambda_svc._resolve_name_and_qualifier(function_arn)
        function, _ = lambda_svc._get_func_record_for_qualifier(name, qualifier)
        if function is None:
            raise _FunctionError("Lambda.FunctionNotFound", f"The function {function_arn} does not exist.")
        result = lambda_svc._execute_function(function, event)
    if result.get("error") or result.get("throttle"):
        raise _FunctionError("Lambda.FunctionError", json.dumps(result.get("body")))
    body = result.get("body")
    return _checked(body if isinstance(body, str) else json.dumps(body), {record_id for record_id, _ in batch})


def _checked(body: str, expected: set[str]) -> dict[str, dict[str, Any]]:
    if len(body.encode()) > _MAX_PAYLOAD_BYTES:
        raise _FunctionError("Lambda.FunctionError", "The response is larger than 6 MB.")
    try:
        listed = json.loads(body)["records"]
        results = {result["recordId"]: result for result in listed}
        for result in listed:
            if result["result"] == "Ok":
                base64.b64decode(result["data"], validate=True)
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise _FunctionError("Lambda.JsonProcessingException", "The response cannot be parsed.") from None
    if len(results) < len(listed):
        raise _FunctionError("Lambda.DuplicatedRecordId", "The response contains a record ID more than once.")
    if expected - results.keys():
        raise _FunctionError("Lambda.MissingRecordId", "The response lacks a record ID.")
    if any(result["result"] not in _RESULTS for result in listed):
        raise _FunctionError("Lambda.JsonProcessingException", f"A result is not one of {', '.join(_RESULTS)}.")
    return results


def _batches(records: Sequence[Record], limit: float) -> Iterator[list[Record]]:
    batch: list[Record] = []
    size = 0
    for record_id, raw in records:
        if batch and size + len(raw) > limit:
            yield batch
            batch, size = [], 0
        batch.append((record_id, raw))
        size += len(raw)
    if batch:
        yield batch
