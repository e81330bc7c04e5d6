"""Subscribes log groups that are created after ``pulumi up``: upon their creation, and in an hourly check of all.

It changes only subscription filters with its own name. ``config.json`` in its folder contains ``filterName``,
``handOver`` (the name of Pulumi's filters), ``entries`` and ``exclude``. The program's own ``topology/patterns.py``,
which is uploaded too, decides which entries select a log group.

An event says when to look, and never what to do: whoever may invoke the function can make one up. What a log group is
to have follows from ``config.json`` and from what AWS says of the log group and of the function's rule.
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

from topology.patterns import SUBSCRIBER, entries_of, is_pattern

# AWS allows five puts and deletes per second in an account and region; this quota cannot be increased ("CloudWatch Logs
# quotas").
_PAUSE_SECONDS = 0.25
_SUBSCRIBABLE = "STANDARD"
_log = logging.getLogger()
_log.setLevel(logging.INFO)


class SubscriberError(Exception):
    """The filters of some log groups could not be reconciled. The message names the log groups."""


def handler(event: Mapping[str, Any], _context: object) -> dict[str, int]:
    """Reconcile the filter of a new log group, or of all log groups, with the configuration.

    Args:
        event: from CloudTrail, for a new log group; from Pulumi, with the action of its update under ``tf``; any other,
            like that of a schedule, checks all log groups that entries select. Pulumi's deletion of the function
            deletes all of its filters, but only once the function's rule is gone.

    Returns:
        How many filters were put and deleted.

    Raises:
        SubscriberError: a log group failed, after all others were reconciled. Lambda retries, and then sends the event
            to the dead-letter queue.
    """
    config = json.loads(Path(__file__).with_name("config.json").read_text(encoding="utf-8"))
    detail = event.get("detail") or {}
    if detail.get("eventName") == "CreateLogGroup":
        name = detail["requestParameters"]["logGroupName"]
        return _reconcile([group for group in _log_groups(logGroupNamePrefix=name) if group[0] == name], config)
    action = (event.get("tf") or {}).get("action")
    if action == "delete" and _rule_is_deleted():
        config = {**config, "entries": []}
    groups = _log_groups()
    if action is None:
        # Unless the configuration changes, there is no filter to delete, and far fewer calls are needed.
        groups = [group for group in groups if _entry(group[0], config)]
    return _reconcile(groups, config)


def _reconcile(groups: Iterable[tuple[str, str]], config: Mapping[str, Any]) -> dict[str, int]:
    counts = {"put": 0, "deleted": 0}
    failed = []
    for name, log_class in groups:
        try:
            done = _reconcile_group(name, _entry(name, config) if log_class == _SUBSCRIBABLE else None, config)
        except Exception as error:  # noqa: BLE001 - whatever it is, other log groups are still reconciled
            _log.exception("failed", extra={"logGroup": name, "reason": str(error)})
            failed.append(name)
            continue
        if done:
            _log.info(done, extra={"logGroup": name})
            counts[done] += 1
            time.sleep(_PAUSE_SECONDS)
    if failed:
        raise SubscriberError(f"{len(failed)} of the log groups failed: {', '.join(failed)}; see the function's log")
    return counts


def _entry(name: str, config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the pattern that selects a log group. One with an entry of its own is left to Pulumi."""
    entries = {entry["name"]: entry for entry in config["entries"]}
    selecting = entries_of(name, entries, config["exclude"])
    return entries[selecting[0]] if selecting and is_pattern(selecting[0]) else None


def _reconcile_group(name: str, entry: Mapping[str, Any] | None, config: Mapping[str, Any]) -> str | None:
    """Put or delete the filter of a log group; return which, or None if it is up to date."""
    logs, filter_name = _logs(), config["filterName"]
    try:
        found = logs.describe_subscription_filters(logGroupName=name)["subscriptionFilters"]
    except logs.exceptions.ResourceNotFoundException:
        return None  # deleted in the meantime; from other calls, the error could be about the destination or the role
    filters = {each["filterName"]: each for each in found}
    current = filters.get(filter_name, {})
    if entry is None:
        if not current:
            return None
        logs.delete_subscription_filter(logGroupName=name, filterName=filter_name)
        return "deleted"
    role, fields = os.environ.get("ROLE_ARN"), entry["emitSystemFields"]
    desired = {
        "destinationArn": os.environ["DESTINATION_ARN"],
        "filterPattern": entry["filterPattern"],
        # An SDK from before September 2025 rejects the parameter, and AWS keeps the previous fields without it.
        **({"emitSystemFields": fields} if fields or current.get("emitSystemFields") else {}),
        **({"roleArn": role} if role else {}),
    }
    if current and all(current.get(key) == value for key, value in desired.items()):
        return None
    try:
        logs.put_subscription_filter(logGroupName=name, filterName=filter_name, **desired)
    except logs.exceptions.LimitExceededException:
        if config["handOver"] in filters:
            return None  # Pulumi is about to delete its own filter; the next check puts this one
        raise
    return "put"


def _rule_is_deleted() -> bool:
    """Return whether the rule that invokes the function is deleted, which Pulumi does before it deletes the filters."""
    events = _events()
    try:
        events.describe_rule(Name=SUBSCRIBER)
    except events.exceptions.ResourceNotFoundException:
        return True
    return False


def _log_groups(**selection: str) -> list[tuple[str, str]]:
    """Return name and class of every log group, or of those that parameters of DescribeLogGroups select."""
    pages = _logs().get_paginator("describe_log_groups").paginate(**selection)
    return [(g["logGroupName"], g.get("logGroupClass", _SUBSCRIBABLE)) for page in pages for g in page["logGroups"]]


@functools.cache
def _logs() -> Any:  # noqa: ANN401 - boto3 has no types
    # No more attempts: a log group at its quota of filters looks like throttling.
    return boto3.client("logs", config=Config(retries={"mode": "adaptive", "max_attempts": 5}))


@functools.cache
def _events() -> Any:  # noqa: ANN401 - boto3 has no types
    return boto3.client("events")
