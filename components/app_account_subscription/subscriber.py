"""The function that subscribes log groups created after ``pulumi up``, in one account and region."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pulumi
import pulumi_aws as aws

from components.scope import Scope
from topology import policies
from topology.names import auto_filter_name, filter_name
from topology.patterns import SUBSCRIBER
from topology.regions import role_arn
from topology.settings import RegionLogGroups

_FOLDER = Path("functions") / "subscriber"
_FILES = (_FOLDER / "handler.py", Path("topology") / "patterns.py")
_LOG_RETENTION_DAYS = 90
_DEAD_LETTER_SECONDS = 14 * 24 * 3600
_TIMEOUT_SECONDS = 900  # Lambda's maximum, enough for about 3,000 log groups at the rate that AWS allows


def make_subscriber(
    scope: Scope,
    wanted: RegionLogGroups,
    *,
    destination: pulumi.Input[str],
    filter_role: str | None,
) -> pulumi.Output[str]:
    """Create the function with its rule and dead-letter queue, and invoke it; return the name of the queue.

    All names are fixed, so that the deployer role's policy can name them. The function's role comes from
    ``bootstrap/``: whoever can create both a role and a function can gain any permission in the account.

    Args:
        scope: the account and region.
        wanted: what to archive from them.
        destination: ARN of the archive's destination.
        filter_role: ARN of the role of the filters; None: they have none.
    """
    name, region, opts = scope.name, scope.region, scope.child(delete_before_replace=True)
    config = configuration(wanted, region)
    queue = aws.sqs.Queue(
        f"{name}-subscriber-dead-letters-{region}",
        name=SUBSCRIBER,
        message_retention_seconds=_DEAD_LETTER_SECONDS,
        sqs_managed_sse_enabled=True,
        opts=opts,
    )
    logs = aws.cloudwatch.LogGroup(
        f"{name}-subscriber-logs-{region}", name=SUBSCRIBER, retention_in_days=_LOG_RETENTION_DAYS, opts=opts
    )
    variables: dict[str, pulumi.Input[str]] = {"DESTINATION_ARN": destination}
    if filter_role is not None:
        variables["ROLE_ARN"] = filter_role
    function = aws.lambda_.Function(
        f"{name}-subscriber-{region}",
        name=SUBSCRIBER,
        description="Subscribes new log groups to the central log archive",
        role=role_arn(region, scope.account, SUBSCRIBER),
        runtime="python3.13",
        architectures=["arm64"],
        handler="functions.subscriber.handler.handler",
        code=pulumi.AssetArchive({
            **{str(file): pulumi.FileAsset(str(file)) for file in _FILES},
            str(_FOLDER / "config.json"): pulumi.StringAsset(config),
        }),
        memory_size=256,
        timeout=_TIMEOUT_SECONDS,
        environment=aws.lambda_.FunctionEnvironmentArgs(variables=variables),
        dead_letter_config=aws.lambda_.FunctionDeadLetterConfigArgs(target_arn=queue.arn),
        logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=logs.name),
        opts=opts,
    )  # fmt: skip
    # Deleted after the rule, when the function deletes its filters: that the rule is gone tells it that this is no
    # forged event. It runs when created too, and so does the run below for log groups created before the target was.
    end = aws.lambda_.Invocation(
        f"{name}-subscriber-end-{region}",
        function_name=function.name,
        lifecycle_scope="CRUD",
        input=json.dumps({}),
        opts=opts,
    )
    rule = aws.cloudwatch.EventRule(
        f"{name}-subscriber-rule-{region}",
        name=SUBSCRIBER,
        description="Invokes the function for new log groups, and every hour for those that were missed",
        event_pattern=policies.log_group_created(),
        schedule_expression="rate(1 hour)",
        opts=scope.child(depends_on=[end], delete_before_replace=True),
    )
    permission = aws.lambda_.Permission(
        f"{name}-subscriber-permission-{region}",
        statement_id=SUBSCRIBER,
        action="lambda:InvokeFunction",
        function=function.name,
        principal="events.amazonaws.com",
        source_arn=rule.arn,
        opts=opts,
    )
    target = aws.cloudwatch.EventTarget(
        f"{name}-subscriber-target-{region}", rule=rule.name, target_id=SUBSCRIBER, arn=function.arn, opts=opts
    )
    # Invokes the function when created, and when its configuration changes.
    aws.lambda_.Invocation(
        f"{name}-subscriber-run-{region}",
        function_name=function.name,
        lifecycle_scope="CRUD",
        input=pulumi.Output.all(config, destination, filter_role).apply(_digest),
        opts=scope.child(depends_on=[permission, target], delete_before_replace=True),
    )
    return queue.name


def configuration(wanted: RegionLogGroups, region: str) -> str:
    """Return the function's ``config.json``."""
    entries = [
        {
            "name": entry.name,
            "filterPattern": entry.filter_pattern,
            "emitSystemFields": sorted(entry.emit_system_fields or ()),
        }
        for entry in wanted.log_groups
    ]
    config = {
        "filterName": auto_filter_name(region),
        "handOver": filter_name(region),
        "entries": entries,
        "exclude": wanted.exclude or (),
    }
    return json.dumps(config, indent=1)


def _digest(values: list[str | None]) -> str:
    return json.dumps({"config": hashlib.sha256(json.dumps(values).encode()).hexdigest()})
