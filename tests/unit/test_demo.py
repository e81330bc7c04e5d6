"""Which events the demo expects to arrive, how it counts those that do, and which log groups prepare creates."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import Any

import cramjam
import pytest

from sandbox.archived import place_and_number
from sandbox.demo import Archived, filter_pattern_of
from sandbox.prepare import presumed_log_groups
from topology.compression import decompressed
from topology.patterns import entries_of
from topology.selection import selection_problems
from topology.settings import RegionLogGroups

PLACE = ("222222222222", "eu-west-1", "/app")


def region(**keys: Any) -> RegionLogGroups:  # noqa: ANN401 - as in a stack file
    return RegionLogGroups.model_validate_json(json.dumps(keys))


@pytest.mark.parametrize(
    ("wanted", "created"),
    [
        ({"logGroups": ["/a", {"name": "/created", "create": True, "retentionDays": 1}]}, ["/a"]),
        ({"logGroups": ["/a/*"]}, ["/a/sandbox-1", "/a/sandbox-2"]),
        ({"logGroups": ["*"]}, ["sandbox-1", "sandbox-2"]),
        ({"logGroups": ["/a/*-b/*"]}, ["/a/sandbox-1-b/sandbox-1", "/a/sandbox-2-b/sandbox-2"]),
        ({"logGroups": ["/a/*"], "exclude": ["*sandbox*"]}, ["/a/a", "/a/b"]),
        ({"logGroups": ["/a/*"], "exclude": ["/a/s*", "/a/a", "/a/b"]}, ["/a/"]),
        ({"logGroups": ["/a/*", "*-1"]}, ["/a/sandbox-2", "/a/sandbox", "sandbox-1-1", "sandbox-2-1"]),
        ({"logGroups": ["/a/*", "/a/sandbox-1"]}, ["/a/sandbox-1", "/a/sandbox-2", "/a/sandbox"]),
        ({"logGroups": ["/a/*"], "autoSubscribe": True}, ["/a/sandbox-1", "/a/sandbox-2"]),
        ({"all": True}, ["/sandbox/sandbox-1", "/sandbox/sandbox-2"]),
        ({"all": True, "exclude": ["*-1"], "logGroups": ["/b"]}, ["/b", "/sandbox/sandbox-2", "/sandbox/sandbox"]),
    ],
)
def test_the_entries_of_a_region_can_be_deployed_with_the_created_log_groups(
    wanted: dict[str, Any], created: list[str]
) -> None:
    entries = region(**wanted)
    assert presumed_log_groups(entries) == created
    assert list(selection_problems(entries, dict.fromkeys(created, "STANDARD"))) == []
    if entries.all is not None:
        assert any(entries_of(name, ["*"], entries.exclude or ()) for name in created)


@pytest.mark.parametrize(
    ("wanted", "group", "pattern"),
    [
        ({"logGroups": ["/a"]}, "/a", ""),
        ({"logGroups": ["/a"]}, "/b", None),
        ({"logGroups": [{"name": "/a/*", "filterPattern": "ERROR"}, "/a/b"]}, "/a/c", "ERROR"),
        ({"logGroups": [{"name": "/a/*", "filterPattern": "ERROR"}, "/a/b"]}, "/a/b", ""),
        ({"logGroups": ["/a/*"], "exclude": ["/a/b"]}, "/a/b", None),
        ({"all": {"filterPattern": "WARN"}}, "/any", "WARN"),
        ({"all": True, "exclude": ["/any"]}, "/any", None),
        ({"all": True}, "central-log-archive-canary", None),
    ],
)
def test_the_entries_decide_which_events_of_a_log_group_are_archived(
    wanted: dict[str, Any], group: str, pattern: str | None
) -> None:
    assert filter_pattern_of(region(**wanted), group) == pattern


RECORD = {
    "messageType": "DATA_MESSAGE", "owner": PLACE[0], "logGroup": PLACE[2],
    "subscriptionFilters": ["central-log-archive.auto.eu-west-1"], "logEvents": [{"message": "a"}, {"message": "b"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (json.dumps(RECORD), (PLACE, 2)),
        (json.dumps({"account": PLACE[0], "region": PLACE[1], "logGroup": PLACE[2], "message": {}}), (PLACE, 1)),
        (json.dumps({**RECORD, "messageType": "CONTROL_MESSAGE"}), (("", "", ""), 0)),
        (json.dumps({"message": "from a transform"}), None),
        ("[]", None),
        ("plain text", None),
        (b"\xff", None),
    ],
)
def test_a_line_says_where_its_events_come_from(line: str | bytes, found: object) -> None:
    assert place_and_number(line.encode() if isinstance(line, str) else line) == found


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("logs/a.gz", gzip.compress(b"text", mtime=0)),
        ("logs/a.snappy", bytes(cramjam.snappy.compress(b"text"))),
        ("logs/a", b"text"),
    ],
)
def test_the_key_of_an_object_decides_how_it_is_decompressed(key: str, body: bytes) -> None:
    assert decompressed(key, body) == b"text"


@pytest.mark.parametrize(
    ("archived", "complete"),
    [
        (Archived(None, Counter({PLACE: 2}), Counter({PLACE: 2})), True),
        (Archived(None, Counter({PLACE: 2}), Counter({PLACE: 1})), False),
        (Archived(None, Counter({PLACE: 2}), Counter({PLACE: 4})), False),
        (Archived(None, Counter({PLACE: 0}), Counter()), True),
        (Archived(None, Counter({PLACE: 2}), Counter({PLACE: 2}), failed=1), False),
        (Archived("transforms/mine", Counter({PLACE: 2}), Counter(), unknown=5), True),
        (Archived("transforms/mine", Counter({PLACE: 2}), Counter(), failed=1), False),
    ],
)
def test_an_archive_is_complete_when_all_that_was_sent_arrived_once(archived: Archived, *, complete: bool) -> None:
    assert archived.complete is complete
