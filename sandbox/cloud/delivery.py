"""Delivers events from a log group through subscription filters and destinations to a stream.

AWS repeats the checks of PutSubscriptionFilter at delivery. Events that fail them are lost, not kept (CloudWatch Logs
User Guide, "Real-time processing of log data with subscriptions"), and counted as DeliveryErrors in the sender's own
account and region.
"""

from __future__ import annotations

import functools
import gzip
import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from ministack.core.arn import Arn, ArnParseError
from ministack.core.responses import get_account_id, request_scope
from ministack.services import cloudwatch_logs as logs

from sandbox.cloud import account_policies, centralization, destinations, filter_pattern, firehose, keys, permissions
from sandbox.cloud.metrics import count
from sandbox.cloud.patch import replace

_EVENTS_BYTES = 900 * 1024  # of events in a record, uncompressed: gzipped, they are far below the limit of 1,000 KiB


def install() -> None:
    """Replace functions of the emulator."""

    def fan_out(group_name: str, stream_name: str, events: list[dict[str, Any]]) -> None:
        original(group_name, stream_name, events)  # to functions
        _fan_out(group_name, stream_name, events)
        centralization.copy(group_name, stream_name, events)

    original = replace(logs, "_fanout_to_subscription_filters", "group_name stream_name events", fan_out)


def _fan_out(group_name: str, log_stream: str, events: list[dict[str, Any]]) -> None:
    group = logs._log_groups.get(group_name) or {}
    by_policy = account_policies.subscription_of(group_name)
    for subscription in [*group.get("subscriptionFilters", {}).values(), *([by_policy] if by_policy else [])]:
        if ":function:" in subscription["destinationArn"]:
            continue  # the emulator's own
        matches = filter_pattern.matcher(subscription["filterPattern"])
        selected = [event for event in events if matches(event["message"])]
        if selected:
            _deliver(group_name, log_stream, subscription, selected)


def _deliver(group_name: str, log_stream: str, subscription: dict[str, Any], events: list[dict[str, Any]]) -> None:
    dimensions = {
        "LogGroupName": group_name, "DestinationType": "Firehose", "FilterName": subscription["filterName"],
    }  # fmt: skip
    target = _target(group_name, subscription)
    if target is None:
        count("AWS/Logs", dimensions, {"DeliveryErrors": len(events)})
        return
    parsed, stream = target
    size = 0
    account, region = centralization.source()
    fields = {"@aws.account": account, "@aws.region": region, "@source.log": group_name}
    emitted = {name: fields[name] for name in subscription.get("emitSystemFields", ())}
    extracted = {"extractedFields": emitted} if emitted else {}
    for chunk in _chunks(events):
        document = {
            "messageType": "DATA_MESSAGE",
            "owner": get_account_id(),
            "logGroup": group_name,
            "logStream": log_stream,
            "subscriptionFilters": [subscription["filterName"]],
            **({"policyLevel": subscription["policyLevel"]} if "policyLevel" in subscription else {}),
            "logEvents": [
                {
                    "id": uuid4().hex,
                    "timestamp": event.get("timestamp", int(time.time() * 1000)),
                    "message": event["message"],
                    **extracted,
                }
                for event in chunk
            ],
        }
        record = gzip.compress(json.dumps(document).encode(), compresslevel=1)
        size += len(record)
        firehose.ingest(parsed.account_id, parsed.region, stream, [record])
    count("AWS/Logs", dimensions, {"ForwardedLogEvents": len(events), "ForwardedBytes": size})


def _target(group_name: str, subscription: dict[str, Any]) -> tuple[Arn, dict[str, Any]] | None:
    """Return the stream that a filter leads to; None: a part of the delivery path is missing or denies delivery."""
    account, arn, role = get_account_id(), subscription["destinationArn"], subscription["roleArn"]
    source = destinations.log_group_arn(group_name)
    try:
        if ":destination:" in arn:
            _, destination = destinations.find(arn)
            if destination is None or not permissions.destination_admits(
                destination["accessPolicy"], account, subscription.get("admittedBy", "logs:PutSubscriptionFilter"), arn
            ):
                return None
            # A filter that has a role delivers through it, even if the policy does not require one.
            needs_role = role or destinations.names_an_organization(destination["accessPolicy"])
            if needs_role and not destinations.logs_may(role, "logs:PutLogEvents", source, source_arn=source):
                return None
            arn, role = destination["targetArn"], destination["roleArn"]
        parsed, stream = destinations.stream_of(arn)
    except ArnParseError:
        return None
    if stream is None or not destinations.logs_may(role, "firehose:PutRecord", arn, source_arn=source):
        return None
    with request_scope(parsed.account_id, parsed.region):
        if not keys.may_put_records(stream, functools.partial(permissions.role_may, role)):
            return None
    return parsed, stream


def _chunks(events: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    size = 0
    for event in events:
        length = len(event["message"].encode())
        if chunk and size + length > _EVENTS_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(event)
        size += length
    yield chunk
