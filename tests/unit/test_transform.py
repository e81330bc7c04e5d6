"""The bundled transform: what it returns for records, what it resubmits, and that it loses none."""

from __future__ import annotations

import base64
import gzip
import json
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.transform import handler as transform

STREAM = "arn:aws:firehose:eu-west-1:111111111111:deliverystream/archive"
EVENT = {"id": "1", "timestamp": 1700000000000, "message": "hello"}
DOCUMENT: dict[str, Any] = {
    "messageType": "DATA_MESSAGE",
    "owner": "222222222222",
    "logGroup": "/aws/lambda/checkout",
    "logStream": "s",
    "subscriptionFilters": ["central-log-archive.us-east-1"],
    "logEvents": [EVENT],
}
CONTROL = {**DOCUMENT, "messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "subscriptionFilters": []}
ARCHIVE = transform.Archive("111111111111", ["eu-west-1", "us-east-1"], [])
MAX_PAYLOAD = 6 * 1024 * 1024


class Stream:
    """Accepts records as Firehose does, and rejects some of them as Firehose may."""

    def __init__(self) -> None:
        self.accepted: list[bytes] = []
        self.calls: list[int] = []
        self.rejects: Callable[[bytes], bool] = lambda _: False
        self.fails = False

    def put_record_batch(self, DeliveryStreamName: str, Records: list[dict[str, bytes]]) -> dict[str, Any]:  # noqa: N803
        assert DeliveryStreamName == "archive"
        data = [record["Data"] for record in Records]
        assert len(data) <= 500
        assert sum(map(len, data)) <= 4 * 1024 * 1024
        self.calls.append(len(data))
        if self.fails:
            raise ConnectionError("unreachable")
        rejected = [self.rejects(each) for each in data]
        self.accepted += [each for each, no in zip(data, rejected, strict=True) if not no]
        responses = [{"ErrorCode": "ServiceUnavailableException"} if no else {"RecordId": "1"} for no in rejected]
        return {"FailedPutCount": sum(rejected), "RequestResponses": responses}


FIREHOSE, FIRST_PAUSE = transform._firehose, transform._FIRST_PAUSE_SECONDS
"""What the tests replace."""


@pytest.fixture(autouse=True)
def stream(monkeypatch: pytest.MonkeyPatch) -> Stream:
    stream = Stream()
    monkeypatch.setattr(transform, "_firehose", lambda: stream)
    monkeypatch.setattr(transform, "_FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.delenv("PARTITION_KEYS", raising=False)
    monkeypatch.setenv("ARCHIVE_ACCOUNT", ARCHIVE.account)
    monkeypatch.setenv("REGIONS", ",".join(ARCHIVE.regions))
    return stream


def gzipped(document: object) -> str:
    return base64.b64encode(gzip.compress(json.dumps(document).encode(), compresslevel=1)).decode()


def run(*data: str) -> list[dict[str, Any]]:
    records = [{"recordId": str(index), "data": each} for index, each in enumerate(data)]
    response = transform.handler({"deliveryStreamArn": STREAM, "records": records}, None)
    assert [result["recordId"] for result in response["records"]] == [record["recordId"] for record in records]
    assert len(json.dumps(response)) <= MAX_PAYLOAD
    return response["records"]


def parsed(result: dict[str, Any]) -> list[dict[str, Any]]:
    lines = base64.b64decode(result["data"]).decode().split("\n")
    assert lines.pop() == ""
    return [json.loads(line) for line in lines]


def with_messages(*messages: str) -> dict[str, Any]:
    return {**DOCUMENT, "logEvents": [{**EVENT, "message": message} for message in messages]}


def test_each_event_is_a_line_with_its_source() -> None:
    (result,) = run(gzipped(with_messages("one", "two")))
    source = {"account": "222222222222", "region": "us-east-1", "logGroup": "/aws/lambda/checkout", "logStream": "s"}
    assert parsed(result) == [
        {**source, "id": "1", "timestamp": 1700000000000, "message": message} for message in ("one", "two")
    ]
    assert result["result"] == "Ok"
    assert "metadata" not in result


def test_system_fields_that_a_filter_adds_stay_with_their_event() -> None:
    fields = {"@aws.region": "us-east-1", "@source.log": "/central/copy"}
    (result,) = run(gzipped({**DOCUMENT, "logEvents": [EVENT, {**EVENT, "extractedFields": fields}]}))
    assert [line.get("extractedFields") for line in parsed(result)] == [None, fields]


@pytest.mark.parametrize("name", ["central-log-archive.eu-west-2", "x.us-east-1/y", "", "."])
def test_a_line_names_no_region_that_the_archive_does_not_serve(name: str) -> None:
    (result,) = run(gzipped({**DOCUMENT, "owner": "someone", "subscriptionFilters": [name]}))
    (line,) = parsed(result)
    assert (line["account"], line["region"]) == ("other", "other")


def test_events_of_a_centralized_log_group_name_account_and_region_that_they_were_copied_from() -> None:
    copied = [("222222222222", "ap-south-1"), ("333333333333", "us-east-1")]
    events = [
        {**EVENT, "extractedFields": {"@aws.account": account, "@aws.region": region}} for account, region in copied
    ]
    document = {**DOCUMENT, "owner": ARCHIVE.account, "logEvents": [*events, EVENT]}
    (result,) = run(gzipped(document))
    lines = [(line["account"], line["region"]) for line in parsed(result)]
    assert lines == [*copied, (ARCHIVE.account, "us-east-1")]


def test_a_sender_cannot_pass_for_another_account_by_fields_of_its_own() -> None:
    fields = {"@aws.account": "333333333333", "@aws.region": "eu-west-1"}
    (result,) = run(gzipped({**DOCUMENT, "logEvents": [{**EVENT, "extractedFields": fields}]}))
    (line,) = parsed(result)
    assert (line["account"], line["region"], line["extractedFields"]) == ("222222222222", "us-east-1", fields)


def test_a_message_that_is_a_json_object_is_embedded_unchanged() -> None:
    waf = '{"action": "BLOCK",\n "httpRequest": {"clientIp": "192.0.2.1"}, "big": 12345678901234567890.10, "a": 1}'
    (result,) = run(gzipped(with_messages(waf)))
    (line,) = parsed(result)
    assert line["message"]["httpRequest"]["clientIp"] == "192.0.2.1"
    assert b"12345678901234567890.10" in base64.b64decode(result["data"])


@pytest.mark.parametrize(
    "message",
    ["", "text", '{"a": NaN}', "{", '["a"]', '"a"', "1", '{"a": ' + "[" * 100_000, '{"a":1} {"b":2}', "a\nb\u2028\x00"],
    ids=lambda message: repr(message)[:20],
)  # fmt: skip
def test_every_other_message_is_a_string(message: str) -> None:
    (result,) = run(gzipped(with_messages(message)))
    assert [line["message"] for line in parsed(result)] == [message]


def test_text_is_written_as_utf_8() -> None:
    (result,) = run(gzipped(with_messages("größer → 🙂", '{"k": "größer"}')))
    assert base64.b64decode(result["data"]).decode().count("größer") == 2
    assert "→ 🙂" in base64.b64decode(result["data"]).decode()


def test_an_unpaired_surrogate_is_kept_as_an_escape() -> None:
    (result,) = run(gzipped(with_messages("a\ud800b", '{"k": "\ud800"}')))
    assert [line["message"] for line in parsed(result)] == ["a\ud800b", {"k": "\ud800"}]


def test_test_messages_are_dropped() -> None:
    assert run(gzipped(CONTROL)) == [{"recordId": "0", "result": "Dropped"}]


UNREADABLE = {
    "not base64": "!",
    "not gzip": base64.b64encode(b"text").decode(),
    "half of a record": base64.b64encode(gzip.compress(b"x" * 1000)[:-9]).decode(),
    "not JSON": base64.b64encode(gzip.compress(b"{")).decode(),
    "not an object": gzipped([1]),
    "no events": gzipped({key: value for key, value in DOCUMENT.items() if key != "logEvents"}),
    "a message that is not a string": gzipped({**DOCUMENT, "logEvents": [{**EVENT, "message": 1}]}),
    "an unknown type": gzipped({**DOCUMENT, "messageType": "OTHER"}),
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_record_is_returned_unchanged_and_does_not_affect_others(data: str) -> None:
    failed, good = run(data, gzipped(DOCUMENT))
    assert failed == {"recordId": "0", "result": "ProcessingFailed", "data": data}
    assert good["result"] == "Ok"


@pytest.mark.parametrize(
    ("names", "filters", "keys"),
    [
        (
            "account,region,group",
            ["central-log-archive.us-east-1"],
            {"account": "222222222222", "region": "us-east-1", "group": "_aws_lambda_checkout"},
        ),
        ("region", ["central-log-archive.auto.eu-west-1", "other"], {"region": "eu-west-1"}),
        ("region", [], {"region": "other"}),
        ("region", ["central-log-archive.eu-west-2"], {"region": "other"}),
        ("", [], None),
    ],
)
def test_partition_keys_are_those_of_the_stream(
    monkeypatch: pytest.MonkeyPatch, names: str, filters: list[str], keys: dict[str, str] | None
) -> None:
    monkeypatch.setenv("PARTITION_KEYS", names)
    (result,) = run(gzipped({**DOCUMENT, "subscriptionFilters": filters}))
    assert result.get("metadata") == (None if keys is None else {"partitionKeys": keys})


def resubmitted(stream: Stream) -> list[dict[str, Any]]:
    return [json.loads(gzip.decompress(data)) for data in stream.accepted]


def messages_of(documents: list[dict[str, Any]]) -> list[str]:
    return [event["message"] for document in documents for event in document["logEvents"]]


def test_a_record_that_does_not_fit_into_a_response_is_resubmitted_in_parts_that_do(stream: Stream) -> None:
    messages = [f"{index:04d}" + "x" * 20_000 for index in range(900)]  # 18 MB
    (result,) = run(gzipped(with_messages(*messages)))
    assert result == {"recordId": "0", "result": "Dropped"}
    parts = resubmitted(stream)
    assert messages_of(parts) == messages
    assert {tuple((k, str(v)) for k, v in part.items() if k != "logEvents") for part in parts} == {
        tuple((k, str(v)) for k, v in DOCUMENT.items() if k != "logEvents")
    }
    assert {result["result"] for part in parts for result in run(gzipped(part))} == {"Ok"}


def test_records_that_do_not_fit_together_are_resubmitted_individually(stream: Stream) -> None:
    record = gzipped(with_messages(*["x" * 20_000] * 100))  # 2 MB
    results = Counter(result["result"] for result in run(*[record] * 5))
    assert results == {"Ok": 2, "Dropped": 3}
    assert len(stream.accepted) == 3


@pytest.mark.parametrize("how", ["always rejected", "unreachable"])
def test_a_record_that_cannot_be_resubmitted_is_returned_unchanged(stream: Stream, how: str) -> None:
    stream.fails, stream.rejects = how == "unreachable", lambda _: True
    record = gzipped(with_messages(*["x" * 20_000] * 100))
    results = run(*[record] * 5)
    assert Counter(result["result"] for result in results) == {"Ok": 2, "ProcessingFailed": 3}
    assert {result["data"] for result in results if result["result"] == "ProcessingFailed"} == {record}
    assert len(stream.calls) == 5


def test_a_response_has_space_for_records_that_are_returned_unchanged(stream: Stream) -> None:
    stream.fails = True
    noise = random.Random(7)  # noqa: S311 - no secret, but data that gzip hardly compresses
    records = [gzipped(with_messages(noise.randbytes(400_000).hex())) for _ in range(9)]
    assert "ProcessingFailed" in {result["result"] for result in run(*records)}  # run() checks the size


def test_a_record_that_is_resubmitted_whole_is_the_one_that_arrived(stream: Stream) -> None:
    record = gzipped(with_messages(*["x" * 20_000] * 100))
    run(*[record] * 5)
    assert set(stream.accepted) == {base64.b64decode(record)}


def test_a_record_whose_size_says_that_it_does_not_fit_is_not_decoded(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = mock.Mock(side_effect=transform._decompressed)
    monkeypatch.setattr(transform, "_decompressed", decoded)
    results = run(*[gzipped(with_messages(*["x" * 10_000] * 100))] * 20)  # 1 MB each
    fitting = [result for result in results if result["result"] == "Ok"]
    assert len(fitting) > 2
    assert decoded.call_count == len(fitting)
    assert len(stream.accepted) == len(results) - len(fitting)


BOMB = base64.b64encode(gzip.compress(bytes(40 * 2**20))).decode()
DAMAGED = gzip.compress(json.dumps(DOCUMENT).encode())
BAD = [
    BOMB,
    base64.b64encode(DAMAGED[:12] + b"\xff" * 8 + DAMAGED[20:]).decode(),  # its deflated data
    base64.b64encode(DAMAGED[:-6] + b"\x00" * 2 + DAMAGED[-4:]).decode(),  # its checksum
    base64.b64encode(DAMAGED[:-9]).decode(),
    base64.b64encode(gzip.compress(b"[" * 1_000_000)).decode(),
    base64.b64encode(gzip.compress(b'{"messageType": "DATA_MESSAGE", "owner": "1", "logEvents": [1]}')).decode(),
    base64.b64encode(gzip.compress(b"9" * 10_000)).decode(),
    "", "A", "not base64",
]  # fmt: skip


def test_no_damaged_record_and_no_bomb_affects_another_of_its_batch(stream: Stream) -> None:
    good = gzipped(DOCUMENT)
    results = run(*(each for bad in BAD for each in (bad, good)))
    assert [result["result"] for result in results] == ["ProcessingFailed", "Ok"] * len(BAD)
    assert [result["data"] for result in results[::2]] == BAD
    assert stream.accepted == []


def test_a_bomb_takes_no_more_memory_than_the_largest_document() -> None:
    bomb = base64.b64encode(gzip.compress(bytes(200 * 2**20))).decode()
    tracemalloc.start()
    run(*[bomb] * 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * transform._MAX_DOCUMENT_BYTES


def test_no_call_resubmits_more_than_500_records(stream: Stream) -> None:
    results = run(*[gzipped(with_messages("x" * 12_000))] * 1500)
    assert len(stream.calls) > 2
    assert Counter(result["result"] for result in results)["Dropped"] == sum(stream.calls) == len(stream.accepted)


def test_only_rejected_records_are_retried(stream: Stream) -> None:
    rejections = iter([True, False, False, False])
    stream.rejects = lambda _: next(rejections)
    results = run(*[gzipped(with_messages(*["x" * 20_000] * 100))] * 5)
    assert stream.calls == [3, 1]
    assert Counter(result["result"] for result in results) == {"Ok": 2, "Dropped": 3}


def test_a_record_with_an_event_too_large_for_a_response_is_returned_unchanged(stream: Stream) -> None:
    (result,) = run(gzipped(with_messages("\x00" * 1_000_000)))
    assert result["result"] == "ProcessingFailed"
    assert stream.accepted == []


@settings(max_examples=40)
@given(
    sizes=st.lists(st.lists(st.integers(0, 300), max_size=4), min_size=1, max_size=8),
    names=st.sampled_from(["", "account,region,group"]),
    rejects=st.booleans(),
)
def test_a_response_stays_within_its_limit_and_holds_all_that_fits(
    sizes: list[list[int]], names: str, *, rejects: bool
) -> None:
    limit, overhead, stream = 4_000, 120, Stream()
    stream.rejects = lambda _: rejects
    records = [gzipped(with_messages(*("x" * size for size in record))) for record in sizes]
    with (
        mock.patch.dict("os.environ", {"PARTITION_KEYS": names}),
        mock.patch.object(transform, "_firehose", return_value=stream),
        mock.patch.object(transform, "_FIRST_PAUSE_SECONDS", 0.0),
    ):
        whole = run(*records)
        with mock.patch.object(transform, "_MAX_RESPONSE_BYTES", limit):
            results = run(*records)
    longest = [max(len(json.dumps(result)), len(data) + overhead) for result, data in zip(whole, records, strict=True)]
    if sum(longest) + overhead * len(records) <= limit:
        assert results == whole
    if sum(len(data) + overhead for data in records) <= limit:
        assert len(json.dumps(results)) <= limit


@pytest.mark.parametrize(("too_little", "parts"), [(0, 1), (1, 2)])
def test_a_record_is_split_until_two_parts_fit_into_a_response(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, too_little: int, parts: int
) -> None:
    document = with_messages("x" * 3000, "y" * 3000)
    size = len(transform.lines(document, ARCHIVE)) * 4 // 3
    monkeypatch.setattr(transform, "_MAX_RESPONSE_BYTES", 2 * (size - too_little))
    first, second = run(gzipped(document), gzipped(document))
    assert (first["result"], second["result"]) == ("Ok", "Dropped")
    assert len(stream.accepted) == parts
    assert messages_of(resubmitted(stream)) == messages_of([document])


def test_rejected_records_are_retried_four_times_with_growing_pauses(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(transform, "_FIRST_PAUSE_SECONDS", 0.5)
    monkeypatch.setattr("time.sleep", pauses.append)
    stream.rejects = lambda _: True
    run(*[gzipped(with_messages(*["x" * 20_000] * 100))] * 3)
    assert (stream.calls, pauses) == ([1] * 5, [0.5, 1, 2, 4])


@pytest.mark.parametrize(
    ("sizes", "batches"),
    [
        ([], []),
        ([1, 1, 1], [[0, 1, 2]]),
        ([1, 1, 1, 1], [[0, 1, 2], [3]]),
        ([5, 5, 1], [[0, 1], [2]]),
        ([5, 6, 4], [[0], [1, 2]]),
        ([11, 1], [[0], [1]]),
        ([1, 11], [[0], [1]]),
    ],
)
def test_a_batch_has_at_most_as_many_records_and_bytes_as_firehose_accepts(
    monkeypatch: pytest.MonkeyPatch, sizes: list[int], batches: list[list[int]]
) -> None:
    monkeypatch.setattr(transform, "_MAX_BATCH_RECORDS", 3)
    monkeypatch.setattr(transform, "_MAX_BATCH_BYTES", 10)
    records = [(index, b"x" * size) for index, size in enumerate(sizes)]
    assert [[index for index, _ in batch] for batch in transform._batches(records)] == batches


def test_the_limits_are_those_of_firehose_and_lambda() -> None:
    assert (transform._MAX_BATCH_RECORDS, transform._MAX_BATCH_BYTES) == (500, 4 * 1024 * 1024)
    assert transform._MAX_RESPONSE_BYTES < MAX_PAYLOAD
    assert FIRST_PAUSE * sum((1, 2, 4, 8)) < 10  # of the minute that the function has


def test_records_are_resubmitted_to_firehose_in_the_region_of_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    client = FIREHOSE()
    assert (client.meta.service_model.service_name, client.meta.region_name) == ("firehose", "ap-south-1")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzipped({**DOCUMENT, "messageType": "OTHER"}), "unknown message type 'OTHER'"),
        (gzipped({**DOCUMENT, "logEvents": [{"id": "1"}]}), "KeyError: 'timestamp'"),
        (gzipped(with_messages("\x00" * 1_000_000)), "an event is too large for a response to Firehose"),
    ],
    ids=["type", "event", "size"],
)
def test_the_reason_of_a_failure_is_logged(caplog: pytest.LogCaptureFixture, data: str, reason: str) -> None:
    run(data)
    assert [vars(each).get("reason") for each in caplog.records if each.levelname == "WARNING"] == [reason]


def test_records_that_were_not_resubmitted_are_logged(stream: Stream, caplog: pytest.LogCaptureFixture) -> None:
    stream.rejects = lambda _: True
    with caplog.at_level("INFO", logger=transform.__name__):
        run(*[gzipped(with_messages(*["x" * 20_000] * 100))] * 4)
    *failures, summary = caplog.records
    assert {vars(each)["reason"] for each in failures} == {"could not be resubmitted to the stream"}
    assert (vars(summary)["resubmitted"], vars(summary)["notResubmitted"]) == (2, 2)


def test_the_numbers_of_records_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger=transform.__name__):
        run(gzipped(DOCUMENT), gzipped(CONTROL), "!")
    warning, summary = caplog.records
    assert vars(warning)["recordId"] == "2"
    assert vars(summary)["records"] == {"Ok": 1, "Dropped": 1, "ProcessingFailed": 1}
    assert (vars(summary)["resubmitted"], vars(summary)["notResubmitted"]) == (0, 0)


sizes = st.lists(st.lists(st.integers(0, 900_000), max_size=8), min_size=1, max_size=5)


@given(sizes=sizes)
def test_whatever_the_sizes_every_event_is_archived_exactly_once(sizes: list[list[int]]) -> None:
    """The stream is read until nothing is resubmitted."""
    stream = Stream()
    numbers = iter(range(1000))
    wanted = [[f"{next(numbers)} " + "y" * size for size in record] for record in sizes]
    waiting = [gzipped(with_messages(*messages)) for messages in wanted]
    archived: list[str] = []
    with mock.patch.object(transform, "_firehose", return_value=stream):
        for _ in range(20):
            results = run(*waiting)
            assert {result["result"] for result in results} <= {"Ok", "Dropped"}
            archived += [line["message"] for a in results if a["result"] == "Ok" for line in parsed(a)]
            waiting, stream.accepted = [base64.b64encode(data).decode() for data in stream.accepted], []
    assert not waiting
    assert Counter(archived) == Counter(message for record in wanted for message in record)
