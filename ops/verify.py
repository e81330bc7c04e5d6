"""Proves that every account and region delivers: a marked event into each canary, and a look at what the bucket gets.

It reads and writes with the verifier roles of ``bootstrap/`` only: they may write into canaries, and read the archive.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import cramjam

from accounts.session import AWS_ERRORS, AssumedRole
from ops.diagnosis import Diagnosis, Loss, Way
from ops.outputs import Archive
from topology.layouts import LAYOUTS
from topology.patterns import CANARY
from topology.regions import role_arn
from topology.settings import Application

VERIFIER = "central-log-archive-verifier"
"""The role of each account that this assumes."""

_LOG_STREAM = "verify"
_WORKERS = 8
_LONGEST_PAUSE_SECONDS = 10.0
# Between the clocks of this machine and of S3. Objects that are older than the events are none of theirs.
_SKEW = timedelta(minutes=1)
_GZIP = b"\x1f\x8b"
_UNPACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".snappy": lambda body: bytes(cramjam.snappy.decompress(body)),
}


@dataclass(frozen=True)
class Verdict:
    """What became of the event of an account and region.

    Attributes:
        seconds: from its writing until it was seen in the bucket; None: it was not seen.
        loss: where it was lost, why, and the remedy; None: it was not.
    """

    account: str
    region: str
    seconds: float | None
    loss: Loss | None


@dataclass
class _Canary:
    """An account and region on its way to a verdict."""

    account: str
    region: str
    access: AssumedRole
    mark: str
    written: float
    seconds: float | None = None
    loss: Loss | None = None


def verify(
    applications: Iterable[Application],
    stack: str,
    archive: Archive,
    *,
    seconds: float | None,
    told: Callable[[int, int], object],
) -> list[Verdict]:
    """Return a verdict for each account and region, in the order of the stack file.

    Args:
        applications: the accounts.
        stack: their stack.
        archive: where the events have to arrive.
        seconds: how long to wait for them; None: as long as the stream may gather them, and some minutes.
        told: called with the number of events that have arrived or cannot, and that of all.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: a verifier role cannot be assumed, or it may
            not read the bucket.
    """
    home = AssumedRole(role_arn(archive.region, archive.account, VERIFIER), archive.region, stack)
    diagnosis = Diagnosis(home, archive, stack)
    bucket = _Bucket(home, archive)
    with ThreadPoolExecutor(_WORKERS) as workers:
        started = datetime.now(UTC)
        canaries = [
            canary
            for each in workers.map(lambda application: _write(application, stack, diagnosis), applications)
            for canary in each
        ]
        wait = diagnosis.patience if seconds is None else seconds
        _await(canaries, bucket, started, wait, told)

        def judge(canary: _Canary) -> Verdict:
            loss = canary.loss
            if canary.seconds is None and loss is None:
                loss = diagnosis.of(
                    Way(
                        canary.account,
                        canary.region,
                        canary.access,
                        failed=lambda: bucket.failure(canary.mark, started),
                        waited=time.monotonic() - canary.written,
                        since=started,
                    )
                )
            return Verdict(canary.account, canary.region, canary.seconds, loss)

        return list(workers.map(judge, canaries))


def _write(application: Application, stack: str, diagnosis: Diagnosis) -> list[_Canary]:
    """Write a marked event into each canary of an account."""
    first = next(iter(application.regions))
    access = AssumedRole(role_arn(first, application.account, VERIFIER), first, stack)
    canaries = []
    for region in application.regions:
        logs, mark = access.client("logs", region), uuid.uuid4().hex
        canary = _Canary(application.account, region, access, mark, time.monotonic())
        canaries.append(canary)
        event = {"timestamp": time.time_ns() // 10**6, "message": json.dumps({"canary": mark})}
        try:
            with suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_stream(logGroupName=CANARY, logStreamName=_LOG_STREAM)
            logs.put_log_events(logGroupName=CANARY, logStreamName=_LOG_STREAM, logEvents=[event])
        except logs.exceptions.ResourceNotFoundException:
            canary.loss = diagnosis.loss("log group", f"there is no log group {CANARY}")
        except AWS_ERRORS as error:
            canary.loss = diagnosis.loss("log group", f"cannot be written to: {error}")
    return canaries


def _await(
    canaries: list[_Canary], bucket: _Bucket, started: datetime, wait: float, told: Callable[[int, int], object]
) -> None:
    """Look into the bucket until all events are seen, or time is up. First often, then less."""
    deadline = time.monotonic() + wait
    for attempt in itertools.count():
        pending = [canary for canary in canaries if canary.seconds is None and canary.loss is None]
        told(len(canaries) - len(pending), len(canaries))
        left = deadline - time.monotonic()
        if not pending or left <= 0:
            return
        time.sleep(min(0.5 * 1.5**attempt, _LONGEST_PAUSE_SECONDS, left))
        for canary in bucket.arrived(pending, started):
            canary.seconds = time.monotonic() - canary.written


class _Bucket:
    """The bucket, which reads each object once."""

    def __init__(self, home: AssumedRole, archive: Archive) -> None:
        self._s3 = home.client("s3", archive.region)
        self._name, self._layout = archive.bucket, LAYOUTS[archive.layout]
        self._seen: set[str] = set()

    def arrived(self, canaries: list[_Canary], started: datetime) -> list[_Canary]:
        """Return those whose events are in objects that were not read yet."""
        moments = _hours(started - _SKEW, datetime.now(UTC))
        prefixes = {
            self._layout.prefix_at(moment, account=canary.account, region=canary.region, log_group=CANARY)
            for canary in canaries
            for moment in moments
        }
        bodies = [body for prefix in sorted(prefixes) for body in self._new(prefix, started, self._seen)]
        return [canary for canary in canaries if any(canary.mark.encode() in body for body in bodies)]

    def failure(self, mark: str, started: datetime) -> str | None:
        """Return why Firehose could not process an event, if it says so beside the events."""
        kinds = self._s3.list_objects_v2(Bucket=self._name, Prefix="errors/", Delimiter="/").get("CommonPrefixes", [])
        days = {f"{moment:%Y-%m-%d}" for moment in _hours(started - _SKEW, datetime.now(UTC))}
        for kind, day in itertools.product(kinds, days):
            for body in self._new(f"{kind['Prefix']}date={day}/", started, set()):
                for said in map(json.loads, body.splitlines()):
                    if mark.encode() in _as_it_came(said.get("rawData", "")):
                        return f"{said.get('errorCode')}: {said.get('errorMessage')}"
        return None

    def _new(self, prefix: str, started: datetime, seen: set[str]) -> Iterator[bytes]:
        """Read the objects that came since then and were not seen yet."""
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix):
            for item in page.get("Contents", []):
                key = item["Key"]
                if key not in seen and item["LastModified"] >= started - _SKEW:
                    body = self._s3.get_object(Bucket=self._name, Key=key)["Body"].read()
                    yield next((unpack(body) for ending, unpack in _UNPACK.items() if key.endswith(ending)), body)
                    seen.add(key)


def _as_it_came(raw: str) -> bytes:
    """Return what a stream got, unpacked where it was packed."""
    data = base64.b64decode(raw)
    return gzip.decompress(data) if data.startswith(_GZIP) else data


def _hours(start: datetime, end: datetime) -> list[datetime]:
    """Return a moment in each hour from start to end."""
    hours = int((end - start) / timedelta(hours=1)) + 1
    return [min(start + timedelta(hours=hour), end) for hour in range(hours + 1)]
