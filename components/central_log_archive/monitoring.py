"""Alarms of the archive, the topics that they notify, and the dashboard."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.alarm import make_alarm
from components.central_log_archive.bucket import REPLICATION_RULE
from components.central_log_archive.transform import ArchiveTransform
from components.scope import Scope, known_after
from topology import policies
from topology.alarms import dashboard, function_alarm, replica_alarm, sender_alarms, stream_alarms
from topology.names import filter_name
from topology.settings import Archive


def make_topics(scope: Scope, archive: Archive) -> dict[str, pulumi.Output[str]]:
    """Return region → ARN of the topic that alarms notify, created unless the archive has topics; empty without alarms.

    Args:
        scope: any region of the central account.
        archive: settings of the archive.
    """
    if archive.alarms is None:
        return {}
    if archive.alarms:
        return {region: pulumi.Output.from_input(arn) for region, arn in archive.alarms.items()}
    return {region: _make_topic(scope.in_region(region), archive) for region in archive.regions}


def _make_topic(scope: Scope, archive: Archive) -> pulumi.Output[str]:
    """Create the topic for a region's alarms, senders' included; return its ARN, known once it has its policy."""
    topic = aws.sns.Topic(f"{scope.name}-alarms-{scope.region}", opts=scope.child())
    policy = aws.sns.TopicPolicy(
        f"{scope.name}-alarms-policy-{scope.region}",
        arn=topic.arn,
        policy=topic.arn.apply(
            lambda arn: policies.topic_policy(
                topic_arn=arn,
                region=scope.region,
                accounts=[archive.account, *archive.sender_accounts],
                organization=archive.sender_organization,
            )
        ),
        opts=scope.child(),
    )
    return known_after(topic.arn, policy)


def monitor_archive(
    scope: Scope,
    archive: Archive,
    stream: aws.kinesis.FirehoseDeliveryStream,
    transform: ArchiveTransform | None,
    *,
    bucket: pulumi.Input[str],
    topic: pulumi.Input[str],
) -> None:
    """Create the alarms of the home region, and the dashboard of the whole archive.

    Args:
        scope: the home region.
        archive: settings of the archive.
        stream: the stream.
        transform: the function that transforms events, if any.
        bucket: name of the bucket.
        topic: ARN of the topic in the home region.
    """
    alarms = stream_alarms(
        buffer_seconds=archive.delivery.buffer_seconds,
        transformed=transform is not None,
        partitioned=archive.delivery.is_partitioned,
        has_key=archive.key.stream is not None,
        backup=archive.keeps_originals,
    )
    dimensions: dict[str, Mapping[str, pulumi.Input[str]]] = {"AWS/Firehose": {"DeliveryStreamName": stream.name}}
    if transform is not None:
        alarms.append(function_alarm())
        dimensions["AWS/Lambda"] = {"FunctionName": transform.function_name}
    if archive.bucket.replica is not None:
        alarms.append(replica_alarm())
        dimensions["AWS/S3"] = {
            "SourceBucket": bucket,
            "DestinationBucket": archive.bucket.replica.bucket,
            "RuleId": REPLICATION_RULE,
        }
    if archive.own_log_groups:
        alarms += sender_alarms(filter_name(archive.region))
    for alarm in alarms:
        make_alarm(
            f"{scope.name}-alarm-{alarm.name}",
            alarm,
            dimensions=dimensions.get(alarm.namespace, {}),
            topic=topic,
            opts=scope.child(),
        )
    names = pulumi.Output.all(stream=stream.name, function=transform and transform.function_name)
    aws.cloudwatch.Dashboard(
        f"{scope.name}-dashboard",
        dashboard_name=f"{scope.name}-{archive.region}",
        dashboard_body=names.apply(
            lambda known: dashboard(
                account=archive.account,
                region=archive.region,
                stream=known["stream"],
                function=known["function"],
                sender_accounts=archive.sender_accounts,
                sender_regions=archive.destination_regions,
            )
        ),
        opts=scope.child(delete_before_replace=True),
    )
