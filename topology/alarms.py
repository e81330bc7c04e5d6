"""What is watched: alarms on the metrics of AWS, and a dashboard. Plain values; no resource is made here.

Metrics: Firehose Developer Guide, "Monitor Amazon Data Firehose Using CloudWatch Metrics"; CloudWatch Logs User Guide,
"Monitoring with CloudWatch metrics"; CloudWatch User Guide, "Using metric math" and "Query your metrics with CloudWatch
Metrics Insights".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from topology.names import filter_name

PERIOD_SECONDS = 300
"""Over how long each value of an alarm is taken. Firehose writes in minutes, so less would only make noise."""

_LATE_SECONDS = 900
_NEAR_A_LIMIT = 0.8
_KEY_METRICS = ("KMSKeyAccessDenied", "KMSKeyDisabled", "KMSKeyInvalidState", "KMSKeyNotFound")


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """When someone has to be told. Missing data is no reason: where nothing is sent, nothing is late.

    Attributes:
        name: the end of its name.
        description: what is wrong, and where to look.
        namespace: of its metrics; empty where the expression is a query.
        metrics: id → metric and statistic.
        expression: what is made of the metrics, in CloudWatch's metric math, or a query of Metrics Insights.
        comparison: of the value with the threshold.
        threshold: in the metric's own unit.
        periods: how many periods of the last ``periods`` have to be bad.
    """

    name: str
    description: str
    namespace: str = ""
    metrics: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    expression: str
    comparison: Literal["GreaterThanThreshold", "LessThanThreshold"]
    threshold: float
    periods: int = 1


def stream_alarms(
    *, buffer_seconds: int, transformed: bool, partitioned: bool, has_key: bool, backup: bool
) -> list[Alarm]:
    """Return the alarms on a stream.

    Args:
        buffer_seconds: how long it gathers.
        transformed: whether a function changes events on their way.
        partitioned: whether it writes partitions.
        has_key: whether a KMS key of a customer encrypts it.
        backup: whether it keeps the originals.
    """
    alarms = [
        _of_stream(
            "late",
            "Events are late: the oldest in the stream waits too long. Look at the stream's error log group.",
            {"age": ("DeliveryToS3.DataFreshness", "Maximum")},
            "age",
            "GreaterThanThreshold",
            # A partitioned stream holds events half as long again (Firehose Developer Guide, "Dynamic partitioning").
            threshold=1.5 * buffer_seconds + _LATE_SECONDS,
            periods=3,
        ),
        _of_stream(
            "not-written",
            "Objects cannot be written; after 24 hours they are lost. Look at the stream's error log group.",
            {"success": ("DeliveryToS3.Success", "Average")},
            "success",
            "LessThanThreshold",
            threshold=1,
        ),
        _of_stream(
            "throttled",
            "The stream refuses records: it gets more than its quota. Ask AWS to raise it.",
            {"throttled": ("ThrottledRecords", "Sum")},
            "throttled",
            "GreaterThanThreshold",
            periods=3,
        ),
        _of_stream(
            "near-limit",
            "The stream gets more than 80 % of what its quota allows, in bytes, records or requests. Ask AWS to raise "
            "it before records are refused.",
            {
                "bytes": ("IncomingBytes", "Sum"),
                "records": ("IncomingRecords", "Sum"),
                "requests": ("IncomingPutRequests", "Sum"),
                "maxbytes": ("BytesPerSecondLimit", "Minimum"),
                "maxrecords": ("RecordsPerSecondLimit", "Minimum"),
                "maxrequests": ("PutRequestsPerSecondLimit", "Minimum"),
            },
            f"MAX([bytes/maxbytes, records/maxrecords, requests/maxrequests])/{PERIOD_SECONDS}",
            "GreaterThanThreshold",
            threshold=_NEAR_A_LIMIT,
        ),
    ]
    if transformed:
        alarms.append(
            _of_stream(
                "not-transformed",
                "The transform fails; records go to errors/processing-failed/. Look at the function's log group.",
                {"success": ("ExecuteProcessing.Success", "Average")},
                "success",
                "LessThanThreshold",
                threshold=1,
            )
        )
    else:
        alarms.append(
            _of_stream(
                "not-unpacked",
                "Records cannot be unpacked, and go to errors/decompression-failed/. Something other than CloudWatch "
                "Logs writes into the stream.",
                {"failed": ("OutputDecompressedRecords.Failed", "Sum")},
                "failed",
                "GreaterThanThreshold",
            )
        )
    if partitioned:
        alarms.append(
            _of_stream(
                "too-many-partitions",
                "The stream has more partitions than it writes at a time; the rest goes to errors/. Choose a layout "
                "with fewer, or ask AWS to raise the quota.",
                {"exceeded": ("PartitionCountExceeded", "Maximum")},
                "exceeded",
                "GreaterThanThreshold",
            )
        )
    if has_key:
        alarms.append(
            _of_stream(
                "key",
                "The stream cannot use its KMS key. Look at the key's state, policy and grants.",
                {f"k{index}": (metric, "Sum") for index, metric in enumerate(_KEY_METRICS)},
                # Each is there only when it happens, and a sum with a missing part would be missing too.
                "+".join(f"FILL(k{index},0)" for index in range(len(_KEY_METRICS))),
                "GreaterThanThreshold",
            )
        )
    if backup:
        alarms.append(
            _of_stream(
                "no-originals",
                "The originals cannot be written. Look at the stream's error log group.",
                {"success": ("BackupToS3.Success", "Average")},
                "success",
                "LessThanThreshold",
                threshold=1,
            )
        )
    return alarms


def function_alarm() -> Alarm:
    """Return the alarm on the function of a transform."""
    return Alarm(
        name="function",
        description="The transform's function ends with errors or is throttled. Look at its log group.",
        namespace="AWS/Lambda",
        metrics={"errors": ("Errors", "Sum"), "throttles": ("Throttles", "Sum")},
        expression="FILL(errors,0)+FILL(throttles,0)",
        comparison="GreaterThanThreshold",
        threshold=0,
    )


def subscriber_alarm() -> Alarm:
    """Return the alarm on the dead letters of the function that subscribes new log groups."""
    return Alarm(
        name="not-subscribed",
        description="A log group could not be subscribed. Look at the log group of the function "
        "central-log-archive-subscriber; purge its dead-letter queue when that is mended.",
        namespace="AWS/SQS",
        metrics={"letters": ("ApproximateNumberOfMessagesVisible", "Maximum")},
        expression="letters",
        comparison="GreaterThanThreshold",
        threshold=0,
    )


def sender_alarms(filters: str, *, prefix: str = "") -> list[Alarm]:
    """Return the alarms on what an account sends from a region. They cover its filters of today and of tomorrow.

    Args:
        filters: the one name of the filters.
        prefix: of the names of the alarms.
    """
    told = {
        "DeliveryErrors": (
            "delivery-errors",
            "Events of this account do not reach the archive, and are lost. Look at the policy of the destination and "
            "at the roles on the way.",
        ),
        "DeliveryThrottling": (
            "delivery-throttling",
            "Events of this account wait because the archive's stream is throttled. After 24 hours they are lost.",
        ),
    }
    return [
        Alarm(
            name=prefix + name,
            description=description,
            expression=_of_filters(metric, filters),
            comparison="GreaterThanThreshold",
            threshold=0,
        )
        for metric, (name, description) in told.items()
    ]


def dashboard(
    *,
    account: str,
    region: str,
    stream: str,
    function: str | None,
    sender_accounts: Iterable[str],
    sender_regions: Iterable[str],
) -> str:
    """Return the body of the dashboard: the stream, the transform, and what each sender forwards.

    CloudWatch shows metrics of other accounts only where they share them with the central account.

    Args:
        account: id of the central account.
        region: home region.
        stream: name of the stream.
        function: name of the transform's function, if any.
        sender_accounts: accounts whose metrics to show.
        sender_regions: regions that events come from.
    """

    def of_stream(metric: str, statistic: str) -> list[Any]:
        return ["AWS/Firehose", metric, "DeliveryStreamName", stream, {"stat": statistic}]

    def graph(title: str, metrics: list[Any], where: str = region) -> dict[str, Any]:
        properties = {"title": title, "region": where, "period": PERIOD_SECONDS, "view": "timeSeries"}
        return {"type": "metric", "width": 12, "height": 6, "properties": {**properties, "metrics": metrics}}

    widgets = [
        graph("Into the stream", [of_stream("IncomingRecords", "Sum"), of_stream("IncomingBytes", "Sum")]),
        graph("Age of the oldest event, seconds", [of_stream("DeliveryToS3.DataFreshness", "Maximum")]),
        graph("Objects written, share", [of_stream("DeliveryToS3.Success", "Average")]),
        graph(
            "Refused and failed records",
            [
                of_stream("ThrottledRecords", "Sum"),
                of_stream("OutputDecompressedRecords.Failed", "Sum"),
                of_stream("PartitionCountExceeded", "Maximum"),
            ],
        ),
    ]
    if function is not None:
        of_function = ["AWS/Lambda", "Duration", "FunctionName", function, {"stat": "p95"}]
        widgets += [
            graph("Transformed, share", [of_stream("ExecuteProcessing.Success", "Average")]),
            graph("Transform, ms, 95 of 100", [of_function]),
        ]
    for where in sender_regions:
        for metric in ("ForwardedLogEvents", "DeliveryErrors"):
            queries = [
                [
                    {
                        "expression": _of_filters(metric, filter_name(where)),
                        "label": sender,
                        "region": where,
                        "accountId": sender,
                    }
                ]
                for sender in sender_accounts
            ]
            if queries:
                widgets.append(graph(f"{metric}, {where}", queries, where))
    heading = f"Central log archive, account {account}, {region}"
    title = {"type": "text", "width": 24, "height": 1, "properties": {"markdown": f"# {heading}"}}
    return json.dumps({"widgets": [title, *widgets]}, separators=(",", ":"))


def _of_stream(
    name: str,
    description: str,
    metrics: Mapping[str, tuple[str, str]],
    expression: str,
    comparison: Literal["GreaterThanThreshold", "LessThanThreshold"],
    *,
    threshold: float = 0,
    periods: int = 1,
) -> Alarm:
    return Alarm(
        name=name,
        description=description,
        namespace="AWS/Firehose",
        metrics=metrics,
        expression=expression,
        comparison=comparison,
        threshold=threshold,
        periods=periods,
    )


def _of_filters(metric: str, name: str) -> str:
    """Ask for the sum of a metric over all filters of a name in an account and region."""
    return f"SELECT SUM({metric}) FROM \"AWS/Logs\" WHERE FilterName = '{name}'"  # noqa: S608 - no SQL
