"""Puts the records that Firehose could not process, and kept under the error prefix, back into the stream.

An object is marked with a tag when all its readable records have been put, so that no other run puts them again. A tag
leaves the object, its versions and its lock as they are. If a run stops before the tag is written, the next one puts
the records of that object again: their events are duplicates with the same ``id``, like those that AWS itself delivers.

Source: API operation PutRecordBatch.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from accounts.session import AWS_ERRORS, AssumedRole
from components.archive_outputs import ArchiveOutputs
from ops.errors import OperatorError
from ops.failed_records import parse
from topology.compression import UNDECOMPRESSABLE, decompressed
from topology.layouts import ERROR_PREFIX
from topology.regions import role_arn

REDRIVER = "central-log-archive-redriver"
"""Name of the role that is assumed in the central account."""

TAG = "central-log-archive:redriven"
"""Key of the tag that marks an object. Its value is when the records were put, and whether some could not be read."""

_UNREADABLE = "with unreadable records"
_ERRORS = ERROR_PREFIX.partition("!")[0]
_DAY = len("yyyy-MM-dd")
_MAX_RECORD_BYTES = 1000 * 1024
_MAX_BATCH_RECORDS = 500
_MAX_BATCH_BYTES = 2_900_000  # 4 MB with base64, which AWS may count
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 32.0


@dataclass(frozen=True)
class Cause:
    """Why Firehose could not process some records of an object.

    Attributes:
        code: the error code.
        records: how many records failed with it and can be read.
        bytes: their size, as they are put into the stream.
    """

    code: str
    records: int
    bytes: int


@dataclass(frozen=True)
class Outcome:
    """What was done with an object.

    Attributes:
        key: key of the object.
        error_type: Firehose's type of error, like ``processing-failed``.
        result: ``redriven``; ``redrivable``, in a dry run; ``redriven before``; or ``unreadable``, all of it.
        redriven: when it was redriven; None: it was not.
        causes: its readable records by error code; empty if it was redriven before.
        unreadable: what cannot be read, and why.
    """

    key: str
    error_type: str
    result: Literal["redriven", "redrivable", "redriven before", "unreadable"]
    redriven: str | None
    causes: list[Cause]
    unreadable: list[str]


@dataclass(frozen=True)
class Total:
    """How many objects and records there are of a type of error and an error code."""

    error_type: str
    code: str
    objects: int
    records: int
    bytes: int


def totals(outcomes: Iterable[Outcome]) -> list[Total]:
    """Return the totals of each type of error and error code, sorted."""
    found: dict[tuple[str, str], list[Cause]] = {}
    for outcome in outcomes:
        for cause in outcome.causes:
            found.setdefault((outcome.error_type, cause.code), []).append(cause)
    return [
        Total(*place, len(causes), sum(each.records for each in causes), sum(each.bytes for each in causes))
        for place, causes in sorted(found.items())
    ]


@dataclass(frozen=True)
class _Record:
    """A record to put, and the code of the error it failed with."""

    code: str
    data: bytes


class Redrive:
    """The objects under the error prefix of an archive, and the stream that their records go back into."""

    def __init__(self, archive: ArchiveOutputs, stack: str) -> None:
        """Assume the role that may do it.

        Args:
            archive: the archive.
            stack: the stack that the role is assumed for; CloudTrail shows its name.

        Raises:
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: AWS denies it, or cannot be reached.
        """
        home = AssumedRole(role_arn(archive.region, archive.account, REDRIVER), archive.region, stack)
        self._s3, self._bucket = home.client("s3", archive.region), archive.bucket
        self._stream = _Stream(home, archive)

    def keys(self, since: datetime, until: datetime) -> list[str]:
        """Return the keys of the objects that arrived in a period.

        Args:
            since: start of the period.
            until: its end, exclusive.

        Raises:
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: AWS denies it, or cannot be reached.
        """
        return list(self._keys(since, until))

    def _keys(self, since: datetime, until: datetime) -> Iterator[str]:
        start, end = (f"{moment:%Y-%m-%d-%H-%M-%S}" for moment in (since, until))
        for page in self._pages(_ERRORS, Delimiter="/"):
            for error_type in page.get("CommonPrefixes", []):
                dates = f"{error_type['Prefix']}date="
                listed = self._pages(dates, StartAfter=dates + start[:_DAY])
                for key in (item["Key"] for each in listed for item in each.get("Contents", [])):
                    if key > f"{dates}{end[:_DAY]}0":  # "0" follows "/", so the day is over
                        break
                    first, last = _arrival(key)
                    if first < end and last >= start:
                        yield key

    def run(self, key: str, *, dry_run: bool) -> Outcome:
        """Put the records of an object back into the stream and mark it, unless it is marked; return what was done.

        Args:
            key: key of the object.
            dry_run: whether to only read it.

        Raises:
            OperatorError: its records could not be put, or it could not be marked.
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: it cannot be read.
        """
        error_type = key.removeprefix(_ERRORS).partition("/")[0]
        mark = self._mark(key)
        if mark is not None and _UNREADABLE not in mark:
            return Outcome(key, error_type, "redriven before", mark, [], [])
        records, unreadable = self._read(key)
        if mark is not None:
            return Outcome(key, error_type, "redriven before", mark.partition(" ")[0], [], unreadable)
        if not records:
            return Outcome(key, error_type, "unreadable", None, [], unreadable)
        sizes: dict[str, list[int]] = {}
        for record in records:
            sizes.setdefault(record.code, []).append(len(record.data))
        causes = [Cause(code, len(each), sum(each)) for code, each in sizes.items()]
        if dry_run:
            return Outcome(key, error_type, "redrivable", None, causes, unreadable)
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        try:
            self._stream.put(record.data for record in records)
            self._set_mark(key, f"{now} {_UNREADABLE}" if unreadable else now)
        except AWS_ERRORS as error:
            raise OperatorError(
                f"{key}: {error}",
                "All or some of its records may be in the stream; it is not marked, so the next run puts them again.",
                "Later objects are untouched.",
            ) from error
        return Outcome(key, error_type, "redriven", now, causes, unreadable)

    def _pages(self, prefix: str, **options: str) -> Iterator[dict[str, Any]]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix, **options)
        yield from pages

    def _mark(self, key: str) -> str | None:
        """Return the value of an object's tag; None: it has none."""
        return next((tag["Value"] for tag in self._tags(key) if tag["Key"] == TAG), None)

    def _set_mark(self, key: str, value: str) -> None:
        """Tag an object; its other tags stay."""
        tags = [*self._tags(key), {"Key": TAG, "Value": value}]
        self._s3.put_object_tagging(Bucket=self._bucket, Key=key, Tagging={"TagSet": tags})

    def _tags(self, key: str) -> list[dict[str, str]]:
        tags: list[dict[str, str]] = self._s3.get_object_tagging(Bucket=self._bucket, Key=key)["TagSet"]
        return tags

    def _read(self, key: str) -> tuple[list[_Record], list[str]]:
        """Return the records of an object, and what of it cannot be read."""
        try:
            body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            lines = [line for line in decompressed(key, body).splitlines() if line.strip()]
        except self._s3.exceptions.InvalidObjectState as error:
            storage = error.response.get("StorageClass", "an archive")
            return [], [f"it is in {storage}: restore it, then run this again"]
        except UNDECOMPRESSABLE as error:
            return [], [f"it cannot be decompressed: {error}"]
        records, unreadable = [], [] if lines else ["it is empty"]
        for number, line in enumerate(lines, start=1):
            try:
                records.append(_record(line))
            except ValueError as error:
                unreadable.append(f"line {number}: {error}")
        return records, unreadable


class _Stream:
    """The stream of the archive."""

    def __init__(self, home: AssumedRole, archive: ArchiveOutputs) -> None:
        self._firehose, self._archive = home.client("firehose", archive.region), archive

    def put(self, records: Iterable[bytes]) -> None:
        """Put records; those that the stream rejects again and again raise.

        Raises:
            OperatorError: the stream rejects them.
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: AWS denies it, or cannot be reached.
        """
        for batch in _batches(records):
            self._put_batch(batch)

    def _put_batch(self, batch: list[bytes]) -> None:
        """Put a batch, and what the stream rejects of it again, less and less often until it accepts more."""
        name, pause = self._archive.stream, _FIRST_PAUSE_SECONDS
        while True:
            try:
                results = self._firehose.put_record_batch(
                    DeliveryStreamName=name, Records=[{"Data": data} for data in batch]
                )["RequestResponses"]
            except self._firehose.exceptions.InvalidSourceException:
                raise OperatorError(
                    f"the stream {name} takes records from CloudWatch Logs only, since it decompresses them; set "
                    f"archive.transform: bundled, run pulumi up -s {self._archive.stack}, then run this again"
                ) from None
            rejected = [data for data, result in zip(batch, results, strict=True) if "ErrorCode" in result]
            if not rejected:
                return
            if len(rejected) < len(batch):
                pause = _FIRST_PAUSE_SECONDS
            if pause > _LONGEST_PAUSE_SECONDS:
                code = next(result["ErrorCode"] for result in results if "ErrorCode" in result)
                raise OperatorError(
                    f"the stream {name} still rejects records ({code}); if it is throttled, raise its quota or wait, "
                    "then run this again: it starts with the object at which it stopped"
                )
            time.sleep(pause)
            batch, pause = rejected, pause * 2


def _batches(records: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for data in records:
        if len(batch) == _MAX_BATCH_RECORDS or size + len(data) > _MAX_BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(data)
        size += len(data)
    yield batch


def _arrival(key: str) -> tuple[str, str]:
    """Return between which moments an object arrived, as ``yyyy-MM-dd-HH-mm-ss``: moments that sort as text.

    Firehose names objects ``stream-version-yyyy-MM-dd-HH-mm-ss-suffix`` (Firehose Developer Guide, "Configure Amazon S3
    object name format"). Of an object with another name, or with one of another day, only the day is known.
    """
    date, _, name = key.partition("/date=")[2].partition("/")
    named = re.search(rf".*-({re.escape(date)}(?:-\d\d){{3}})-", name)
    return (named[1], named[1]) if named else (f"{date}-00-00-00", f"{date}-24")


def _record(line: bytes) -> _Record:
    """Return the record of a line of an error object.

    It is put as CloudWatch Logs sent it: gzipped, even if Firehose had already decompressed it.

    Raises:
        ValueError: it has no such record. The text says why.
    """
    failed = parse(line)
    if not _is_from_cloudwatch_logs(failed.content):
        raise ValueError("rawData is not as CloudWatch Logs sent it: it is damaged, or a transform has changed it")
    data = gzip.compress(failed.content) if failed.content is failed.data else failed.data
    if len(data) > _MAX_RECORD_BYTES:
        raise ValueError(f"the record has {len(data)} bytes, and a stream accepts {_MAX_RECORD_BYTES}")
    return _Record(failed.code, data)


def _is_from_cloudwatch_logs(content: bytes) -> bool:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("messageType") in ("DATA_MESSAGE", "CONTROL_MESSAGE")
