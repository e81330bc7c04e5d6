"""What ``ops redrive`` puts back into the stream, what it cannot read, and that it puts each object once."""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cramjam
import pytest
import yaml

from ops import redrive
from ops.redrive import TAG
from tests.unit.command_line import Ops, rows
from tests.unit.fakes import Aws, Clock, Parameters, Pulumi, Refusal
from tests.unit.test_promotion import OUTPUTS

CENTRAL, HOME = "111111111111", "eu-west-1"
NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)
RUN = ("redrive", "-s", "archive", "--from", "2026-05-01", "--to", "2026-05-02")
FAILED = "errors/processing-failed/date=2026-05-01/"


def record(message: str = "a", kind: str = "DATA_MESSAGE") -> bytes:
    """A record as CloudWatch Logs sends it."""
    return gzip.compress(json.dumps({"messageType": kind, "logEvents": [{"id": "1", "message": message}]}).encode())


def line(raw: bytes, code: str = "Lambda.FunctionError", name: str = "errorCode") -> bytes:
    """A line of an error object, as Firehose writes it."""
    entry = {"attemptsMade": 4, "arrivalTimestamp": 1, name: code, "rawData": base64.b64encode(raw).decode()}
    return json.dumps(entry).encode() + b"\n"


@dataclass
class World:
    """The bucket and the stream.

    Attributes:
        objects: key → its body, or the error that reading it is.
        tags: key → its tags.
        put: the records that the stream accepted.
        accepts: decides which records of a call are accepted.
    """

    aws: Aws
    clock: Clock
    objects: dict[str, bytes | Refusal] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    put: list[bytes] = field(default_factory=list)
    accepts: Callable[[list[bytes]], list[bool]] = lambda data: [True] * len(data)

    def __post_init__(self) -> None:
        for operation, answer in {
            "ListObjectsV2": self._list, "GetObject": self._get, "GetObjectTagging": self._get_tags,
            "PutObjectTagging": self._put_tags, "PutRecordBatch": self._put,
        }.items():  # fmt: skip
            self.aws.answers[CENTRAL, HOME, operation] = answer

    def messages(self) -> list[str]:
        return [json.loads(gzip.decompress(data))["logEvents"][0]["message"] for data in self.put]

    def _list(self, parameters: Parameters) -> Parameters:
        """List one object or prefix on each page."""
        assert parameters["Bucket"] == "logs"
        prefix, delimiter, after = (parameters.get(name, "") for name in ("Prefix", "Delimiter", "StartAfter"))
        here = [key for key in sorted(self.objects) if key.startswith(prefix) and key > after]
        if delimiter:
            here = sorted({prefix + key.removeprefix(prefix).split(delimiter)[0] + delimiter for key in here})
        start = int(parameters.get("ContinuationToken", 0))
        kind, name = ("CommonPrefixes", "Prefix") if delimiter else ("Contents", "Key")
        page = {kind: [{name: each} for each in here[start : start + 1]]} if here else {}
        return {**page, "IsTruncated": True, "NextContinuationToken": str(start + 1)} if start + 1 < len(here) else page

    def _get(self, parameters: Parameters) -> Parameters | Refusal:
        body = self.objects[parameters["Key"]]
        return body if isinstance(body, Refusal) else {"Body": io.BytesIO(body)}

    def _get_tags(self, parameters: Parameters) -> Parameters:
        tags = self.tags.get(parameters["Key"], {})
        return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _put_tags(self, parameters: Parameters) -> Parameters:
        self.tags[parameters["Key"]] = {tag["Key"]: tag["Value"] for tag in parameters["Tagging"]["TagSet"]}
        return {}

    def _put(self, parameters: Parameters) -> Parameters:
        assert parameters["DeliveryStreamName"] == "stream"
        data = [each["Data"] for each in parameters["Records"]]
        accepted = self.accepts(data)
        self.put += [each for each, good in zip(data, accepted, strict=True) if good]
        results = [{"RecordId": "1"} if good else {"ErrorCode": "ServiceUnavailableException"} for good in accepted]
        return {"FailedPutCount": accepted.count(False), "RequestResponses": results}


@pytest.fixture(autouse=True)
def world(aws: Aws, pulumi: Pulumi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    senders = {"accounts": ["222222222222"]}
    archive = {"account": CENTRAL, "region": HOME, "destinationRegions": [HOME], "senders": senders}
    config = {"config": {"central-log-archive:archive": archive}}
    (tmp_path / "Pulumi.archive.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    pulumi.outputs = {"archive": OUTPUTS}
    made = World(aws, Clock(NOON))
    monkeypatch.setattr(redrive, "time", made.clock)
    monkeypatch.setattr(redrive, "datetime", made.clock)
    return made


def answer(ops: Ops, *more: str, status: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ops(*RUN, "--json", *more, status=status).stdout)
    return found


def test_each_record_goes_back_as_cloudwatch_logs_sent_it_and_its_object_is_marked(ops: Ops, world: World) -> None:
    first, second = record("a"), record("b")
    world.objects = {FAILED + "x": line(first) + line(second, "S3.KeyTooLongError")}
    world.tags = {FAILED + "x": {"cost": "center"}}
    assert answer(ops) == {
        "stack": "archive", "dryRun": False,
        "objects": [{
            "key": FAILED + "x", "errorType": "processing-failed", "result": "redriven",
            "redriven": "2026-05-03T12:00:00Z", "unreadable": [],
            "causes": [
                {"code": "Lambda.FunctionError", "records": 1, "bytes": len(first)},
                {"code": "S3.KeyTooLongError", "records": 1, "bytes": len(second)},
            ],
        }],
        "totals": [
            {"errorType": "processing-failed", "code": code, "objects": 1, "records": 1, "bytes": len(first)}
            for code in ("Lambda.FunctionError", "S3.KeyTooLongError")
        ],
    }  # fmt: skip
    assert world.put == [first, second]
    assert world.tags == {FAILED + "x": {"cost": "center", TAG: "2026-05-03T12:00:00Z"}}
    assert world.aws.assumed() == [
        (f"arn:aws:iam::{CENTRAL}:role/central-log-archive-redriver", HOME, "central-log-archive-archive")
    ]


def test_a_second_run_reads_and_puts_nothing_again(ops: Ops, world: World) -> None:
    world.objects = {FAILED + "x": line(record("a"))}
    answer(ops)
    (again,) = answer(ops)["objects"]
    assert (again["result"], again["redriven"]) == ("redriven before", "2026-05-03T12:00:00Z")
    assert world.messages() == ["a"]
    assert len(world.aws.asked("GetObject")) == 1


def test_a_dry_run_changes_nothing_and_lists_everything(ops: Ops, world: World) -> None:
    world.objects = {FAILED + "x": line(record("a")) + line(record("b")), FAILED + "y": line(record("c"))}
    size = len(record("a"))
    printed = rows(ops(*RUN, "--dry-run").stdout)
    assert printed == [
        ["object", "result", "records", "bytes", "unreadable"],
        [FAILED + "x", "redrivable", "2", str(2 * size), ""],
        [FAILED + "y", "redrivable", "1", str(size), ""],
        ["error type", "error code", "objects", "records", "bytes"],
        ["processing-failed", "Lambda.FunctionError", "2", "3", str(3 * size)],
    ]
    assert (world.put, world.tags) == ([], {})


def test_the_table_says_when_an_object_was_redriven_and_what_of_it_cannot_be_read(ops: Ops, world: World) -> None:
    world.objects = {FAILED + "x": line(record("a")) + b"{\n" + b"[]\n"}
    size, unreadable = str(len(record("a"))), "line 2: it is not JSON; line 3: it has no rawData: it is no record"
    first, again = (rows(ops(*RUN, status=1).stdout)[1] for _ in range(2))
    assert first == [FAILED + "x", "redriven", "1", size, unreadable]
    assert again == [FAILED + "x", "redriven before, 2026-05-03T12:00:00Z", "0", "0", unreadable]


def test_a_record_that_firehose_had_decompressed_is_compressed_again(ops: Ops, world: World) -> None:
    world.objects = {FAILED + "x": line(gzip.decompress(record("a")), "MetadataExtraction.Failed")}
    answer(ops)
    assert world.messages() == ["a"]


def test_a_test_message_goes_back_too(ops: Ops, world: World) -> None:
    world.objects = {FAILED + "x": line(record("a", "CONTROL_MESSAGE"))}
    answer(ops)
    assert world.messages() == ["a"]


@pytest.mark.parametrize("name", ["errorCode", "ErrorCode", "lastErrorCode"])
def test_the_code_is_found_in_each_spelling_of_the_guide(ops: Ops, world: World, name: str) -> None:
    world.objects = {"errors/format-conversion-failed/date=2026-05-01/x": line(record(), "Bad", name)}
    (total,) = answer(ops, "--dry-run")["totals"]
    assert (total["errorType"], total["code"]) == ("format-conversion-failed", "Bad")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{not json\n", "it is not JSON"),
        (b"\xff\xfe\n", "it is not JSON"),
        (b"[" * 100_000 + b"\n", "it is not JSON"),
        (b"[1]\n", "it has no rawData: it is no record"),
        (b'{"errorCode": "S3.AccessDenied"}\n', "it has no rawData: it is no record"),
        (b'{"rawData": "%%%"}\n', "rawData is not base64"),
        (b'{"rawData": 7}\n', "rawData is not base64"),
        (line(record()[:-9]), "rawData cannot be decompressed: "),
        (line(b"\x1f\x8bbroken"), "rawData cannot be decompressed: "),
        (line(b'{"account": "1"}\n{"account": "1"}\n'), "rawData is not as CloudWatch Logs sent it"),
        (
            line(gzip.compress(bytes(40 * 2**20))),
            "rawData cannot be decompressed: it decompresses to more",
        ),
        (line(gzip.compress(b"[]")), "rawData is not as CloudWatch Logs sent it"),
        (line(gzip.compress(b"[" * 100_000)), "rawData is not as CloudWatch Logs sent it"),
        (line(b""), "rawData is not as CloudWatch Logs sent it"),
    ],
)
def test_what_cannot_be_read_is_listed_and_the_rest_goes_back(ops: Ops, world: World, bad: bytes, reason: str) -> None:
    world.objects = {FAILED + "x": line(record("a")) + bad + line(record("b")) + b"\n"}
    for result in ("redrivable", "redriven", "redriven before"):  # each run lists it
        (found,) = answer(ops, *(["--dry-run"] if result == "redrivable" else []), status=1)["objects"]
        assert found["result"] == result
        (unreadable,) = found["unreadable"]
        assert unreadable.startswith(f"line 2: {reason}")
    assert world.messages() == ["a", "b"]


def test_a_record_that_is_too_large_for_the_stream_is_listed(ops: Ops, world: World) -> None:
    def of(size: int) -> bytes:
        document = {"messageType": "DATA_MESSAGE", "logEvents": ["x" * size]}
        return gzip.compress(json.dumps(document).encode(), compresslevel=0)

    most = next(size for size in range(1_023_900, 1_023_700, -1) if len(of(size)) <= 1000 * 1024)
    fits, exceeds = of(most), of(most + 1)
    assert len(fits) == 1000 * 1024
    world.objects = {FAILED + "x": line(fits) + line(exceeds)}
    (found,) = answer(ops, status=1)["objects"]
    assert found["unreadable"] == [f"line 2: the record has {len(exceeds)} bytes, and a stream accepts 1024000"]
    assert world.put == [fits]


@pytest.mark.parametrize(
    ("key", "body", "reason"),
    [
        ("x", b"", "it is empty"),
        ("x.gz", b"no gzip", "it cannot be decompressed: "),
        ("x.snappy", b"no snappy", "it cannot be decompressed: "),
        ("x", Refusal("InvalidObjectState"), "it is in an archive: restore it, then run this again"),
    ],
)
def test_an_object_that_cannot_be_read_is_listed_and_not_marked(
    ops: Ops, world: World, key: str, body: bytes | Refusal, reason: str
) -> None:
    world.objects = {FAILED + key: body, FAILED + "z": line(record("a"))}
    bad, good = answer(ops, status=1)["objects"]
    assert (bad["result"], good["result"]) == ("unreadable", "redriven")
    assert bad["unreadable"][0].startswith(reason)
    assert list(world.tags) == [FAILED + "z"]


def test_compressed_objects_are_read(ops: Ops, world: World) -> None:
    world.objects = {
        FAILED + "x.gz": gzip.compress(line(record("a"))),
        FAILED + "x.snappy": bytes(cramjam.snappy.compress(line(record("b")))),
    }
    answer(ops)
    assert world.messages() == ["a", "b"]


NAMED = "stream-1-2026-05-01-09-30-00-0a1b2c3d-0000-1111-2222-333344445555"


@pytest.mark.parametrize(
    ("period", "found"),
    [
        (("2026-04-30", "2026-04-30"), ["april"]),
        (("2026-05-01", "2026-05-01"), [NAMED, "other", "stream-1-2026-05-02-00-00-07-x"]),
        (("2026-05-01T09:30", "2026-05-01T09:30:01"), [NAMED, "other", "stream-1-2026-05-02-00-00-07-x"]),
        (("2026-05-01T09:30:01", "2026-05-01T23:00Z"), ["other", "stream-1-2026-05-02-00-00-07-x"]),
        (("2026-05-01T00:00", "2026-05-01T09:30"), ["other", "stream-1-2026-05-02-00-00-07-x"]),
        (("2026-05-01T11:30+02:00", "2026-05-01T11:31+02:00"), [NAMED, "other", "stream-1-2026-05-02-00-00-07-x"]),
        (("2026-05-02", "2026-06-01"), ["may"]),
        (("2026-06-01", "2026-06-30"), []),
    ],
)
def test_objects_are_those_that_arrived_in_the_period(
    ops: Ops, world: World, period: tuple[str, str], found: list[str]
) -> None:
    for name in (NAMED, "other", "stream-1-2026-05-02-00-00-07-x"):  # the last one is named by the next day
        world.objects[FAILED + name] = line(record(name))
    world.objects["errors/processing-failed/date=2026-04-30/april"] = line(record("april"))
    world.objects["errors/decompression-failed/date=2026-05-02/may"] = line(record("may"))
    world.objects["logs/date=2026-05-01/x"] = world.objects["errors/2026/05/01/x"] = b"is never read"
    since, until = period
    ops("redrive", "-s", "archive", "--from", since, "--to", until)
    assert sorted(world.messages()) == sorted(found)


def test_other_days_are_not_even_listed(ops: Ops, world: World) -> None:
    for day in range(1, 31):
        for month in ("04", "05", "06"):
            world.objects[f"errors/processing-failed/date=2026-{month}-{day:02d}/x"] = line(record())
    ops(*RUN)
    assert len(world.put) == 2
    # A page for the types of error, and one for each object of May 1 to 4: the last one is past the period.
    assert len(world.aws.asked("ListObjectsV2")) == 1 + 4


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        ("yesterday", "2026-05-01", '--from: "yesterday" is neither a day nor a moment'),
        ("2026-05-01", "2026-05-32", '--to: "2026-05-32" is neither a day nor a moment'),
        ("2026-05-02", "2026-05-01", "--to 2026-05-01 is not later than --from 2026-05-02"),
        ("2026-05-01T09:00", "2026-05-01T09:00", "is not later than"),
    ],
)
def test_a_period_that_is_none_is_an_error_before_anything_is_read(
    ops: Ops, world: World, since: str, until: str, message: str
) -> None:
    assert message in ops("redrive", "-s", "archive", "--from", since, "--to", until, status=2).stderr
    assert world.aws.calls == []


def test_batches_stay_within_the_limits_of_a_call(ops: Ops, world: World) -> None:
    large = gzip.compress(json.dumps({"messageType": "DATA_MESSAGE", "logEvents": ["x" * 900_000]}).encode(), 0)
    world.objects = {FAILED + "x": line(record()) * 1001, FAILED + "y": line(large) * 10}
    answer(ops)
    calls = [[each["Data"] for each in call["Records"]] for call in world.aws.asked("PutRecordBatch")]
    assert [len(call) for call in calls] == [500, 500, 1, 3, 3, 3, 1]
    assert max(sum(len(base64.b64encode(data)) for data in call) for call in calls) < 4_000_000


def test_only_what_the_stream_rejects_is_put_again_as_long_as_it_accepts_some(ops: Ops, world: World) -> None:
    world.objects = {FAILED + "x": b"".join(line(record(str(number))) for number in range(20))}
    world.accepts = lambda data: [True] + [False] * (len(data) - 1)
    answer(ops)
    assert world.messages() == [str(number) for number in range(20)]
    assert world.clock.sleeps == [0.5] * 19


def test_if_the_stream_accepts_nothing_more_what_was_done_is_printed_and_the_rest_is_untouched(
    ops: Ops, world: World
) -> None:
    world.objects = {FAILED + each: line(record(each)) for each in "abc"}
    world.accepts = lambda data: [b'"b"' not in gzip.decompress(each) for each in data]
    done = ops(*RUN, "--json", status=2)
    assert [each["result"] for each in json.loads(done.stdout)["objects"]] == ["redriven"]
    assert "still rejects records (ServiceUnavailableException)" in done.stderr
    assert world.clock.sleeps == [0.5, 1, 2, 4, 8, 16, 32]
    assert list(world.tags) == [FAILED + "a"]
    world.accepts = lambda data: [True] * len(data)
    assert [each["result"] for each in answer(ops)["objects"]] == ["redriven before", "redriven", "redriven"]
    assert world.messages() == ["a", "b", "c"]


@pytest.mark.parametrize("operation", ["PutRecordBatch", "PutObjectTagging"])
def test_an_object_that_cannot_be_put_or_marked_is_named_and_ends_the_run(
    ops: Ops, world: World, operation: str
) -> None:
    world.objects = {FAILED + each: line(record(each)) for each in "ab"}
    world.aws.answers[CENTRAL, HOME, operation] = Refusal("AccessDeniedException", f"not authorized: {operation}")
    printed = ops(*RUN, status=2).stderr
    assert f"{FAILED}a: " in printed
    assert f"not authorized: {operation}" in printed
    assert "the next run puts them again" in printed
    assert "b" not in world.messages()


def test_a_stream_that_only_takes_records_from_cloudwatch_logs_is_an_error_with_its_remedy(
    ops: Ops, world: World
) -> None:
    world.objects = {FAILED + "x": line(record())}
    world.aws.answers[CENTRAL, HOME, "PutRecordBatch"] = Refusal("InvalidSourceException")
    printed = ops(*RUN, status=2).stderr
    assert "set archive.transform: bundled, run pulumi up -s archive, then run this again" in printed
    assert world.tags == {}


def test_a_role_that_cannot_be_assumed_is_an_error_without_tables(ops: Ops, world: World) -> None:
    world.aws.answers[CENTRAL, HOME, "AssumeRole"] = Refusal("AccessDenied")
    done = ops(*RUN, status=2)
    assert "AccessDenied" in done.stderr
    assert done.stdout == ""


def test_what_to_expect_if_the_cause_remains_is_printed_once_something_was_put(ops: Ops, world: World) -> None:
    expected = "what fails again will be under errors/ again"
    assert expected not in ops(*RUN).stderr
    world.objects = {FAILED + "x": line(record())}
    assert expected not in ops(*RUN, "--dry-run").stderr
    assert expected in ops(*RUN).stderr
