"""The Lambda function that Firehose invokes with records from CloudWatch Logs: a line for each event, nothing is lost.

A record is a gzipped JSON document with events of one log stream. The output is a line for each event, with account,
region, log group, log stream, ID, timestamp (ms since 1970) and message. "other" stands for what is no account, or no
region that the archive serves: a sender can name its filter after any. A message that is a JSON object, like those of
AWS WAF, is embedded unchanged, character by character, instead of as a string. Test messages of CloudWatch Logs are
dropped.

Records that would not fit into the 6 MB of a response are resubmitted to the stream as they are, and are not decoded if
their size already says so; those that would take more than half a response are split. Records that cannot be read or
resubmitted, or that decompress to more than 32 MiB, are returned as ProcessingFailed: Firehose then writes them to its
error prefix, and no other record is affected.

Sources: Firehose Developer Guide, "Transform source data in Amazon Data Firehose" and "Dynamic partitioning"; API
operation PutRecordBatch.
"""

from __future__ import annotations

import base64
import functools
import gzip
import io
import json
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

_OTHER = "other"
_MAX_GROUP_CHARACTERS = 400
_MAX_RESPONSE_BYTES = 5_900_000  # of 6 MB, with space for the JSON around the records
_RECORD_OVERHEAD_BYTES = 120  # names of recordId and result, quotes and commas
_MAX_DOCUMENT_BYTES = 32 * 1024 * 1024  # a batch of events has at most 1 MiB, and a function here 128 MiB of memory
_MAX_BATCH_RECORDS = 500
_MAX_BATCH_BYTES = 4 * 1024 * 1024
_ATTEMPTS = 5
_FIRST_PAUSE_SECONDS = 0.1

_log = logging.getLogger(__name__)
_log.setLevel(logging.INFO)

Document = Mapping[str, Any]
Transformed = dict[str, Any]
"""A record of the response to Firehose."""


class Archive(NamedTuple):
    """The archive that the records are for.

    Attributes:
        account: ID of the central account.
        regions: the regions that it serves.
        partition_keys: the partition keys in the stream's prefix, of account, region and group.
    """

    account: str
    regions: Sequence[str]
    partition_keys: Sequence[str]


def handler(event: Mapping[str, Any], _context: object) -> dict[str, list[Transformed]]:
    """Return a transformed record for each record of Firehose: its ID, a result and, unless it is dropped, base64 data.

    The variables ARCHIVE_ACCOUNT, REGIONS and PARTITION_KEYS describe the archive; the latter two are separated by
    commas.
    """
    regions, names = (
        [each for each in os.environ.get(variable, "").split(",") if each] for variable in ("REGIONS", "PARTITION_KEYS")
    )
    archive = Archive(os.environ.get("ARCHIVE_ACCOUNT", ""), regions, names)
    transformed: list[Transformed] = []
    resubmissions: dict[int, list[bytes]] = {}  # index of a record → what to resubmit in its place
    # Space is reserved for each record to be returned as it is, in case it fails.
    space = _MAX_RESPONSE_BYTES - sum(map(_size, event["records"]))
    for index, record in enumerate(event["records"]):
        space += _size(record)
        if index and space < _least(record) <= _MAX_RESPONSE_BYTES // 4:  # its lines may be longer, and have to fit
            result, document = _dropped(record), None
            resubmissions[index] = [_data(record)]
        else:
            result, document = _transform(record, archive)
        if document is not None and _size(result) > space:
            try:
                resubmissions[index] = _split(document, archive) or [_data(record)]
                result = _dropped(record)
            except ValueError as error:
                result = _failed(record, str(error))
        space -= _size(record) if index in resubmissions else _size(result)
        transformed.append(result)
    rejected = _resubmit(event["deliveryStreamArn"].rpartition("/")[2], resubmissions)
    for index in rejected:
        transformed[index] = _failed(event["records"][index], "could not be resubmitted to the stream")
    results = [record["result"] for record in transformed]
    counts = {result: results.count(result) for result in ("Ok", "Dropped", "ProcessingFailed")}
    resubmitted = sum(map(len, resubmissions.values()))
    _log.info("transformed", extra={"records": counts, "resubmitted": resubmitted, "notResubmitted": len(rejected)})
    return {"records": transformed}


def _transform(record: Mapping[str, str], archive: Archive) -> tuple[Transformed, Document | None]:
    """Return the transformed record, and its document if it has events."""
    try:
        document = json.loads(_decompressed(_data(record)))
        message_type = document["messageType"]
        if message_type == "CONTROL_MESSAGE":
            return _dropped(record), None
        if message_type != "DATA_MESSAGE":
            return _failed(record, f"unknown message type {message_type!r}"), None
        data = lines(document, archive)
        keys = _partition_keys(document, archive)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a record, the others must not fail with it
        return _failed(record, f"{type(error).__name__}: {error}"), None
    result = {"recordId": record["recordId"], "result": "Ok", "data": base64.b64encode(data).decode()}
    return result | ({"metadata": {"partitionKeys": keys}} if keys else {}), document


def _data(record: Mapping[str, str]) -> bytes:
    return base64.b64decode(record["data"], validate=True)


def _decompressed(data: bytes) -> bytes:
    """Return the content of a gzip file.

    Raises:
        ValueError: it is too large.
        OSError, EOFError, zlib.error: it is damaged.
    """
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        content = file.read(_MAX_DOCUMENT_BYTES + 1)
    if len(content) > _MAX_DOCUMENT_BYTES:
        raise ValueError(f"it decompresses to more than {_MAX_DOCUMENT_BYTES} bytes")
    return content


def _least(record: Mapping[str, str]) -> int:
    """Estimate the size of a record in a response without decompressing it: gzip ends with the size of the content.

    Lines are rarely shorter than the document that they come from, and if the size is not true, nothing is lost: the
    first record of each batch is decoded whatever it says.
    """
    try:
        ending = base64.b64decode(record["data"][-8:])[-4:]
    except ValueError:
        return 0
    return int.from_bytes(ending, "little") * 4 // 3


def lines(document: Document, archive: Archive) -> bytes:
    """Return the events of a document as JSON lines, in UTF-8."""
    events = document["logEvents"]
    if document["owner"] == archive.account:  # only here they may come from several accounts
        heads = [_head(document, _source(document, event, archive)) for event in events]
    else:
        heads = [_head(document, _source(document, {}, archive))] * len(events)
    text = "".join(
        f'{head}, "id": {_as_json(event["id"])}, "timestamp": {_as_json(event["timestamp"])}, '
        f'{_extracted(event)}"message": {_embedded(event["message"])}}}\n'
        for head, event in zip(heads, events, strict=True)
    )
    # An unpaired surrogate can only be within a string, where its escape means the same.
    return text.encode("utf-8", "backslashreplace")


def _head(document: Document, source: Mapping[str, str]) -> str:
    """Return the beginning of a line."""
    return _as_json({**source, "logGroup": document["logGroup"], "logStream": document["logStream"]}).removesuffix("}")


def _source(document: Document, event: Mapping[str, Any], archive: Archive) -> dict[str, str]:
    """Return account and region that an event comes from.

    AWS states the owner of a document, which contains no region; but the name of its filter ends with it. In the
    central account, system fields say where the event of a centralized log group comes from.
    """
    owner, filters = document["owner"], document["subscriptionFilters"]
    fields = event.get("extractedFields") or {} if owner == archive.account else {}
    named = filters[0].rpartition(".")[2] if filters else ""
    accounts = (each for each in (fields.get("@aws.account", ""), owner) if re.fullmatch("[0-9]{12}", each))
    region = fields.get("@aws.region", "")
    if not re.fullmatch("[a-z0-9-]{1,20}", region):
        region = named if named in archive.regions else _OTHER
    return {"account": next(accounts, _OTHER), "region": region}


def _extracted(event: Mapping[str, Any]) -> str:
    """Return the fields that a filter with emitSystemFields adds to an event."""
    return f'"extractedFields": {_as_json(event["extractedFields"])}, ' if "extractedFields" in event else ""


def _embedded(message: str) -> str:
    """Return a message as JSON: a JSON object unchanged, on one line; anything else as a string."""
    if message.lstrip(" \t\r\n").startswith("{"):
        try:
            _parse(message)
        except (ValueError, RecursionError):
            pass
        else:
            return re.sub(r"[\r\n]+", " ", message)  # between tokens: within a string they would be escaped
    return _as_json(message)


def _reject(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


# Created once: json.dumps and json.loads create a new one for each call with options.
_as_json = json.JSONEncoder(ensure_ascii=False).encode
_parse = json.JSONDecoder(parse_constant=_reject).decode


def _partition_keys(document: Document, archive: Archive) -> dict[str, str]:
    """Return the partition keys of a document, as the query in ``topology/layouts.py`` does: those of its first event.

    They contain no slash, and are short enough for a key of S3.
    """
    first: Mapping[str, Any] = next(iter(document["logEvents"]), {})
    group = re.sub("[^A-Za-z0-9_.#-]", "_", document["logGroup"][:_MAX_GROUP_CHARACTERS])
    keys = {**_source(document, first, archive), "group": group or _OTHER}
    return {name: keys[name] for name in archive.partition_keys}


def _dropped(record: Mapping[str, str]) -> Transformed:
    return {"recordId": record["recordId"], "result": "Dropped"}


def _failed(record: Mapping[str, str], reason: str) -> Transformed:
    _log.warning("a record failed", extra={"recordId": record["recordId"], "reason": reason})
    return {"recordId": record["recordId"], "result": "ProcessingFailed", "data": record["data"]}


def _size(record: Mapping[str, Any]) -> int:
    """Return the size of a record, original or transformed, in a response, in bytes."""
    metadata = record.get("metadata")
    return (
        len(record["recordId"])
        + len(record.get("data", ""))
        + (len(json.dumps(metadata)) if metadata else 0)
        + _RECORD_OVERHEAD_BYTES
    )


def _split(document: Document, archive: Archive) -> list[bytes]:
    """Return a document as gzipped records that take at most half a response each; none if the whole does.

    Raises:
        ValueError: a single event takes more.
    """
    events = document["logEvents"]
    if len(lines(document, archive)) * 4 // 3 <= _MAX_RESPONSE_BYTES // 2:
        return []
    if len(events) == 1:
        raise ValueError("an event is too large for a response to Firehose")
    half = len(events) // 2
    halves = [{**document, "logEvents": some} for some in (events[:half], events[half:])]
    return [
        part
        for each in halves
        for part in _split(each, archive) or [gzip.compress(json.dumps(each).encode(), compresslevel=6)]
    ]  # fmt: skip


def _resubmit(stream: str, resubmissions: Mapping[int, Sequence[bytes]]) -> set[int]:
    """Put records into the stream; return the indexes of those that it rejected, partly or completely."""
    pending = [(index, data) for index, parts in resubmissions.items() for data in parts]
    pause = _FIRST_PAUSE_SECONDS
    for attempt in range(_ATTEMPTS):
        if not pending:
            break
        if attempt:
            time.sleep(pause)
            pause *= 2
        pending = [rejected for batch in _batches(pending) for rejected in _put(stream, batch)]
    return {index for index, _ in pending}


def _put(stream: str, batch: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Put a batch; return the records that the stream rejected."""
    try:
        response = _firehose().put_record_batch(
            DeliveryStreamName=stream, Records=[{"Data": data} for _, data in batch]
        )
    except Exception:  # noqa: BLE001 - whatever the error is, no record may be lost
        _log.exception("records could not be resubmitted")
        return list(batch)
    return [
        item for item, result in zip(batch, response["RequestResponses"], strict=True) if "ErrorCode" in result
    ]  # fmt: skip


def _batches(records: Sequence[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    batch: list[tuple[int, bytes]] = []
    size = 0
    for index, data in records:
        if batch and (len(batch) == _MAX_BATCH_RECORDS or size + len(data) > _MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((index, data))
        size += len(data)
    if batch:
        yield batch


@functools.cache
def _firehose() -> Any:  # noqa: ANN401 - boto3 has no types
    import boto3  # noqa: PLC0415 - slow to import, and rarely needed

    return boto3.client("firehose")
