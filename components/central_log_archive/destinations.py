"""The Logs destination in each region, and the role that CloudWatch Logs assumes to put events into the stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.central_log_archive.role import make_role
from components.role_policy import make_role_policy
from components.scope import Scope, known_after
from components.subscription_filter import make_subscription_filter
from topology import policies
from topology.settings import Archive, SubscribedLogGroup


@dataclass(frozen=True)
class Sender:
    """The role that CloudWatch Logs assumes to put records into the stream, and the policy that allows it to."""

    role: aws.iam.Role
    policy: aws.iam.RolePolicy
    stream: aws.kinesis.FirehoseDeliveryStream


def make_sender(
    scope: Scope,
    archive: Archive,
    stream: aws.kinesis.FirehoseDeliveryStream,
    *,
    key_arn: pulumi.Input[str] | None,
    depends_on: Sequence[pulumi.Resource],
) -> Sender:
    """Create the sender role, for every region: IAM is global.

    Args:
        scope: the home region.
        archive: settings of the archive.
        stream: the stream.
        key_arn: ARN of the KMS key of the stream; None: a key that AWS owns.
        depends_on: what has to exist before the role is allowed to put records.
    """
    role = make_role(
        f"{scope.name}-sender-role",
        scope,
        name=archive.sender_role_name,
        description="CloudWatch Logs puts events of the sender accounts into the central log archive",
        trust=policies.sender_role_trust(
            home_region=archive.region,
            account=archive.account,
            sender_accounts=archive.sender_accounts,
            sender_organization=archive.sender_organization,
        ),
    )
    policy = make_role_policy(
        f"{scope.name}-sender-policy",
        scope,
        role=role,
        policy=pulumi.Output.all(stream=stream.arn, key=key_arn).apply(
            lambda arns: policies.sender_role_policy(
                home_region=archive.region, stream_arn=arns["stream"], key_arn=arns["key"]
            )
        ),
        depends_on=depends_on,
    )
    return Sender(role, policy, stream)


def subscribe_own_log_group(scope: Scope, group: SubscribedLogGroup, sender: Sender) -> None:
    """Subscribe a log group of the central account directly to the stream: destinations are for other accounts."""
    make_subscription_filter(
        f"{scope.name}-filter-{group.name}",
        scope,
        log_group=group.name,
        forwards=group,
        destination_arn=sender.stream.arn,
        role_arn=sender.role.arn,
        depends_on=[sender.policy],
    )


def make_destination(scope: Scope, archive: Archive, sender: Sender) -> pulumi.Output[str]:
    """Create the destination of a region; return its ARN, known once its policy admits the senders."""
    destination = aws.cloudwatch.LogDestination(
        f"{scope.name}-destination-{scope.region}",
        name=archive.destination_names.get(scope.region),
        role_arn=sender.role.arn,
        target_arn=sender.stream.arn,
        # CloudWatch Logs immediately sends a test message through the role.
        opts=scope.child(depends_on=[sender.policy]),
    )
    policy = aws.cloudwatch.LogDestinationPolicy(
        f"{scope.name}-destination-policy-{scope.region}",
        destination_name=destination.name,
        access_policy=destination.arn.apply(
            lambda arn: policies.destination_policy(
                destination_arn=arn,
                sender_accounts=archive.sender_accounts,
                sender_organization=archive.sender_organization,
            )
        ),
        # Required to change a policy from accounts to an organization (API operation PutDestinationPolicy).
        force_update=archive.sender_organization is not None,
        opts=scope.child(),
    )
    return known_after(destination.arn, policy)
