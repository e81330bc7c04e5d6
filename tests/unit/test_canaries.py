"""How the canaries' events are written, awaited and found, with a bucket and a clock of the test's own."""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import cramjam
import pytest
from botocore.exceptions import ClientError

from components.archive_outputs import ArchiveOutputs
from ops.verify import canaries
from ops.verify.canaries import Verdict, check_delivery
from ops.verify.diagnosis import DeliveryPath, Loss
from tests.unit.fakes import Aws, Clock, Parameters, Refusal
from topology.layouts import LAYOUTS
from topology.patterns import CANARY
from topology.settings import Application

CENTRAL, SHOP, BANK = "111111111111", "222222222222", "333333333333"
HOME, ABROAD = "eu-west-1", "us-east-1"
VERIFIER = "central-log-archive-verifier"  # as in bootstrap/
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LATE = Loss("bucket", "late", "wait")
Place = tuple[str, str]
PLACES: list[Place] = [(SHOP, HOME), (SHOP, ABROAD), (BANK, HOME)]


def archive(layout: str) -> ArchiveOutputs:
    return ArchiveOutputs(
        stack="archive",
        account=CENTRAL,
        region=HOME,
        bucket="logs",
        stream="archive-stream",
        layout=layout,
        transformed=False,
        originals=False,
        destinations={},
        topics={},
        admitted_accounts=(SHOP, BANK),
        admitted_organization=None,
    )


def application(account: str, *regions: str) -> Application:
    groups = {region: {"logGroups": [{"name": "a"}]} for region in regions}
    return Application.model_validate({"account": account, "regions": groups}, strict=False)


def raw(body: bytes) -> bytes:
    return body


def snappy(body: bytes) -> bytes:
    return bytes(cramjam.snappy.compress(body))


@dataclass
class World:
    """Accounts with canaries, and the bucket. An object can be seen from the moment on at which it was written.

    Attributes:
        delays: account and region → seconds that its events take to the bucket. Others are lost.
        written: account and region → what was written into its canary.
        objects: key → when it was written, and its body.
        read: keys of the objects that were read.
        paths: delivery paths that were diagnosed.
        on_written: called with each account and region, and the message that was written into its canary.
    """

    aws: Aws
    clock: Clock
    layout: str = "dated"
    delays: dict[Place, float] = field(default_factory=dict)
    suffix: str = ".gz"
    compress: Callable[[bytes], bytes] = gzip.compress
    written: dict[Place, dict[str, Any]] = field(default_factory=dict)
    objects: dict[str, tuple[datetime, bytes]] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)
    paths: list[DeliveryPath] = field(default_factory=list)
    on_written: Callable[[Place, bytes], None] = lambda _place, _message: None

    def __post_init__(self) -> None:
        for place in PLACES:
            self.aws.answers[*place, "CreateLogStream"] = self._no_answer
            self.aws.answers[*place, "PutLogEvents"] = partial(self._put, place)
        self.aws.answers[CENTRAL, HOME, "ListObjectsV2"] = self._list
        self.aws.answers[CENTRAL, HOME, "GetObject"] = self._get
        self.aws.answers[CENTRAL, HOME, "DescribeDeliveryStream"] = Refusal("ResourceNotFoundException")

    def verify(self, timeout: float | None = 60, on_progress: Callable[[int, int], object] = print) -> list[Verdict]:
        applications = [application(SHOP, HOME, ABROAD), application(BANK, HOME)]
        return check_delivery(applications, "app-dev", archive(self.layout), timeout=timeout, on_progress=on_progress)

    def diagnose(self, path: DeliveryPath) -> Loss:
        self.paths.append(path)
        return LATE

    def add(self, key: str, *lines: object, at: datetime = NOON) -> None:
        text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
        self.objects[key] = (at, self.compress(text.encode()))

    def _no_answer(self, parameters: Parameters) -> Parameters:
        assert parameters == {"logGroupName": CANARY, "logStreamName": "verify"}
        return {}

    def _put(self, place: Place, parameters: Parameters) -> Parameters:
        (event,) = parameters["logEvents"]
        self.written[place] = {**parameters, "logEvents": event}
        self.on_written(place, event["message"].encode())
        if place in self.delays:
            arrives = self.clock.moment + timedelta(seconds=self.delays[place])
            account, region = place
            prefix = LAYOUTS[self.layout].prefix_at(arrives, account=account, region=region, log_group=CANARY)
            self.add(f"{prefix}{account}-{region}{self.suffix}", "other", event["message"], at=arrives)
        return {}

    def _list(self, parameters: Parameters) -> Parameters:
        """List one object or prefix on each page."""
        assert parameters["Bucket"] == "logs"
        prefix, delimiter = parameters["Prefix"], parameters.get("Delimiter")
        here = {
            key: at
            for key, (at, _) in sorted(self.objects.items())
            if key.startswith(prefix) and at <= self.clock.moment
        }
        if delimiter:
            folders = {prefix + key.removeprefix(prefix).split(delimiter)[0] + delimiter for key in here}
            return {"CommonPrefixes": [{"Prefix": folder} for folder in sorted(folders)]} if folders else {}
        start = int(parameters.get("ContinuationToken", 0))
        page = [{"Key": key, "LastModified": at} for key, at in here.items()][start : start + 1]
        more = {"IsTruncated": True, "NextContinuationToken": str(start + 1)} if start + 1 < len(here) else {}
        return {**({"Contents": page} if page else {}), **more}

    def _get(self, parameters: Parameters) -> Parameters:
        assert parameters["Bucket"] == "logs"
        self.read.append(parameters["Key"])
        return {"Body": io.BytesIO(self.objects[parameters["Key"]][1])}


@pytest.fixture
def world(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> World:
    clock = Clock(NOON)
    made = World(aws, clock)
    monkeypatch.setattr(canaries, "time", clock)
    monkeypatch.setattr(canaries, "datetime", clock)
    monkeypatch.setattr("ops.verify.diagnosis.Diagnosis.of", lambda _, path: made.diagnose(path))
    return made


def test_each_account_and_region_writes_an_event_of_its_own_as_its_verifier(world: World) -> None:
    world.delays = dict.fromkeys(PLACES, 0.0)
    world.verify()
    assert sorted(world.aws.assumed()) == [
        (f"arn:aws:iam::{account}:role/{VERIFIER}", HOME, "central-log-archive-app-dev")
        for account in (CENTRAL, SHOP, BANK)
    ]
    assert world.written.keys() == set(PLACES)
    marks = set()
    for parameters in world.written.values():
        event = parameters.pop("logEvents")
        assert parameters == {"logGroupName": CANARY, "logStreamName": "verify"}
        assert event["timestamp"] == 1777636800000
        marks.add(json.loads(event["message"])["canary"])
    assert len(marks) == len(PLACES)


def test_verdicts_are_in_the_order_of_the_stack_file_with_the_seconds_that_an_event_took(world: World) -> None:
    world.delays = dict(zip(PLACES, (3.0, 0.2, 1.2), strict=True))
    progress: list[tuple[int, int]] = []
    assert world.verify(on_progress=lambda *state: progress.append(state)) == [
        Verdict(SHOP, HOME, 4.0625, None),
        Verdict(SHOP, ABROAD, 0.5, None),
        Verdict(BANK, HOME, 1.25, None),
    ]
    assert progress == [(0, 3), (1, 3), (2, 3), (2, 3), (3, 3)]
    assert world.paths == []


@pytest.mark.parametrize(("timeout", "longest"), [(60, 10.0), (16.5, 5.6953125)])
def test_the_bucket_is_polled_less_and_less_often_until_time_is_over(
    world: World, timeout: float, longest: float
) -> None:
    assert [verdict.loss for verdict in world.verify(timeout=timeout)] == [LATE] * 3
    assert world.clock.sleeps[:4] == [0.5, 0.75, 1.125, 1.6875]
    assert max(world.clock.sleeps) == longest
    assert sum(world.clock.sleeps) == pytest.approx(timeout)


def test_without_a_timeout_an_event_has_the_time_that_the_stream_takes(world: World) -> None:
    world.verify(timeout=None)
    assert sum(world.clock.sleeps) == pytest.approx(180)


def test_with_a_timeout_of_0_the_bucket_is_not_read(world: World) -> None:
    world.delays = dict.fromkeys(PLACES, 0.0)
    assert [verdict.loss for verdict in world.verify(timeout=0)] == [LATE] * 3
    assert world.read == []


def test_an_event_that_did_not_arrive_is_diagnosed_with_how_long_that_took(world: World) -> None:
    world.delays = {(SHOP, HOME): 0.0, (BANK, HOME): 0.0}
    verdicts = world.verify(timeout=20)
    assert verdicts[1] == Verdict(SHOP, ABROAD, None, LATE)
    assert [verdict.loss for verdict in verdicts] == [None, LATE, None]
    (path,) = world.paths
    assert (path.account, path.region, path.since) == (SHOP, ABROAD, NOON)
    assert path.waited == pytest.approx(20)
    assert path.verifier.role_arn == f"arn:aws:iam::{SHOP}:role/{VERIFIER}"


@pytest.mark.parametrize(
    ("operation", "code", "reason"),
    [
        ("CreateLogStream", "ResourceNotFoundException", f"the log group {CANARY} does not exist"),
        (
            "PutLogEvents",
            "AccessDenied",
            "cannot be written to: An error occurred (AccessDenied) when calling the PutLogEvents operation: no",
        ),
    ],
)
def test_a_canary_that_cannot_be_written_to_lost_its_event_at_once(
    world: World, operation: str, code: str, reason: str
) -> None:
    world.delays = dict.fromkeys(PLACES, 0.2)
    world.aws.answers[SHOP, ABROAD, operation] = Refusal(code)
    progress: list[tuple[int, int]] = []
    verdicts = world.verify(on_progress=lambda *state: progress.append(state))
    remedy = "it was changed outside Pulumi: run pulumi up --refresh -s app-dev"
    assert verdicts[1] == Verdict(SHOP, ABROAD, None, Loss("log group", reason, remedy))
    assert [verdict.seconds for verdict in verdicts] == [0.5, None, 0.5]
    assert (progress, world.paths) == ([(1, 3), (3, 3)], [])


def test_a_log_stream_of_an_earlier_run_is_used_again(world: World) -> None:
    world.delays = dict.fromkeys(PLACES, 0.2)
    world.aws.answers[SHOP, HOME, "CreateLogStream"] = Refusal("ResourceAlreadyExistsException")
    assert not any(verdict.loss for verdict in world.verify())


@pytest.mark.parametrize("question", [(CENTRAL, HOME, "AssumeRole"), (SHOP, HOME, "AssumeRole")])
def test_a_role_that_cannot_be_assumed_is_an_error(world: World, question: tuple[str, str, str]) -> None:
    world.aws.answers[question] = Refusal("AccessDenied")
    with pytest.raises(ClientError, match="AssumeRole"):
        world.verify()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".snappy", snappy), ("", raw)])
def test_events_are_found_in_every_layout_and_compression(
    world: World, layout: str, suffix: str, compress: Callable[[bytes], bytes]
) -> None:
    world.layout, world.suffix, world.compress = layout, suffix, compress
    world.delays = dict.fromkeys(PLACES, 0.2)
    assert [verdict.seconds for verdict in world.verify()] == [0.5] * 3


@pytest.mark.parametrize("start", [NOON + 59 * MINUTE, NOON + 11 * 60 * MINUTE + 59 * MINUTE])
def test_events_are_found_under_the_hour_and_day_of_their_arrival(world: World, start: datetime) -> None:
    world.clock.moment = start
    world.delays = dict(zip(PLACES, (0.2, 50.0, 70.0), strict=True))
    assert not any(verdict.loss for verdict in world.verify(timeout=100))


def test_each_object_is_read_once_and_none_that_is_older_than_the_events(world: World) -> None:
    world.delays = dict.fromkeys(PLACES, 9.0)
    prefix = "logs/date=2026-05-01/hour="
    world.add(f"{prefix}11/old.gz", "old", at=NOON - MINUTE - timedelta(seconds=1))
    world.add(f"{prefix}11/clocks-differ.gz", "new", at=NOON - MINUTE)
    world.add(f"{prefix}12/other.gz", "new")
    world.verify()
    assert sorted(world.read) == [
        f"{prefix}11/clocks-differ.gz",
        *(f"{prefix}12/{account}-{region}.gz" for account, region in PLACES),
        f"{prefix}12/other.gz",
    ]


def failed(data: bytes, code: str = "Lambda.FunctionError") -> dict[str, str]:
    """What Firehose writes about a record that it could not process."""
    return {"errorCode": code, "errorMessage": "it failed", "rawData": base64.b64encode(data).decode()}


ANOTHER = {"errorCode": "Other", "errorMessage": "it failed", "rawData": base64.b64encode(b"another").decode()}


@pytest.mark.parametrize("compress", [raw, gzip.compress])
def test_an_event_that_firehose_could_not_process_was_lost_at_the_transform_as_soon_as_that_is_reported(
    world: World, compress: Callable[[bytes], bytes]
) -> None:
    def fail(place: Place, message: bytes) -> None:
        if place == (SHOP, ABROAD):
            at = NOON + timedelta(seconds=2)
            world.add("errors/a/date=2026-05-01/1", ANOTHER, at=at)
            world.add("errors/b/date=2026-05-01/1", {"errorCode": "no data"}, failed(compress(message)), at=at)

    world.on_written, world.compress = fail, raw
    world.suffix = ""
    world.delays = {(SHOP, HOME): 0.2, (BANK, HOME): 0.2}
    assert [verdict.loss for verdict in world.verify(timeout=60)] == [
        None,
        Loss(
            "transform",
            "Lambda.FunctionError: it failed",
            "see the function's log; the event is kept under errors/, from where python -m ops redrive puts it back",
        ),
        None,
    ]
    assert sum(world.clock.sleeps) == 0.5 + 0.75 + 1.125
    assert Counter(world.read).most_common(1)[0][1] == 1
    assert world.paths == []


MALFORMED = [
    "{", "[1]", "null", '"[/x]"', "[" * 100_000, "\\ud800", '{"rawData": 7}', '{"rawData": "%%%"}',
    failed(gzip.compress(b"x" * 100)[:-9]), failed(gzip.compress(bytes(40 * 2**20))), failed(b"\x1f\x8bbroken"),
]  # fmt: skip


def test_neither_malformed_lines_nor_damaged_objects_keep_others_from_a_verdict(world: World) -> None:
    def fail(place: Place, message: bytes) -> None:
        if place == (SHOP, ABROAD):
            world.add("errors/a/date=2026-05-01/1", *MALFORMED, failed(message), *MALFORMED)

    world.compress = lambda body: gzip.compress(body)[:-9]
    for key in (f"logs/date=2026-05-01/hour=12/damaged{suffix}" for suffix in (".gz", ".snappy")):
        world.add(key, ANOTHER)
    world.add("errors/a/date=2026-05-01/0.gz", ANOTHER)
    world.on_written, world.compress, world.suffix = fail, raw, ""
    world.delays = {(SHOP, HOME): 0.2, (BANK, HOME): 0.2}
    first, lost, last = world.verify()
    assert first.loss is last.loss is None
    assert lost.loss is not None
    assert lost.loss.reason == "Lambda.FunctionError: it failed"


MIDNIGHT = datetime(2026, 5, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "date"), [(NOON, "2026-05-01"), (MIDNIGHT, "2026-05-01"), (MIDNIGHT - MINUTE / 2, "2026-05-02")]
)
def test_what_firehose_could_not_process_is_found_under_the_day_of_its_arrival(
    world: World, start: datetime, date: str
) -> None:
    world.clock.moment, world.compress = start, raw
    world.on_written = lambda place, message: world.add(
        f"errors/a/date={date}/{'-'.join(place)}", failed(message), at=start + MINUTE
    )
    assert [verdict.loss and verdict.loss.stage for verdict in world.verify(timeout=90)] == ["transform"] * 3


def test_the_errors_of_other_events_or_from_before_the_event_do_not_count(world: World) -> None:
    def fail(place: Place, message: bytes) -> None:
        world.add(f"errors/a/date=2026-05-01/{place}/old", failed(message), at=NOON - 2 * MINUTE)
        world.add(f"errors/a/date=2026-04-30/{place}/other-day", failed(message))
        world.add(f"logs/a/date=2026-05-01/{place}/no-error", failed(message))

    world.on_written, world.compress = fail, raw
    world.add("errors/a/date=2026-05-01/other", ANOTHER)
    assert [verdict.loss for verdict in world.verify()] == [LATE] * 3
    assert world.read == ["errors/a/date=2026-05-01/other"]


def test_an_event_that_arrived_was_not_lost_if_firehose_also_failed_to_process_a_duplicate(world: World) -> None:
    world.on_written = lambda place, message: world.add(f"errors/a/date=2026-05-01/{place}", failed(message))
    world.compress, world.suffix = raw, ""
    world.delays = dict.fromkeys(PLACES, 0.2)
    assert [(verdict.seconds, verdict.loss) for verdict in world.verify()] == [(0.5, None)] * 3
