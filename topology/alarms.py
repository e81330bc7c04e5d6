"""What is monitored: alarms on AWS metrics, and a dashboard. Plain values; no resource is created here.

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
from topology.patterns import CANARY, SCHEDULED_CANARY

PERIOD_SECONDS = 300
"""Period of alarms. Firehose delivers within minutes, so a shorter one would only add noise."""

_LATE_SECONDS = 900
_SILENT_SECONDS = 3600
_NEAR_LIMIT = 0.8
_KEY_METRICS = ("KMSKeyAccessDenied", "KMSKeyDisabled", "KMSKeyInvalidState", "KMSKeyNotFound")


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A CloudWatch alarm.

    Attributes:
        name: last part of the alarm's name.
        description: what is wrong, and where to look.
        namespace: namespace of the metrics; empty if the expression is a query.
        metrics: ID → metric and statistic.
        expression: metric math over the metrics, or a Metrics Insights query.
        comparison: compares the value of the expression with the threshold.
        threshold: in the unit of the metric.
        periods: number of consecutive periods that have to breach the threshold.
        period: in seconds.
        missing: whether missing data breaches the threshold. If nothing is sent, nothing is late.
    """

    name: str
    description: str
    namespace: str = ""
    metrics: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    expression: str
    comparison: Literal["GreaterThanThreshold", "LessThanThreshold"]
    threshold: float
    periods: int = 1
    period: int = PERIOD_SECONDS
    missing: Literal["breaching", "notBreaching"] = "notBreaching"


def stream_alarms(
    *, buffer_seconds: int, transformed: bool, partitioned: bool, has_key: bool, backup: bool
) -> list[Alarm]:
    """Return the alarms on a stream.

    Args:
        buffer_seconds: buffer interval of the stream.
        transformed: whether a function transforms events.
        partitioned: whether the stream uses dynamic partitioning.
        has_key: whether a customer managed KMS key encrypts it.
        backup: whether it backs up the original records.
    """
    alarms = [
        _stream_alarm(
            "late",
            "Delivery is delayed: the oldest record in the stream is too old. Check the stream's error log group.",
            {"age": ("DeliveryToS3.DataFreshness", "Maximum")},
            "age",
            "GreaterThanThreshold",
            # Dynamic partitioning buffers for up to 1.5 intervals (Firehose Developer Guide, "Dynamic partitioning").
            threshold=1.5 * buffer_seconds + _LATE_SECONDS,
            periods=3,
        ),
        _stream_alarm(
            "not-written",
            "Objects cannot be delivered to S3; after 24 hours their events are lost. Check the stream's error log "
            "group.",
            {"success": ("DeliveryToS3.Success", "Average")},
            "success",
            "LessThanThreshold",
            threshold=1,
        ),
        _stream_alarm(
            "throttled",
            "The stream rejects records because they exceed its quota. Request a quota increase.",
            {"throttled": ("ThrottledRecords", "Sum")},
            "throttled",
            "GreaterThanThreshold",
            periods=3,
        ),
        _stream_alarm(
            "near-limit",
            "The stream uses more than 80% of its quota for bytes, records or requests. Request a quota increase "
            "before records are rejected.",
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
            threshold=_NEAR_LIMIT,
        ),
    ]
    if transformed:
        alarms.append(
            _stream_alarm(
                "not-transformed",
                "The transform fails; records go to errors/processing-failed/. Check the function's log group.",
                {"success": ("ExecuteProcessing.Success", "Average")},
                "success",
                "LessThanThreshold",
                threshold=1,
            )
        )
    else:
        alarms.append(
            _stream_alarm(
                "not-unpacked",
                "Records cannot be decompressed and go to errors/decompression-failed/. Something other than "
                "CloudWatch Logs writes to the stream.",
                {"failed": ("OutputDecompressedRecords.Failed", "Sum")},
                "failed",
                "GreaterThanThreshold",
            )
        )
    if partitioned:
        alarms.append(
            _stream_alarm(
                "too-many-partitions",
                "The stream exceeds its quota of active partitions; the excess goes to errors/. Choose a layout with "
                "fewer partitions, or request a quota increase.",
                {"exceeded": ("PartitionCountExceeded", "Maximum")},
                "exceeded",
                "GreaterThanThreshold",
            )
        )
    if has_key:
        alarms.append(
            _stream_alarm(
                "key",
                "The stream cannot use its KMS key. Check the key's state, policy and grants.",
                {f"k{index}": (metric, "Sum") for index, metric in enumerate(_KEY_METRICS)},
                # Each metric exists only once it occurs, and a sum with a missing term would be missing too.
                "+".join(f"FILL(k{index},0)" for index in range(len(_KEY_METRICS))),
                "GreaterThanThreshold",
            )
        )
    if backup:
        alarms.append(
            _stream_alarm(
                "no-originals",
                "The original records cannot be backed up. Check the stream's error log group.",
                {"success": ("BackupToS3.Success", "Average")},
                "success",
                "LessThanThreshold",
                threshold=1,
            )
        )
    return alarms


def function_alarm() -> Alarm:
    """Return the alarm on the transform's function."""
    return Alarm(
        name="function",
        description="The transform's function fails or is throttled. Check its log group.",
        namespace="AWS/Lambda",
        metrics={"errors": ("Errors", "Sum"), "throttles": ("Throttles", "Sum")},
        expression="FILL(errors,0)+FILL(throttles,0)",
        comparison="GreaterThanThreshold",
        threshold=0,
    )


def replica_alarm() -> Alarm:
    """Return the alarm on objects that S3 could not replicate ("S3 Replication metrics in CloudWatch")."""
    return Alarm(
        name="not-replicated",
        description="S3 cannot replicate objects of the archive. Check policy, versioning and key of the bucket of the "
        "replicas, and the role central-log-archive-replication; then replicate them with S3 Batch Replication.",
        namespace="AWS/S3",
        metrics={"failed": ("OperationsFailedReplication", "Sum")},
        expression="failed",
        comparison="GreaterThanThreshold",
        threshold=0,
    )


def subscriber_alarm() -> Alarm:
    """Return the alarm on the dead-letter queue of the function that subscribes new log groups."""
    return Alarm(
        name="not-subscribed",
        description="A log group could not be subscribed. Check the log group of the function "
        "central-log-archive-subscriber; once the cause is fixed, purge its dead-letter queue.",
        namespace="AWS/SQS",
        metrics={"letters": ("ApproximateNumberOfMessagesVisible", "Maximum")},
        expression="letters",
        comparison="GreaterThanThreshold",
        threshold=0,
    )


def sender_alarms(filters: str, *, prefix: str = "") -> list[Alarm]:
    """Return the alarms on what an account sends from a region. They cover existing and future filters.

    Args:
        filters: the name that all of the filters share.
        prefix: prefix of the alarm names.
    """

    def alarm(metric: str, name: str, description: str) -> Alarm:
        return Alarm(
            name=prefix + name,
            description=description,
            expression=_filter_query(metric, filters),
            comparison="GreaterThanThreshold",
            threshold=0,
        )

    return [
        alarm(
            "DeliveryErrors",
            "delivery-errors",
            "Events of this account do not reach the archive, and are lost. Check the destination policy and the roles "
            "that deliver them.",
        ),
        alarm(
            "DeliveryThrottling",
            "delivery-throttling",
            "Events of this account are delayed because the archive's stream is throttled. After 24 hours they are "
            "lost.",
        ),
    ]


def silence_alarm(region: str, account: str) -> Alarm:
    """Return the alarm on a scheduled canary of which nothing has been forwarded for an hour."""
    return Alarm(
        name="silent",
        description=f"Account {account} has sent nothing to the archive from {region} for an hour. Check the rule "
        f"{CANARY}, the log group {SCHEDULED_CANARY}, its subscription filter, and the destination policy; then run "
        "python -m ops coverage.",
        # A query and not a metric: AWS does not document the value of DestinationType for a destination.
        expression=f"{_filter_query('ForwardedLogEvents', filter_name(region))} AND LogGroupName = "
        f"'{SCHEDULED_CANARY}'",
        comparison="LessThanThreshold",
        threshold=1,
        period=_SILENT_SECONDS,
        missing="breaching",
    )


def change_alarm(region: str, account: str, log_group: str) -> Alarm:
    """Return the alarm on a rule that sees what anybody but the deployer changes.

    Of the metrics that EventBridge sends for a rule, it is the one that does not depend on a target (EventBridge User
    Guide, "Monitoring Amazon EventBridge").
    """
    return Alarm(
        name="changed",
        description=f"In account {account}, {region}, somebody other than the deployer role changed or deleted what "
        f"the archive depends on. To see who and what, query the log group {log_group} there in CloudWatch Logs "
        "Insights: fields @timestamp, detail.userIdentity.arn, detail.eventName, detail.sourceIPAddress | filter "
        "ispresent(detail.eventName) | sort @timestamp desc. To see what is different now, run pulumi preview "
        "--refresh and python -m ops coverage.",
        namespace="AWS/Events",
        metrics={"changes": ("TriggeredRules", "Sum")},
        expression="changes",
        comparison="GreaterThanThreshold",
        threshold=0,
    )


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

    CloudWatch shows metrics of other accounts only if those share them with the central account.

    Args:
        account: ID of the central account.
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
        graph("Incoming records and bytes", [of_stream("IncomingRecords", "Sum"), of_stream("IncomingBytes", "Sum")]),
        graph("Age of the oldest record (seconds)", [of_stream("DeliveryToS3.DataFreshness", "Maximum")]),
        graph("Delivery success rate", [of_stream("DeliveryToS3.Success", "Average")]),
        graph(
            "Throttled and failed records",
            [
                of_stream("ThrottledRecords", "Sum"),
                of_stream("OutputDecompressedRecords.Failed", "Sum"),
                of_stream("PartitionCountExceeded", "Maximum"),
            ],
        ),
    ]
    if function is not None:
        duration = ["AWS/Lambda", "Duration", "FunctionName", function, {"stat": "p95"}]
        widgets += [
            graph("Transform success rate", [of_stream("ExecuteProcessing.Success", "Average")]),
            graph("Transform duration (ms, p95)", [duration]),
        ]
    for where in sender_regions:
        for metric in ("ForwardedLogEvents", "DeliveryErrors"):
            queries = [
                [
                    {
                        "expression": _filter_query(metric, filter_name(where)),
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


def _stream_alarm(
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


def _filter_query(metric: str, name: str) -> str:
    """Return a query for the sum of a metric over all filters of a name in an account and region."""
    return f"SELECT SUM({metric}) FROM \"AWS/Logs\" WHERE FilterName = '{name}'"  # noqa: S608 - no SQL
