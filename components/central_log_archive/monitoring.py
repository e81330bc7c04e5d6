"""Alarms, the topics that they tell, and the dashboard, as resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from components.central_log_archive.bucket import Options
from components.central_log_archive.transform import ArchiveTransform
from topology import policies
from topology.alarms import PERIOD_SECONDS, Alarm, dashboard, function_alarm, sender_alarms, stream_alarms
from topology.layouts import LAYOUTS
from topology.names import filter_name
from topology.settings import Delivery


def make_topic(
    name: str,
    region: str,
    *,
    account: str,
    sender_accounts: Sequence[str],
    sender_organization: str | None,
    child: Options,
) -> pulumi.Output[str]:
    """Make the topic that the alarms of a region tell, those of the senders too; return its ARN, known with its policy.

    Args:
        name: the archive's logical name.
        region: the topic's region: alarms tell no other.
        account: id of the archive's account.
        sender_accounts: accounts whose alarms may tell the topic.
        sender_organization: organization whose accounts' alarms may tell the topic.
        child: gives the options of a child in the region.
    """
    topic = aws.sns.Topic(f"{name}-alarms-{region}", opts=child())
    policy = aws.sns.TopicPolicy(
        f"{name}-alarms-policy-{region}",
        arn=topic.arn,
        policy=topic.arn.apply(
            lambda arn: policies.topic_policy(
                topic_arn=arn, region=region, accounts=[account, *sender_accounts], organization=sender_organization
            )
        ),
        opts=child(),
    )
    return pulumi.Output.all(topic.arn, policy.id).apply(lambda made: str(made[0]))


def watch_archive(
    name: str,
    *,
    account: str,
    region: str,
    stream: aws.kinesis.FirehoseDeliveryStream,
    transform: ArchiveTransform | None,
    delivery: Delivery,
    has_key: bool,
    sends: bool,
    sender_accounts: Sequence[str],
    sender_regions: Sequence[str],
    topic: pulumi.Input[str],
    child: Options,
) -> None:
    """Make the alarms of the home region, and the dashboard of the whole archive.

    Args:
        name: the archive's logical name.
        account: id of the archive's account.
        region: home region.
        stream: the stream.
        transform: the function that changes events on their way, if any.
        delivery: how events are written.
        has_key: whether a KMS key of a customer encrypts the stream.
        sends: whether the archive's account sends log groups of its own.
        sender_accounts: accounts that the dashboard shows.
        sender_regions: regions that the dashboard shows.
        topic: ARN of the topic of the home region.
        child: gives the options of a child in the home region.
    """
    alarms = stream_alarms(
        buffer_seconds=delivery.buffer_seconds,
        transformed=transform is not None,
        partitioned=bool(LAYOUTS[delivery.layout].partitioned_by),
        has_key=has_key,
        backup=transform is not None and transform.settings.backup,
    )
    dimensions: dict[str, Mapping[str, pulumi.Input[str]]] = {"AWS/Firehose": {"DeliveryStreamName": stream.name}}
    if transform is not None:
        alarms.append(function_alarm())
        dimensions["AWS/Lambda"] = {"FunctionName": transform.function_name}
    if sends:
        alarms += sender_alarms(filter_name(region))
    for alarm in alarms:
        make_alarm(
            f"{name}-alarm-{alarm.name}",
            alarm,
            dimensions=dimensions.get(alarm.namespace, {}),
            topic=topic,
            opts=child(),
        )
    names = pulumi.Output.all(stream=stream.name, function=transform and transform.function_name)
    aws.cloudwatch.Dashboard(
        f"{name}-dashboard",
        dashboard_name=f"{name}-{region}",
        dashboard_body=names.apply(
            lambda made: dashboard(
                account=account,
                region=region,
                stream=made["stream"],
                function=made["function"],
                sender_accounts=sender_accounts,
                sender_regions=sender_regions,
            )
        ),
        opts=child(delete_before_replace=True),
    )


def make_alarm(
    logical_name: str,
    alarm: Alarm,
    *,
    dimensions: Mapping[str, pulumi.Input[str]],
    topic: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
    name: str | None = None,
) -> None:
    """Make an alarm that tells a topic when it begins and when it is over.

    Args:
        logical_name: logical name of the alarm.
        alarm: what it watches.
        dimensions: of all its metrics.
        topic: ARN of an SNS topic of the same region.
        opts: with the provider of the account and region.
        name: a fixed name; None: Pulumi makes one.
    """
    metrics = [
        aws.cloudwatch.MetricAlarmMetricQueryArgs(
            id=each,
            metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                namespace=alarm.namespace,
                metric_name=metric,
                dimensions=dimensions,
                stat=statistic,
                period=PERIOD_SECONDS,
            ),
        )
        for each, (metric, statistic) in alarm.metrics.items()
    ]
    value = aws.cloudwatch.MetricAlarmMetricQueryArgs(
        id="value",
        expression=alarm.expression,
        label=alarm.name,
        return_data=True,
        period=None if metrics else PERIOD_SECONDS,  # a query has no metric that would say it
    )
    aws.cloudwatch.MetricAlarm(
        logical_name,
        name=name,
        alarm_description=alarm.description,
        comparison_operator=alarm.comparison,
        threshold=alarm.threshold,
        evaluation_periods=alarm.periods,
        treat_missing_data="notBreaching",
        metric_queries=[value, *metrics],
        alarm_actions=[topic],
        ok_actions=[topic],
        opts=opts,
    )
