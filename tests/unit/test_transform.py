"""The bundled transform: what it makes of records, what it puts again, and that it loses none."""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
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
MAX_PAYLOAD = 6 * 1024 * 1024


class Stream:
    """Takes records as Firehose does, and refuses some of them as it may."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.calls: list[int] = []
        self.refuses: Callable[[bytes], bool] = lambda _: False
        self.fails = False

    def put_record_batch(self, DeliveryStreamName: str, Records: list[dict[str, bytes]]) -> dict[str, Any]:  # noqa: N803
        assert DeliveryStreamName == "archive"
        data = [record["Data"] for record in Records]
        assert len(data) <= 500
        assert sum(map(len, data)) <= 4 * 1024 * 1024
        self.calls.append(len(data))
        if self.fails:
            raise ConnectionError("no way through")
        refused = [self.refuses(each) for each in data]
        self.taken += [each for each, no in zip(data, refused, strict=True) if not no]
        answers = [{"ErrorCode": "ServiceUnavailableException"} if no else {"RecordId": "1"} for no in refused]
        return {"FailedPutCount": sum(refused), "RequestResponses": answers}


@pytest.fixture(autouse=True)
def stream(monkeypatch: pytest.MonkeyPatch) -> Stream:
    made = Stream()
    monkeypatch.setattr(transform, "_firehose", lambda: made)
    monkeypatch.setattr(transform, "_FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.delenv("PARTITION_KEYS", raising=False)
    return made


def packed(document: object) -> str:
    return base64.b64encode(gzip.compress(json.dumps(document).encode(), compresslevel=1)).decode()


def run(*data: str) -> list[dict[str, Any]]:
    records = [{"recordId": str(index), "data": each} for index, each in enumerate(data)]
    response = transform.handler({"deliveryStreamArn": STREAM, "records": records}, None)
    assert [answer["recordId"] for answer in response["records"]] == [record["recordId"] for record in records]
    assert len(json.dumps(response)) <= MAX_PAYLOAD
    return response["records"]


def parsed(answer: dict[str, Any]) -> list[dict[str, Any]]:
    lines = base64.b64decode(answer["data"]).decode().split("\n")
    assert lines.pop() == ""
    return [json.loads(line) for line in lines]


def with_messages(*messages: str) -> dict[str, Any]:
    return {**DOCUMENT, "logEvents": [{**EVENT, "message": message} for message in messages]}


def test_each_event_is_a_line_that_says_where_it_comes_from() -> None:
    (answer,) = run(packed(with_messages("one", "two")))
    place = {"account": "222222222222", "region": "us-east-1", "logGroup": "/aws/lambda/checkout", "logStream": "s"}
    assert parsed(answer) == [
        {**place, "id": "1", "timestamp": 1700000000000, "message": message} for message in ("one", "two")
    ]
    assert answer["result"] == "Ok"
    assert "metadata" not in answer


def test_system_fields_that_a_filter_adds_stay_with_their_event() -> None:
    fields = {"@aws.region": "us-east-1", "@source.log": "/central/copy"}
    (answer,) = run(packed({**DOCUMENT, "logEvents": [EVENT, {**EVENT, "extractedFields": fields}]}))
    assert [line.get("extractedFields") for line in parsed(answer)] == [None, fields]


def test_a_message_that_is_a_json_object_is_set_in_as_it_is() -> None:
    waf = '{"action": "BLOCK",\n "httpRequest": {"clientIp": "192.0.2.1"}, "big": 12345678901234567890.10, "a": 1}'
    (answer,) = run(packed(with_messages(waf)))
    (line,) = parsed(answer)
    assert line["message"]["httpRequest"]["clientIp"] == "192.0.2.1"
    assert b"12345678901234567890.10" in base64.b64decode(answer["data"])


@pytest.mark.parametrize(
    "message",
    ["", "text", '{"a": NaN}', "{", '["a"]', '"a"', "1", '{"a": ' + "[" * 100_000, '{"a":1} {"b":2}', "a\nb\u2028\x00"],
    ids=lambda message: repr(message)[:20],
)  # fmt: skip
def test_every_other_message_stays_the_text_that_it_was(message: str) -> None:
    (answer,) = run(packed(with_messages(message)))
    assert [line["message"] for line in parsed(answer)] == [message]


def test_half_a_surrogate_is_kept_as_an_escape() -> None:
    (answer,) = run(packed(with_messages("a\ud800b", '{"k": "\ud800"}')))
    assert [line["message"] for line in parsed(answer)] == ["a\ud800b", {"k": "\ud800"}]


def test_test_messages_are_dropped() -> None:
    assert run(packed(CONTROL)) == [{"recordId": "0", "result": "Dropped"}]


UNREADABLE = {
    "no base64": "!",
    "no gzip": base64.b64encode(b"text").decode(),
    "half of a record": base64.b64encode(gzip.compress(b"x" * 1000)[:-9]).decode(),
    "no JSON": base64.b64encode(gzip.compress(b"{")).decode(),
    "no object": packed([1]),
    "no events": packed({key: value for key, value in DOCUMENT.items() if key != "logEvents"}),
    "a message that is no text": packed({**DOCUMENT, "logEvents": [{**EVENT, "message": 1}]}),
    "an unknown type": packed({**DOCUMENT, "messageType": "OTHER"}),
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_comes_back_as_it_was_beside_what_can(data: str) -> None:
    failed, good = run(data, packed(DOCUMENT))
    assert failed == {"recordId": "0", "result": "ProcessingFailed", "data": data}
    assert good["result"] == "Ok"


def test_partition_keys_are_those_that_the_stream_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTITION_KEYS", "account,region,group")
    (answer,) = run(packed(DOCUMENT))
    keys = {"account": "222222222222", "region": "us-east-1", "group": "_aws_lambda_checkout"}
    assert answer["metadata"] == {"partitionKeys": keys}


def put_again(stream: Stream) -> list[dict[str, Any]]:
    return [json.loads(gzip.decompress(data)) for data in stream.taken]


def messages_of(documents: list[dict[str, Any]]) -> list[str]:
    return [event["message"] for document in documents for event in document["logEvents"]]


def test_what_does_not_fit_into_an_answer_is_put_again_in_parts_that_do(stream: Stream) -> None:
    messages = [f"{index:04d}" + "x" * 20_000 for index in range(900)]  # 18 MB
    (answer,) = run(packed(with_messages(*messages)))
    assert answer == {"recordId": "0", "result": "Dropped"}
    again = put_again(stream)
    assert messages_of(again) == messages
    assert {tuple((k, str(v)) for k, v in part.items() if k != "logEvents") for part in again} == {
        tuple((k, str(v)) for k, v in DOCUMENT.items() if k != "logEvents")
    }
    assert {answer["result"] for part in again for answer in run(packed(part))} == {"Ok"}


def test_records_that_together_do_not_fit_are_put_again_one_by_one(stream: Stream) -> None:
    record = packed(with_messages(*["x" * 20_000] * 100))  # 2 MB
    results = Counter(answer["result"] for answer in run(*[record] * 5))
    assert results == {"Ok": 2, "Dropped": 3}
    assert len(stream.taken) == 3


@pytest.mark.parametrize("how", ["refused for good", "cannot be reached"])
def test_what_cannot_be_put_again_comes_back_as_it_was(stream: Stream, how: str) -> None:
    stream.fails, stream.refuses = how == "cannot be reached", lambda _: True
    record = packed(with_messages(*["x" * 20_000] * 100))
    answers = run(*[record] * 5)
    assert Counter(answer["result"] for answer in answers) == {"Ok": 2, "ProcessingFailed": 3}
    assert {answer["data"] for answer in answers if answer["result"] == "ProcessingFailed"} == {record}
    assert len(stream.calls) == 5


def test_an_answer_has_room_for_what_comes_back_as_it_was(stream: Stream) -> None:
    stream.fails = True
    noise = random.Random(7)  # noqa: S311 - no secret, but what gzip does not make much smaller
    records = [packed(with_messages(noise.randbytes(400_000).hex())) for _ in range(9)]
    assert "ProcessingFailed" in {answer["result"] for answer in run(*records)}  # run() looks at its size


def test_however_many_records_are_put_again_a_call_has_500_at_most(stream: Stream) -> None:
    answers = run(*[packed(with_messages("x" * 12_000))] * 1500)
    assert len(stream.calls) > 2
    assert Counter(answer["result"] for answer in answers)["Dropped"] == sum(stream.calls) == len(stream.taken)


def test_only_what_was_refused_is_put_once_more(stream: Stream) -> None:
    refusals = iter([True, False, False, False])
    stream.refuses = lambda _: next(refusals)
    answers = run(*[packed(with_messages(*["x" * 20_000] * 100))] * 5)
    assert stream.calls == [3, 1]
    assert Counter(answer["result"] for answer in answers) == {"Ok": 2, "Dropped": 3}


def test_an_event_that_no_answer_can_hold_comes_back_as_it_was(stream: Stream) -> None:
    (answer,) = run(packed(with_messages("\x00" * 1_000_000)))
    assert answer["result"] == "ProcessingFailed"
    assert stream.taken == []


def test_what_was_done_is_logged_in_figures(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger=transform.__name__):
        run(packed(DOCUMENT), packed(CONTROL), "!")
    warning, summary = caplog.records
    assert vars(warning)["recordId"] == "2"
    assert vars(summary)["records"] == {"Ok": 1, "Dropped": 1, "ProcessingFailed": 1}


sizes = st.lists(st.lists(st.integers(0, 900_000), max_size=8), min_size=1, max_size=5)


@given(sizes=sizes)
def test_whatever_the_sizes_every_event_is_archived_exactly_once(sizes: list[list[int]]) -> None:
    """The stream is asked again until nothing is put again."""
    stream = Stream()
    numbers = iter(range(1000))
    wanted = [[f"{next(numbers)} " + "y" * size for size in record] for record in sizes]
    waiting = [packed(with_messages(*messages)) for messages in wanted]
    archived: list[str] = []
    with mock.patch.object(transform, "_firehose", return_value=stream):
        for _ in range(20):
            answers = run(*waiting)
            assert {answer["result"] for answer in answers} <= {"Ok", "Dropped"}
            archived += [line["message"] for a in answers if a["result"] == "Ok" for line in parsed(a)]
            waiting, stream.taken = [base64.b64encode(data).decode() for data in stream.taken], []
    assert not waiting
    assert Counter(archived) == Counter(message for record in wanted for message in record)
