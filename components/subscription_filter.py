"""Subscription filters, to a destination or directly to a stream."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.scope import Scope
from topology.names import filter_name
from topology.settings import LogGroupFilter


def make_subscription_filter(
    logical_name: str,
    scope: Scope,
    *,
    log_group: pulumi.Input[str],
    forwards: LogGroupFilter,
    destination_arn: pulumi.Input[str],
    role_arn: pulumi.Input[str] | None,
    depends_on: Sequence[pulumi.Resource] = (),
) -> pulumi.Output[str]:
    """Create a subscription filter; return its name.

    Args:
        logical_name: logical name of the filter.
        scope: the log group's account and region.
        log_group: name of the log group.
        forwards: what to forward.
        destination_arn: ARN of a Logs destination, or of a stream in the same account.
        role_arn: ARN of the role that CloudWatch Logs assumes; None: the destination needs none.
        depends_on: what has to exist before events are forwarded.
    """
    return aws.cloudwatch.LogSubscriptionFilter(
        logical_name,
        name=filter_name(scope.region),
        log_group=log_group,
        filter_pattern=forwards.filter_pattern,
        # Always set: AWS would keep the previous fields (API operation PutSubscriptionFilter).
        emit_system_fields=sorted(forwards.emit_system_fields or ()),
        destination_arn=destination_arn,
        role_arn=role_arn,
        # A replacement created first would overwrite the old filter, and then be deleted with it.
        opts=scope.child(depends_on=depends_on, delete_before_replace=True),
    ).name
