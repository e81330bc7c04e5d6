"""The EventBridge rule that sees what anybody but the deployer changes."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.scope import Scope
from topology.changes import CHANGES


def make_change_rule(scope: Scope, *, pattern: pulumi.Input[str], log_group_arn: pulumi.Input[str]) -> None:
    """Create the rule of a region, which writes the events that it matches to a log group.

    Args:
        scope: the account and region.
        pattern: the event pattern.
        log_group_arn: ARN of the log group, known once it exists.
    """
    opts = scope.child(delete_before_replace=True)
    rule = aws.cloudwatch.EventRule(
        f"{scope.name}-changes-rule-{scope.region}",
        name=CHANGES,
        description="Sees when anybody but the deployer role changes what the central log archive depends on",
        event_pattern=pattern,
        opts=opts,
    )
    aws.cloudwatch.EventTarget(
        f"{scope.name}-changes-target-{scope.region}", rule=rule.name, target_id=CHANGES, arn=log_group_arn, opts=opts
    )
