"""Runs the function of a stream on its records, and takes its answer apart as Firehose does.

Sources: Firehose Developer Guide, "Transform source data in Amazon Data Firehose" and "Data delivery errors". Attempts
follow at once; AWS waits between them.
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

from sandbox.cloud import rights

_MAX_PAYLOAD_BYTES = 6 * 1024 * 1024  # of a request and of a response
_DEFAULTS = {"BufferSizeInMBs": "1", "NumberOfRetries": "3"}
_RESULTS = ("Ok", "Dropped", "ProcessingFailed")
Record = tuple[str, bytes]  # record id, data


@dataclass
class Transformed:
    """What became of records.

    Attributes:
        good: data and partition keys.
        failed: data as it came, error code, message and number of attempts.
        successes: invocations that were answered.
        errors: invocations that were not, all attempts counted as one.
    """

    good: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    failed: list[tuple[bytes, str, str, int]] = field(default_factory=list)
    successes: int = 0
    errors: int = 0


class _FunctionError(Exception):
    """The function did not answer, or not as Firehose wants it. Arguments: error code, message."""


def transformed(stream_arn: str, role: str, parameters: Mapping[str, str], records: Sequence[Record]) -> Transformed:
    """Run the function on all records, batch by batch.

    Args:
        stream_arn: the stream.
        role: ARN of the delivery role, in whose name the function is called.
        parameters: of the Lambda processor.
        records: the records.
    """
    options, done = {**_DEFAULTS, **parameters}, Transformed()
    for batch in _batches(records, float(options["BufferSizeInMBs"]) * 2**20):
        attempts = int(options["NumberOfRetries"]) + 1
        for attempt in range(1, attempts + 1):
            try:
                answers = _answers(stream_arn, role, options["LambdaArn"], batch)
            except _FunctionError as error:
                if attempt == attempts:
                    done.errors += 1
                    done.failed += [(raw, *error.args, attempt) for _, raw in batch]
            else:
                done.successes += 1
                _sort(batch, answers, done)
                break
    return done


def _sort(batch: Sequence[Record], answers: Mapping[str, dict[str, Any]], done: Transformed) -> None:
    for record_id, raw in batch:
        answer = answers[record_id]
        if answer["result"] == "Ok":
            keys = (answer.get("metadata") or {}).get("partitionKeys") or {}
            done.good.append((base64.b64decode(answer["data"]), keys))
        elif answer["result"] == "ProcessingFailed":
            done.failed.append((raw, "Lambda.ProcessingFailedStatus", "ProcessingFailed status set for record", 1))


def _answers(stream_arn: str, role: str, function_arn: str, batch: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """Call the function once; return record id → answer.

    Raises:
        _FunctionError: with one of the error codes that AWS documents.
    """
    if not rights.role_may(role, "lambda:InvokeFunction", function_arn):
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
            raise _FunctionError("Lambda.FunctionNotFound", f"There is no function {function_arn}.")
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
        answers = {answer["recordId"]: answer for answer in listed}
        for answer in listed:
            if answer["result"] == "Ok":
                base64.b64decode(answer["data"], validate=True)
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise _FunctionError("Lambda.JsonProcessingException", "The response cannot be read.") from None
    if len(answers) < len(listed):
        raise _FunctionError("Lambda.DuplicatedRecordId", "The response has a record id more than once.")
    if expected - answers.keys():
        raise _FunctionError("Lambda.MissingRecordId", "The response lacks a record id.")
    if any(answer["result"] not in _RESULTS for answer in listed):
        raise _FunctionError("Lambda.JsonProcessingException", f"A result is none of {', '.join(_RESULTS)}.")
    return answers


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
