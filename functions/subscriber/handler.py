"""Subscribes log groups that are made after ``pulumi up``: when they are made, and in an hourly look at all of them.

It touches the subscription filters of its own name only, and nothing else of a log group. ``config.json`` beside it
says what is wanted: ``filterName``, ``handOver`` (the name of Pulumi's filters), ``entries`` and ``exclude``. What an
entry means is decided by the program's own ``topology/patterns.py``, which is uploaded too.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from topology.patterns import entries_of, is_pattern

# AWS takes five puts and deletes a second in an account and region, and the rate is fixed ("CloudWatch Logs quotas").
_PAUSE_SECONDS = 0.25
_SUBSCRIBABLE = "STANDARD"
_log = logging.getLogger()
_log.setLevel(logging.INFO)


class SubscriberError(Exception):
    """Some log groups could not be brought to what is wanted. The text names them."""


def handler(event: Mapping[str, Any], _context: object) -> dict[str, int]:
    """Bring the filters of one new log group, or of all, to what is wanted.

    Args:
        event: of CloudTrail, that a log group was made; of Pulumi, with the action of its update under ``tf``; anything
            else, like that of a schedule, is a look at all log groups that entries mean.

    Returns:
        How many filters were put and deleted.

    Raises:
        SubscriberError: AWS refused some of it. Lambda tries again, and then the event goes to the dead-letter queue.
    """
    wanted = json.loads(Path(__file__).with_name("config.json").read_text(encoding="utf-8"))
    detail = event.get("detail") or {}
    if detail.get("eventName") == "CreateLogGroup":
        request = detail["requestParameters"]
        return _reconcile([(request["logGroupName"], request.get("logGroupClass", _SUBSCRIBABLE))], wanted)
    action = (event.get("tf") or {}).get("action")
    if action == "delete":
        wanted = {**wanted, "entries": []}
    groups = _log_groups()
    if action is None:
        # Without a change of what is wanted there is nothing to take away, and far less to ask.
        groups = [group for group in groups if _entry(group[0], wanted)]
    return _reconcile(groups, wanted)


def _reconcile(groups: Iterable[tuple[str, str]], wanted: Mapping[str, Any]) -> dict[str, int]:
    counts = {"put": 0, "deleted": 0}
    failed = []
    for name, log_class in groups:
        try:
            done = _bring(name, _entry(name, wanted) if log_class == _SUBSCRIBABLE else None, wanted)
        except ClientError as error:
            _log.error("failed", extra={"logGroup": name, "reason": str(error)})
            failed.append(name)
            continue
        if done:
            _log.info(done, extra={"logGroup": name})
            counts[done] += 1
            time.sleep(_PAUSE_SECONDS)
    if failed:
        raise SubscriberError(f"{len(failed)} log groups failed: {', '.join(failed)}; the log of the function says why")
    return counts


def _entry(name: str, wanted: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the pattern that means a log group. What is named is Pulumi's own."""
    entries = {entry["name"]: entry for entry in wanted["entries"]}
    meant = entries_of(name, entries, wanted["exclude"])
    return entries[meant[0]] if meant and is_pattern(meant[0]) else None


def _bring(name: str, entry: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> str | None:
    """Put or delete the filter of a log group; return which, or None where nothing was to be done."""
    logs, filter_name = _logs(), wanted["filterName"]
    try:
        found = logs.describe_subscription_filters(logGroupName=name)["subscriptionFilters"]
        filters = {each["filterName"]: each for each in found}
        if entry is None:
            if filter_name not in filters:
                return None
            logs.delete_subscription_filter(logGroupName=name, filterName=filter_name)
            return "deleted"
        role = os.environ.get("ROLE_ARN")
        put = {
            "destinationArn": os.environ["DESTINATION_ARN"],
            "filterPattern": entry["filterPattern"],
            "emitSystemFields": entry["emitSystemFields"],
            **({"roleArn": role} if role else {}),
        }
        before = {"emitSystemFields": [], **filters.get(filter_name, {})}
        if all(before.get(key) == value for key, value in put.items()):
            return None
        logs.put_subscription_filter(logGroupName=name, filterName=filter_name, **put)
    except logs.exceptions.ResourceNotFoundException:
        return None  # deleted in the meantime
    except logs.exceptions.LimitExceededException:
        if wanted["handOver"] in filters:
            return None  # Pulumi is about to take its own filter away, and the next look comes
        raise
    return "put"


def _log_groups() -> list[tuple[str, str]]:
    """Name and class of every log group."""
    pages = _logs().get_paginator("describe_log_groups").paginate()
    return [(g["logGroupName"], g.get("logGroupClass", _SUBSCRIBABLE)) for page in pages for g in page["logGroups"]]


@functools.cache
def _logs() -> Any:  # noqa: ANN401 - boto3
    # Not more: a log group without room for another filter looks like a rate that is too high.
    return boto3.client("logs", config=Config(retries={"mode": "adaptive", "max_attempts": 5}))
