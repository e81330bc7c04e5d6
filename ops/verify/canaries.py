"""Proves that every account and region delivers: writes a marked event into each canary, and finds it in the bucket.

It only uses the verifier roles of ``bootstrap/``, which may write into the canaries and read the archive.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from accounts.parallel import OnProgress, in_parallel
from accounts.session import AWS_ERRORS, AssumedRole
from components.archive_outputs import ArchiveOutputs
from ops.verify.diagnosis import DeliveryPath, Diagnosis, Loss
from topology.compression import decompressed
from topology.layouts import LAYOUTS
from topology.patterns import CANARY
from topology.regions import role_arn
from topology.settings import Application

VERIFIER = "central-log-archive-verifier"
"""Name of the role that is assumed in each account."""

_LOG_STREAM = "verify"
_LONGEST_PAUSE_SECONDS = 10.0
# The clocks of this machine and of S3 may differ. Objects older than the events cannot hold them.
_SKEW = timedelta(minutes=1)
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Verdict:
    """Whether the event of an account and region arrived.

    Attributes:
        seconds: how long it took to arrive; None: it did not.
        loss: where it was lost, why, and how to fix it; None: it was not.
    """

    account: str
    region: str
    seconds: float | None
    loss: Loss | None


@dataclass
class _Canary:
    """An account and region whose verdict is pending."""

    account: str
    region: str
    verifier: AssumedRole
    mark: str
    written: float
    seconds: float | None = None
    loss: Loss | None = None


def check_delivery(
    applications: Iterable[Application],
    stack: str,
    archive: ArchiveOutputs,
    *,
    timeout: float | None,
    on_progress: OnProgress,
) -> list[Verdict]:
    """Return a verdict for each account and region, in the order of the stack file.

    Args:
        applications: the accounts.
        stack: their stack.
        archive: where the events have to arrive.
        timeout: seconds to wait for them; None: the stream's buffer interval and three minutes.
        on_progress: called with how many events arrived or were lost, and how many there are.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: a verifier role cannot be assumed, or
            cannot read the bucket.
    """
    home = AssumedRole(role_arn(archive.region, archive.account, VERIFIER), archive.region, stack)
    diagnosis = Diagnosis(home, archive, stack)
    started = datetime.now(UTC)
    bucket = _Bucket(home, archive, started)
    written = in_parallel(lambda application: _write(application, stack, diagnosis), applications)
    canaries = [canary for each in written for canary in each]
    _await(canaries, bucket, diagnosis, diagnosis.timeout if timeout is None else timeout, on_progress)

    def judge(canary: _Canary) -> Verdict:
        loss = canary.loss
        if canary.seconds is None and loss is None:
            loss = diagnosis.of(
                DeliveryPath(
                    canary.account,
                    canary.region,
                    canary.verifier,
                    waited=time.monotonic() - canary.written,
                    since=started,
                )
            )
        return Verdict(canary.account, canary.region, canary.seconds, loss)

    return in_parallel(judge, canaries)


def _write(application: Application, stack: str, diagnosis: Diagnosis) -> list[_Canary]:
    """Write a marked event into each canary of an account."""
    first = next(iter(application.regions))
    verifier = AssumedRole(role_arn(first, application.account, VERIFIER), first, stack)
    canaries = []
    for region in application.regions:
        logs, mark = verifier.client("logs", region), uuid.uuid4().hex
        canary = _Canary(application.account, region, verifier, mark, time.monotonic())
        canaries.append(canary)
        event = {"timestamp": time.time_ns() // 10**6, "message": json.dumps({"canary": mark})}
        try:
            with suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_stream(logGroupName=CANARY, logStreamName=_LOG_STREAM)
            logs.put_log_events(logGroupName=CANARY, logStreamName=_LOG_STREAM, logEvents=[event])
        except logs.exceptions.ResourceNotFoundException:
            canary.loss = diagnosis.loss("log group", f"the log group {CANARY} does not exist")
        except AWS_ERRORS as error:
            canary.loss = diagnosis.loss("log group", f"cannot be written to: {error}")
    return canaries


def _await(
    canaries: list[_Canary], bucket: _Bucket, diagnosis: Diagnosis, timeout: float, on_progress: OnProgress
) -> None:
    """Poll the bucket until all events have arrived or failed, or the timeout is over, less and less often."""
    deadline = time.monotonic() + timeout
    for attempt in itertools.count():
        pending = [canary for canary in canaries if canary.seconds is None and canary.loss is None]
        on_progress(len(canaries) - len(pending), len(canaries))
        left = deadline - time.monotonic()
        if not pending or left <= 0:
            return
        time.sleep(min(0.5 * 1.5**attempt, _LONGEST_PAUSE_SECONDS, left))
        for canary in bucket.arrived(pending):
            canary.seconds = time.monotonic() - canary.written
        for canary, error in bucket.failed([canary for canary in pending if canary.seconds is None]):
            canary.loss = diagnosis.loss("transform", error)


class _Bucket:
    """The bucket of the archive since a moment. Each of its objects is read once."""

    def __init__(self, home: AssumedRole, archive: ArchiveOutputs, started: datetime) -> None:
        self._s3 = home.client("s3", archive.region)
        self._name, self._layout = archive.bucket, LAYOUTS[archive.layout]
        self._started = started
        self._seen: set[str] = set()

    def arrived(self, canaries: list[_Canary]) -> list[_Canary]:
        """Return the canaries whose events are in new objects."""
        moments = _hours(self._started - _SKEW, datetime.now(UTC))
        prefixes = {
            self._layout.prefix_at(moment, account=canary.account, region=canary.region, log_group=CANARY)
            for canary in canaries
            for moment in moments
        }
        bodies = [body for prefix in sorted(prefixes) for body in self._new(prefix)]
        return [canary for canary in canaries if any(canary.mark.encode() in body for body in bodies)]

    def failed(self, canaries: list[_Canary]) -> Iterator[tuple[_Canary, str]]:
        """The canaries whose events Firehose could not process, and why: it reports that under the error prefix."""
        types = self._s3.list_objects_v2(Bucket=self._name, Prefix="errors/", Delimiter="/").get("CommonPrefixes", [])
        days = {f"{moment:%Y-%m-%d}" for moment in _hours(self._started - _SKEW, datetime.now(UTC))}
        for error_type, day in itertools.product(types, sorted(days)):
            for body in self._new(f"{error_type['Prefix']}date={day}/"):
                for entry in map(json.loads, body.splitlines()):
                    data = _raw_data(entry)
                    for canary in canaries:
                        if canary.mark.encode() in data:
                            yield canary, f"{entry.get('errorCode')}: {entry.get('errorMessage')}"

    def _new(self, prefix: str) -> Iterator[bytes]:
        """Read the objects written since the start that have not been seen."""
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix):
            for item in page.get("Contents", []):
                key = item["Key"]
                if key not in self._seen and item["LastModified"] >= self._started - _SKEW:
                    body = self._s3.get_object(Bucket=self._name, Key=key)["Body"].read()
                    yield decompressed(key, body)
                    self._seen.add(key)


def _raw_data(entry: Mapping[str, Any]) -> bytes:
    """Return the record that Firehose could not process, decompressed if it can be."""
    data = base64.b64decode(entry.get("rawData", ""))
    if data.startswith(_GZIP):
        with suppress(OSError, EOFError, zlib.error):
            return gzip.decompress(data)
    return data


def _hours(start: datetime, end: datetime) -> list[datetime]:
    """Return a moment in each hour from start to end."""
    hours = int((end - start) / timedelta(hours=1)) + 1
    return [min(start + timedelta(hours=hour), end) for hour in range(hours + 1)]
