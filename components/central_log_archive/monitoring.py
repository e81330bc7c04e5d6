"""Alarms of the archive, the topics that they notify, and the dashboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from components.alarm import make_alarm
from components.central_log_archive.bucket import REPLICATION_RULE
from components.central_log_archive.integrity import Digests
from components.central_log_archive.key import KeyArns
from components.central_log_archive.transform import ArchiveTransform
from components.change_rule import make_change_rule
from components.scope import Scope, known_after
from topology import policies
from topology.alarms import change_alarm, dashboard, function_alarm, replica_alarm, sender_alarms, stream_alarms
from topology.changes import CHANGES, CHANGES_LOG_GROUP, archive_changes
from topology.names import filter_name
from topology.settings import Archive

_LOG_RETENTION_DAYS = 90


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


def watch_changes(
    scope: Scope,
    archive: Archive,
    *,
    topics: Mapping[str, pulumi.Input[str]],
    destinations: Mapping[str, pulumi.Input[str]],
    bucket: pulumi.Input[str],
    stream: aws.kinesis.FirehoseDeliveryStream,
    keys: KeyArns,
    transform: ArchiveTransform | None,
    digests: Digests | None,
) -> None:
    """Create, in each region, the rule that sees what anybody but the deployer changes, and the alarm on it.

    Args:
        scope: the home region.
        archive: settings of the archive.
        topics: region → ARN of the topic.
        destinations: region → ARN of the destination.
        bucket: name of the bucket.
        stream: the stream.
        keys: the keys of bucket, stream and log groups.
        transform: the function that transforms events, if any.
        digests: what signs the digests, if anything.
    """
    names: dict[str, dict[str, list[pulumi.Input[str]]]] = {
        region: {"destinations": [destinations[region]] if region in destinations else []} for region in archive.regions
    }
    names[scope.region] |= {
        "buckets": [bucket],
        "streams": [stream.name],
        "functions": [
            *([transform.function_name] if transform is not None else []),
            *([digests.function] if digests is not None else []),
        ],
        "rules": [digests.rule] if digests is not None else [],
        "keys": [*keys.in_use, *([digests.key] if digests is not None else [])],
    }
    for region, there in names.items():
        _watch_changes(scope.in_region(region), archive, there, topics[region])


def _watch_changes(
    scope: Scope, archive: Archive, names: Mapping[str, Sequence[pulumi.Input[str]]], topic: pulumi.Input[str]
) -> None:
    """Do so in one region, given the arguments of ``archive_changes`` for what there is."""
    name, region = scope.name, scope.region
    opts = scope.child(delete_before_replace=True)
    # Encrypted with a key of AWS: one of the home region cannot encrypt it in others.
    logs = aws.cloudwatch.LogGroup(
        f"{name}-changes-{region}", name=CHANGES_LOG_GROUP, retention_in_days=_LOG_RETENTION_DAYS, opts=opts
    )
    aws.cloudwatch.LogResourcePolicy(
        f"{name}-changes-policy-{region}",
        policy_name=CHANGES,
        policy_document=policies.events_policy(region, scope.account, log_group=CHANGES_LOG_GROUP, rules=[CHANGES]),
        opts=opts,
    )
    pattern = pulumi.Output.all(**names).apply(
        lambda known: archive_changes(region, scope.account, archive.deployer_role, alarms=f"{name}-alarm-", **known)
    )
    target = logs.name.apply(lambda known: policies.log_group_arn(region, scope.account, known))
    make_change_rule(scope, pattern=pattern, log_group_arn=target)
    make_alarm(
        f"{name}-alarm-changed-{region}",
        change_alarm(region, scope.account, CHANGES_LOG_GROUP),
        dimensions={"RuleName": CHANGES},
        topic=topic,
        opts=scope.child(),
    )
