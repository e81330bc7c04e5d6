"""The stream changes, or is replaced, while events are written: none is lost. The tests run in their order."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.existing_archive import eventually
from tests.sandbox.stacks import EXAMPLES, Stacks, left_behind
from tests.stacks import config_of

GROUPS = {"eu-west-1": ("aws-waf-logs-shop", "/aws/lambda/checkout"), "us-east-1": ("aws-waf-logs-cdn",)}
"""Region → log groups of the example stack app-dev."""
_numbers = itertools.count()


@contextlib.contextmanager
def written(stacks: Stacks) -> Iterator[set[str]]:
    """Write events into each log group, many times a second; yield the set of those that have been written."""
    over, events = threading.Event(), set[str]()

    def go_on(logs: Any, group: str) -> None:  # noqa: ANN401 - boto3
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_stream(logGroupName=group, logStreamName="writer")
        while not over.wait(0.02):
            event = f"event-{next(_numbers)}."
            put = [{"timestamp": 1, "message": event}]
            logs.put_log_events(logGroupName=group, logStreamName="writer", logEvents=put)
            events.add(event)

    writers = [
        threading.Thread(target=go_on, args=(stacks.client("logs", account="222222222222", region=region), group))
        for region, groups in GROUPS.items()
        for group in groups
    ]
    for writer in writers:
        writer.start()
    try:
        yield events
    finally:
        over.set()
        for writer in writers:
            writer.join()


def archived_events(stacks: Stacks, bucket: str) -> set[str]:
    """Return the events that are archived as such, in any layout."""
    s3 = stacks.client("s3", account="111111111111")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="logs/")
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    bodies = [gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).decode() for key in keys]
    return {event for body in bodies for event in re.findall(r"event-\d+\.", body)}


DATED: dict[str, Any] = {}
PARTITIONED = {"delivery": {"layout": "partitioned"}}
TRANSFORMED = {"transform": "bundled"}
BACKED_UP = {"transform": {"code": "bundled", "backup": True}}


@pytest.fixture(scope="module")
def deployed(stacks: Stacks) -> Stacks:
    stacks.up("archive", config(BACKED_UP))
    stacks.up("app-dev")
    return stacks


def config(settings: dict[str, Any]) -> dict[str, Any]:
    return {"archive": {**config_of("archive")["archive"], **settings}}


@pytest.mark.parametrize(
    ("settings", "is_replaced"),
    [
        pytest.param(DATED, True, id="transform and backup end"),
        pytest.param(PARTITIONED, True, id="dated to partitioned"),
        pytest.param(DATED, True, id="partitioned to dated"),
        pytest.param(BACKED_UP, False, id="no transform to a transform with a backup"),
        pytest.param(TRANSFORMED, True, id="the backup ends"),
        pytest.param(DATED, True, id="the transform ends"),
    ],
)
def test_no_event_is_lost_when_the_stream_changes(
    deployed: Stacks, settings: dict[str, Any], *, is_replaced: bool
) -> None:
    bucket, old = (deployed.outputs("archive")[key] for key in ("bucket", "stream"))
    with written(deployed) as events:
        assert eventually(lambda: len(events) > 50)
        deployed.up("archive", config(settings))
        after = len(events)
        assert eventually(lambda: len(events) > after + 50)
    assert (deployed.outputs("archive")["stream"] != old) is is_replaced
    assert eventually(lambda: deployed.ask("idle")["idle"])
    assert len(events - archived_events(deployed, bucket)) == 0
    deployed.pulumi("preview", "--expect-no-changes", "-s", "archive", config=config(settings))


def test_nothing_is_left_behind(deployed: Stacks) -> None:
    for stack in EXAMPLES[1::-1]:
        deployed.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)
    assert left_behind(deployed) == []
