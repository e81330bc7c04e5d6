"""CentralLogArchive: the destinations in all regions, the stream and the bucket, in the central account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.central_log_archive import dashboard, integrity, transform
from components.central_log_archive.analysis import make_analysis, make_results_bucket, report_unread
from components.central_log_archive.bucket import make_bucket, secure_bucket
from components.central_log_archive.destinations import make_destination, make_sender, subscribe_own_log_group
from components.central_log_archive.existing_bucket import report_existing_bucket
from components.central_log_archive.key import archive_keys
from components.central_log_archive.monitoring import make_topics, monitor_archive, watch_changes
from components.central_log_archive.stream import ERROR_LOG_GROUP, make_stream
from components.scope import Scope
from topology import policies
from topology.regions import PARTITIONS
from topology.settings import Archive, SubscribedLogGroup


@dataclass(frozen=True, kw_only=True)
class CentralLogArchiveArgs:
    """Arguments of CentralLogArchive.

    Attributes:
        archive: settings of the archive.
        own_log_groups: log groups of the central account to subscribe, every pattern resolved.
        retain: protect bucket and key, and retain everything that holds events when it leaves the stack.
        providers: region → provider of the central account, for each of ``archive.regions``.
    """

    archive: Archive
    own_log_groups: Sequence[SubscribedLogGroup]
    retain: bool
    providers: Mapping[str, aws.Provider]


class CentralLogArchive(pulumi.ComponentResource):
    """The central side of the topology.

    Attributes:
        bucket: name of the bucket that events are delivered to.
        required_bucket_policy: policy that a bucket in another account requires; None for a bucket in this one.
        stream: name of the Firehose stream.
        destinations: region → ARN of the destination, known once its policy admits the senders.
        topics: region → ARN of the topic that alarms of the region notify; empty without alarms.
        analysis: what queries the archive, as in the stack output; None without.
        integrity: what verifies the archive, as in the stack output; None without.
    """

    bucket: pulumi.Output[str]
    required_bucket_policy: pulumi.Output[str] | None
    stream: pulumi.Output[str]
    destinations: dict[str, pulumi.Output[str]]
    topics: dict[str, pulumi.Output[str]]
    analysis: dict[str, pulumi.Input[str | int]] | None
    integrity: dict[str, pulumi.Input[str | int]] | None

    def __init__(self, name: str, args: CentralLogArchiveArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("central-log-archive:index:CentralLogArchive", name, None, opts)
        archive = args.archive
        home = Scope(
            parent=self,
            name=name,
            account=archive.account,
            region=archive.region,
            providers=args.providers,
            retain=args.retain,
        )
        created = None
        if archive.existing_bucket is None:
            created = make_bucket(home)
            self.bucket, bucket_arn = created.bucket, created.arn
        else:
            self.bucket = pulumi.Output.from_input(archive.existing_bucket.name)
            bucket_arn = self.bucket.apply(lambda bucket: f"arn:{PARTITIONS[archive.region]}:s3:::{bucket}")
            report_existing_bucket(home, archive)
        logs = [ERROR_LOG_GROUP, transform.LOG_GROUP]
        logs += [dashboard.LOG_GROUP] if archive.analysis is not None else []
        logs += [integrity.LOG_GROUP] if archive.integrity is not None else []
        results = make_results_bucket(home) if archive.analysis is not None else None
        bucket_arns = [bucket_arn, *([results.arn] if results is not None else [])]
        keys = archive_keys(home, archive, bucket_arns=bucket_arns, log_groups=[f"{name}-{group}-*" for group in logs])
        if created is not None:
            secure_bucket(home, created, archive.bucket, key_arn=keys.objects)
        function = None
        if archive.transform is not None:
            function = transform.ArchiveTransform(home, archive.transform, archive.transform_variables, keys=keys)
        stream, delivery_role = make_stream(home, archive, bucket_arn=bucket_arn, keys=keys, transform=function)
        sender = make_sender(
            home, archive, stream, key_arn=keys.stream, depends_on=function.allow(stream) if function else []
        )
        for group in args.own_log_groups:
            subscribe_own_log_group(home, group, sender)
        analysis = None
        if results is not None:
            report_unread(archive)
            analysis = make_analysis(home, archive, bucket=self.bucket, results=results, keys=keys)
        self.analysis = analysis.output if analysis is not None else None
        digests = None
        if archive.integrity is not None:
            digests = integrity.make_digests(
                home, archive, archive.integrity, bucket=self.bucket, bucket_arn=bucket_arn, keys=keys
            )
        self.integrity = digests.output if digests is not None else None
        self.required_bucket_policy = None
        if archive.bucket_owner != archive.account:
            readers = analysis.readers if analysis is not None else []
            self.required_bucket_policy = pulumi.Output.all(bucket_arn, delivery_role.arn, *readers).apply(
                lambda arns: policies.cross_account_bucket_policy(
                    bucket_arn=arns[0], role_arn=arns[1], reader_arns=arns[2:]
                )
            )
        self.stream = stream.name
        self.destinations = {
            region: make_destination(home.in_region(region), archive, sender) for region in archive.destination_regions
        }
        self.topics = make_topics(home, archive)
        if self.topics:
            monitor_archive(home, archive, stream, function, bucket=self.bucket, topic=self.topics[archive.region])
            watch_changes(
                home,
                archive,
                topics=self.topics,
                destinations=self.destinations,
                bucket=self.bucket,
                stream=stream,
                keys=keys,
                transform=function,
                digests=digests,
            )
        self.register_outputs(
            {
                "bucket": self.bucket,
                "stream": self.stream,
                "destinations": self.destinations,
                "topics": self.topics,
                "analysis": self.analysis,
                "integrity": self.integrity,
            }
        )
