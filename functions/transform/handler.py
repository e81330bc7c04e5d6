"""The Lambda function that Firehose runs on the records of CloudWatch Logs: one event a line, nothing lost.

A record is a gzipped JSON document with the events of one log stream. Out comes a line for each event, with account,
region, log group, log stream, id, timestamp (ms since 1970) and message. A message that is a JSON object, as AWS WAF's
are, is set in as it is, character by character, instead of as a text. Test messages of CloudWatch Logs are dropped.

What would not fit into Firehose's 6 MB is put into the stream again, in parts if need be. What cannot be read, or not
put again, is returned as ProcessingFailed: then Firehose keeps the record under its error prefix.

Sources: Firehose Developer Guide, "Transform source data in Amazon Data Firehose" and "Dynamic partitioning"; API
operation PutRecordBatch.
"""

from __future__ import annotations

import base64
import functools
import gzip
import json
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_MAX_RESPONSE_BYTES = 5_900_000  # of 6 MB, with room for what stands around the records
_RECORD_OVERHEAD_BYTES = 120  # recordId's and result's names, quotes and commas
_MAX_BATCH_RECORDS = 500
_MAX_BATCH_BYTES = 4 * 1024 * 1024
_ATTEMPTS = 5
_FIRST_PAUSE_SECONDS = 0.1

_log = logging.getLogger(__name__)
_log.setLevel(logging.INFO)

Document = Mapping[str, Any]
Answer = dict[str, Any]


def handler(event: Mapping[str, Any], _context: object) -> dict[str, list[Answer]]:
    """Answer Firehose: for each of its records the same id, a result, and base64 data where there are any.

    The variable PARTITION_KEYS says which partition keys the stream's prefix names (of account, region and group,
    separated by commas).
    """
    names = [name for name in os.environ.get("PARTITION_KEYS", "").split(",") if name]
    answers: list[Answer] = []
    again: dict[int, list[bytes]] = {}  # index of the answer → records to put instead of it
    # Room is kept for each record to come back as it was, should it fail in the end.
    left = _MAX_RESPONSE_BYTES - sum(map(_size, event["records"]))
    for index, record in enumerate(event["records"]):
        answer, document = _answer(record, names)
        left += _size(record)
        if document is not None and _size(answer) > left:
            try:
                again[index] = _parts(document)
                answer = _dropped(record)
            except ValueError as error:
                answer = _failed(record, str(error))
        left -= _size(record) if index in again else _size(answer)
        answers.append(answer)
    lost = _put_again(event["deliveryStreamArn"].rpartition("/")[2], again)
    for index in lost:
        answers[index] = _failed(event["records"][index], "could not be put into the stream again")
    results = [answer["result"] for answer in answers]
    counts = {result: results.count(result) for result in ("Ok", "Dropped", "ProcessingFailed")}
    _log.info("transformed", extra={"records": counts, "putAgain": sum(map(len, again.values())), "notPut": len(lost)})
    return {"records": answers}


def _answer(record: Mapping[str, str], names: Sequence[str]) -> tuple[Answer, Document | None]:
    """Return the answer to a record, and its document if it has events."""
    try:
        document = json.loads(gzip.decompress(base64.b64decode(record["data"], validate=True)))
        kind = document["messageType"]
        if kind == "CONTROL_MESSAGE":
            return _dropped(record), None
        if kind != "DATA_MESSAGE":
            return _failed(record, f"is of the unknown type {kind!r}"), None
        data = lines(document)
        keys = _partition_keys(document, names)
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return _failed(record, f"{type(error).__name__}: {error}"), None
    answer = {"recordId": record["recordId"], "result": "Ok", "data": base64.b64encode(data).decode()}
    return answer | ({"metadata": {"partitionKeys": keys}} if keys else {}), document


def lines(document: Document) -> bytes:
    """Return the events of a document as lines of JSON, in UTF-8."""
    place = {
        "account": document["owner"],
        "region": _region(document),
        "logGroup": document["logGroup"],
        "logStream": document["logStream"],
    }
    head = _as_json(place).removesuffix("}")
    text = "".join(
        f'{head}, "id": {_as_json(event["id"])}, "timestamp": {_as_json(event["timestamp"])}, '
        f'{_extracted(event)}"message": {_embedded(event["message"])}}}\n'
        for event in document["logEvents"]
    )
    # A surrogate without its other half stands inside a string: there the escape means the same.
    return text.encode("utf-8", "backslashreplace")


def _extracted(event: Mapping[str, Any]) -> str:
    """Return what a filter with emitSystemFields adds to an event."""
    return f'"extractedFields": {_as_json(event["extractedFields"])}, ' if "extractedFields" in event else ""


def _embedded(message: str) -> str:
    """Return a message as JSON: a JSON object as it is, on one line; everything else as a text."""
    if message.lstrip(" \t\r\n").startswith("{"):
        try:
            _parse(message)
        except (ValueError, RecursionError):
            pass
        else:
            return re.sub(r"[\r\n]+", " ", message)  # between tokens: in a string they would be escaped
    return _as_json(message)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


# Made once: json.dumps and json.loads make new ones for each call that is not a plain one.
_as_json = json.JSONEncoder(ensure_ascii=False).encode
_parse = json.JSONDecoder(parse_constant=_refuse).decode


def _region(document: Document) -> str:
    """A document does not say where it comes from. Its filter's name ends with the region."""
    filters = document["subscriptionFilters"]
    return str(filters[0]).rpartition(".")[2] if filters else "none"


def _partition_keys(document: Document, names: Sequence[str]) -> dict[str, str]:
    keys = {
        "account": document["owner"],
        "region": _region(document),
        "group": document["logGroup"].replace("/", "_"),
    }
    return {name: keys[name] for name in names}


def _dropped(record: Mapping[str, str]) -> Answer:
    return {"recordId": record["recordId"], "result": "Dropped"}


def _failed(record: Mapping[str, str], reason: str) -> Answer:
    _log.warning("a record goes to the error prefix", extra={"recordId": record["recordId"], "reason": reason})
    return {"recordId": record["recordId"], "result": "ProcessingFailed", "data": record["data"]}


def _size(answer: Mapping[str, Any]) -> int:
    """What a record, or the answer to it, takes of a response, in bytes."""
    metadata = answer.get("metadata")
    return (
        len(answer["recordId"])
        + len(answer.get("data", ""))
        + (len(json.dumps(metadata)) if metadata else 0)
        + _RECORD_OVERHEAD_BYTES
    )


def _parts(document: Document) -> list[bytes]:
    """Return a document as gzipped records, the answer to each of which takes half a response at most.

    Raises:
        ValueError: an event takes more by itself.
    """
    events = document["logEvents"]
    if len(lines(document)) * 4 // 3 <= _MAX_RESPONSE_BYTES // 2:
        return [gzip.compress(json.dumps(document).encode(), compresslevel=6)]
    if len(events) == 1:
        raise ValueError("has an event that is too large for the answer to Firehose")
    half = len(events) // 2
    return [
        part
        for some in (events[:half], events[half:])
        for part in _parts({**document, "logEvents": some})
    ]  # fmt: skip


def _put_again(stream: str, again: Mapping[int, Sequence[bytes]]) -> set[int]:
    """Put records into the stream; return the indexes of those that could not be put, in part or at all."""
    waiting = [(index, part) for index, parts in again.items() for part in parts]
    pause = _FIRST_PAUSE_SECONDS
    for attempt in range(_ATTEMPTS):
        if not waiting:
            break
        if attempt:
            time.sleep(pause)
            pause *= 2
        waiting = [refused for batch in _batches(waiting) for refused in _refused(stream, batch)]
    return {index for index, _ in waiting}


def _refused(stream: str, batch: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Put a batch; return the part of it that the stream did not take."""
    try:
        response = _firehose().put_record_batch(
            DeliveryStreamName=stream, Records=[{"Data": data} for _, data in batch]
        )
    except Exception:  # noqa: BLE001 - whatever it is, the records must not be lost with it
        _log.exception("records could not be put again")
        return list(batch)
    return [
        item for item, result in zip(batch, response["RequestResponses"], strict=True) if "ErrorCode" in result
    ]  # fmt: skip


def _batches(parts: Sequence[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    batch: list[tuple[int, bytes]] = []
    size = 0
    for index, data in parts:
        if batch and (len(batch) == _MAX_BATCH_RECORDS or size + len(data) > _MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((index, data))
        size += len(data)
    if batch:
        yield batch


@functools.cache
def _firehose() -> Any:  # noqa: ANN401 - boto3 has no types
    import boto3  # noqa: PLC0415 - takes longer to import than everything else here, and is seldom needed

    return boto3.client("firehose")
