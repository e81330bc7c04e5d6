"""CloudWatch alarms."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from topology.alarms import Alarm


def make_alarm(
    logical_name: str,
    alarm: Alarm,
    *,
    dimensions: Mapping[str, pulumi.Input[str]],
    topic: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
    name: str | None = None,
) -> None:
    """Create an alarm that notifies a topic when it enters and when it leaves the ALARM state.

    Args:
        logical_name: logical name of the alarm.
        alarm: what it monitors.
        dimensions: dimensions of all its metrics.
        topic: ARN of an SNS topic in the same region.
        opts: options with the provider of the account and region.
        name: a fixed name; None: auto-named by Pulumi.
    """
    metrics = [
        aws.cloudwatch.MetricAlarmMetricQueryArgs(
            id=each,
            metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                namespace=alarm.namespace,
                metric_name=metric,
                dimensions=dimensions,
                stat=statistic,
                period=alarm.period,
            ),
        )
        for each, (metric, statistic) in alarm.metrics.items()
    ]
    value = aws.cloudwatch.MetricAlarmMetricQueryArgs(
        id="value",
        expression=alarm.expression,
        label=alarm.name,
        return_data=True,
        period=None if metrics else alarm.period,  # a query has no metric with a period
    )
    aws.cloudwatch.MetricAlarm(
        logical_name,
        name=name,
        alarm_description=alarm.description,
        comparison_operator=alarm.comparison,
        threshold=alarm.threshold,
        evaluation_periods=alarm.periods,
        treat_missing_data=alarm.missing,
        metric_queries=[value, *metrics],
        alarm_actions=[topic],
        ok_actions=[topic],
        opts=opts,
    )
