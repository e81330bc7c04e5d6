"""CentralLogArchive: destinations in many regions, one stream and one bucket, in the central account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_aws as aws

from components.central_log_archive.bucket import make_bucket, secure_bucket
from components.central_log_archive.existing_bucket import warn_of_what_it_lacks, warn_that_it_is_foreign
from components.central_log_archive.key import make_key
from components.central_log_archive.monitoring import make_topic, watch_archive
from components.central_log_archive.stream import make_stream
from components.central_log_archive.transform import LOG_GROUP, ArchiveTransform
from topology import policies
from topology.layouts import LAYOUTS
from topology.names import filter_name
from topology.regions import PARTITIONS
from topology.settings import Bucket, Delivery, ExistingBucket, SubscribedLogGroup, Transform


@dataclass(frozen=True, kw_only=True)
class CentralLogArchiveArgs:
    """What CentralLogArchive is made from.

    Attributes:
        account: id of the central account.
        region: home region, where stream and bucket are.
        destination_regions: regions that events come from; each gets a destination.
        sender_accounts: ids of the accounts that may subscribe log groups.
        sender_organization: id of the organization whose accounts may subscribe log groups, if any.
        sender_role_name: name of the role that CloudWatch Logs assumes to put records into the stream.
        stream_name: name of the stream; None: one that Pulumi finds.
        destination_names: region → name of its destination; for the others Pulumi finds one.
        bucket: how long events are kept, and what guards them.
        existing_bucket: a bucket that is there already; None: one is made, as ``bucket`` says.
        key: ARN of the KMS key of all that holds events; "create": make one; None: keys of AWS.
        own_log_groups: log groups of the central account, in the home region, to archive too.
        delivery: how events are written into the bucket.
        transform: the function that changes events on their way; None: they arrive as they came.
        topics: region → ARN of the topic that alarms of the region tell; empty: make them; None: no alarms.
        retain: keep bucket and stream, and what is in them, when they leave the stack.
        providers: region → provider of the central account, for the home region and each destination region.
    """

    account: str
    region: str
    destination_regions: Sequence[str]
    sender_accounts: Sequence[str]
    sender_organization: str | None
    sender_role_name: str
    stream_name: str | None
    destination_names: Mapping[str, str]
    bucket: Bucket
    existing_bucket: ExistingBucket | None
    key: str | None
    own_log_groups: Sequence[SubscribedLogGroup]
    delivery: Delivery
    transform: Transform | None
    topics: Mapping[str, str] | None
    retain: bool
    providers: Mapping[str, aws.Provider]


class CentralLogArchive(pulumi.ComponentResource):
    """The central side of the topology.

    Attributes:
        bucket: name of the bucket that events arrive in.
        required_bucket_policy: what the owner of a bucket of another account has to allow; None for an own bucket.
        stream: name of the Firehose stream.
        destinations: region → ARN of the destination; known only once its policy admits the senders.
        topics: region → ARN of the topic that alarms of the region tell; empty without alarms.
    """

    bucket: pulumi.Output[str]
    required_bucket_policy: pulumi.Output[str] | None
    stream: pulumi.Output[str]
    destinations: dict[str, pulumi.Output[str]]
    topics: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: CentralLogArchiveArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("central-log-archive:index:CentralLogArchive", name, None, opts)
        self._name, self._args = name, args
        child = partial(self._child, args.region)
        existing = args.existing_bucket
        if existing is None:
            made = make_bucket(f"{name}-bucket", child, retain=args.retain)
            bucket, bucket_arn = made.bucket, made.arn
        else:
            bucket = pulumi.Output.from_input(existing.name)
            bucket_arn = pulumi.Output.from_input(f"arn:{PARTITIONS[args.region]}:s3:::{existing.name}")
        foreign = existing is not None and existing.account not in (None, args.account)
        key_arn: pulumi.Input[str] | None = args.key
        if args.key == "create":
            key_arn = make_key(
                f"{name}-key",
                account=args.account,
                region=args.region,
                bucket_arn=bucket_arn,
                log_groups=[f"{name}-delivery-errors-*", f"{name}-{LOG_GROUP}-*"],
                child=child,
                retain=args.retain,
            ).arn
        if existing is None:
            secure_bucket(f"{name}-bucket", made, args.bucket, child, key_arn=key_arn, retain=args.retain)
        elif not foreign:
            provider = args.providers[args.region]
            warn_of_what_it_lacks(existing.name, pulumi.InvokeOptions(parent=self, provider=provider))
        else:
            warn_that_it_is_foreign(existing.name, str(existing.account))
        transform = None
        if args.transform is not None:
            keys = LAYOUTS[args.delivery.layout].partitioned_by
            transform = ArchiveTransform(name, args.transform, partition_keys=keys, key_arn=key_arn, child=child)
        stream, delivery_role = make_stream(
            name,
            stream_name=args.stream_name,
            account=args.account,
            region=args.region,
            bucket_arn=bucket_arn,
            foreign_bucket=foreign,
            key_arn=key_arn,
            delivery=args.delivery,
            transform=transform,
            child=child,
            retain=args.retain,
        )
        sender_role, sender_policy = self._make_sender_role(stream, transform.allow(stream) if transform else [])
        for group in args.own_log_groups:
            self._subscribe(group, stream, sender_role, sender_policy)
        self.bucket = bucket
        self.required_bucket_policy = (
            pulumi.Output.all(bucket=bucket_arn, role=delivery_role.arn).apply(
                lambda arns: policies.foreign_bucket_policy(bucket_arn=arns["bucket"], role_arn=arns["role"])
            )
            if foreign
            else None
        )
        self.stream = stream.name
        self.destinations = {
            region: self._make_destination(region, stream, sender_role, sender_policy)
            for region in args.destination_regions
        }
        self.topics = self._find_topics()
        if self.topics:
            watch_archive(
                name,
                account=args.account,
                region=args.region,
                stream=stream,
                transform=transform,
                delivery=args.delivery,
                has_key=key_arn is not None,
                sends=bool(args.own_log_groups),
                sender_accounts=args.sender_accounts,
                sender_regions=args.destination_regions,
                topic=self.topics[args.region],
                child=child,
            )
        self.register_outputs(
            {"bucket": self.bucket, "stream": self.stream, "destinations": self.destinations, "topics": self.topics}
        )

    def _child(
        self,
        region: str,
        *,
        protect: bool = False,
        retain_on_delete: bool = False,
        depends_on: Sequence[pulumi.Resource] = (),
        delete_before_replace: bool = False,
        replace_on_changes: Sequence[str] = (),
    ) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self,
            provider=self._args.providers[region],
            protect=protect,
            retain_on_delete=retain_on_delete,
            depends_on=list(depends_on),
            delete_before_replace=delete_before_replace,
            replace_on_changes=list(replace_on_changes),
        )

    def _make_sender_role(
        self, stream: aws.kinesis.FirehoseDeliveryStream, before: Sequence[pulumi.Resource]
    ) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
        """The role that CloudWatch Logs assumes, for every region: IAM knows none. It may do nothing ``before``."""
        home = self._args.region
        role = aws.iam.Role(
            f"{self._name}-sender-role",
            name=self._args.sender_role_name,
            description="CloudWatch Logs puts events of the sender accounts into the central log archive",
            assume_role_policy=policies.sender_role_trust(
                home_region=home,
                account=self._args.account,
                sender_accounts=self._args.sender_accounts,
                sender_organization=self._args.sender_organization,
            ),
            opts=self._child(home),
        )
        policy = aws.iam.RolePolicy(
            f"{self._name}-sender-policy",
            role=role.name,
            policy=stream.arn.apply(lambda arn: policies.sender_role_policy(stream_arn=arn)),
            opts=self._child(home, depends_on=before),
        )
        return role, policy

    def _find_topics(self) -> dict[str, pulumi.Output[str]]:
        """Return region → ARN of the topic that alarms tell, made here or given."""
        args = self._args
        if args.topics is None:
            return {}
        if args.topics:
            return {region: pulumi.Output.from_input(arn) for region, arn in args.topics.items()}
        return {
            region: make_topic(
                self._name,
                region,
                account=args.account,
                sender_accounts=args.sender_accounts,
                sender_organization=args.sender_organization,
                child=partial(self._child, region),
            )
            for region in sorted({args.region, *args.destination_regions})
        }

    def _subscribe(
        self,
        group: SubscribedLogGroup,
        stream: aws.kinesis.FirehoseDeliveryStream,
        sender_role: aws.iam.Role,
        sender_policy: aws.iam.RolePolicy,
    ) -> None:
        """Subscribe a log group of this account straight to the stream: destinations are for other accounts."""
        home = self._args.region
        aws.cloudwatch.LogSubscriptionFilter(
            f"{self._name}-filter-{group.name}",
            name=filter_name(home),
            log_group=group.name,
            filter_pattern=group.filter_pattern,
            distribution=group.distribution,
            # Never left out: AWS would keep what was there (API operation PutSubscriptionFilter).
            emit_system_fields=sorted(group.emit_system_fields or ()),
            destination_arn=stream.arn,
            role_arn=sender_role.arn,
            opts=self._child(home, depends_on=[sender_policy], delete_before_replace=True),
        )

    def _make_destination(
        self,
        region: str,
        stream: aws.kinesis.FirehoseDeliveryStream,
        sender_role: aws.iam.Role,
        sender_policy: aws.iam.RolePolicy,
    ) -> pulumi.Output[str]:
        """Return the destination's ARN, known only once its policy is there.

        So whatever uses the ARN waits for the policy, and is deleted before it.
        """
        destination = aws.cloudwatch.LogDestination(
            f"{self._name}-destination-{region}",
            name=self._args.destination_names.get(region),
            role_arn=sender_role.arn,
            target_arn=stream.arn,
            # CloudWatch Logs sends a test message through the role at once.
            opts=self._child(region, depends_on=[sender_policy]),
        )
        policy = aws.cloudwatch.LogDestinationPolicy(
            f"{self._name}-destination-policy-{region}",
            destination_name=destination.name,
            access_policy=destination.arn.apply(
                lambda arn: policies.destination_policy(
                    destination_arn=arn,
                    sender_accounts=self._args.sender_accounts,
                    sender_organization=self._args.sender_organization,
                )
            ),
            # From accounts to an organization AWS changes a policy only if told that the filters have their roles
            # (API operation PutDestinationPolicy).
            force_update=self._args.sender_organization is not None,
            opts=self._child(region),
        )
        return pulumi.Output.all(destination.arn, policy.id).apply(lambda made: str(made[0]))
