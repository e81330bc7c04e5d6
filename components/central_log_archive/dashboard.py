"""The CloudWatch dashboard, and the Lambda function behind its widgets."""

from __future__ import annotations

import json
from pathlib import Path

import pulumi
import pulumi_aws as aws

from components.central_log_archive.role import make_role
from components.role_policy import make_role_policy
from components.scope import Scope
from topology import policies
from topology.dashboard import dashboard_body, dashboard_name
from topology.settings import Archive

LOG_GROUP = "dashboard-logs"
"""End of the logical name of the function's log group."""

_FOLDER = Path("functions") / "dashboard"
_QUERIES = Path("queries")
_LOG_RETENTION_DAYS = 90
_MEMORY_MIB = 512
_TIMEOUT_SECONDS = 60  # a widget waits for a query for a third of it


class Dashboard:
    """The dashboard with its function.

    Attributes:
        dashboard: the dashboard.
        function: the function.
        role: the function's role.
    """

    dashboard: aws.cloudwatch.Dashboard
    function: aws.lambda_.Function
    role: aws.iam.Role

    def __init__(
        self,
        scope: Scope,
        archive: Archive,
        *,
        queried: pulumi.Output[policies.Queried],
        bucket: pulumi.Output[str],
        key_arn: pulumi.Input[str] | None,
    ) -> None:
        """Create everything.

        Args:
            scope: the home region.
            archive: settings of the archive, with ``analysis``.
            queried: what the function may query.
            bucket: name of the bucket that events are delivered to.
            key_arn: ARN of the KMS key of the log group.
        """
        name = scope.name
        logs = aws.cloudwatch.LogGroup(
            f"{name}-{LOG_GROUP}", retention_in_days=_LOG_RETENTION_DAYS, kms_key_id=key_arn, opts=scope.child()
        )
        self.role = make_role(
            f"{name}-dashboard-role",
            scope,
            description="Queries the central log archive for its dashboard",
            trust=policies.function_role_trust(),
        )
        policy = make_role_policy(
            f"{name}-dashboard-policy",
            scope,
            role=self.role,
            policy=pulumi.Output.all(queried, logs.arn).apply(
                lambda known: policies.dashboard_role_policy(known[0], log_group_arn=known[1])
            ),
        )
        self.function = aws.lambda_.Function(
            f"{name}-dashboard",
            description="Shows what queries of the central log archive return",
            role=self.role.arn,
            runtime="python3.13",
            architectures=["arm64"],
            handler="functions.dashboard.handler.handler",
            code=_code(archive),
            memory_size=_MEMORY_MIB,
            timeout=_TIMEOUT_SECONDS,
            environment=aws.lambda_.FunctionEnvironmentArgs(
                variables={
                    "BUCKET": bucket,
                    "DATABASE": queried.apply(lambda known: known.database),
                    "WORKGROUP": queried.apply(lambda known: known.workgroup),
                }
            ),
            logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=logs.name),
            opts=scope.child(depends_on=[policy]),
        )
        self.dashboard = aws.cloudwatch.Dashboard(
            f"{name}-widgets",
            dashboard_name=dashboard_name(pulumi.get_stack()),
            dashboard_body=self.function.arn.apply(
                lambda arn: dashboard_body(
                    function_arn=arn, accounts=archive.queried_accounts, regions=archive.queried_regions
                )
            ),
            opts=scope.child(),
        )


def _code(archive: Archive) -> pulumi.Archive:
    """Return the function with the queries. Paths are relative to the project's root, where Pulumi runs the program."""
    files = sorted([*_FOLDER.glob("*.py"), *_QUERIES.glob("*.py"), *_QUERIES.glob("*.sql")])
    return pulumi.AssetArchive({
        **{file.as_posix(): pulumi.FileAsset(str(file)) for file in files},
        (_FOLDER / "config.json").as_posix(): pulumi.StringAsset(configuration(archive)),
    })  # fmt: skip


def configuration(archive: Archive) -> str:
    """Return the function's ``config.json``: a file, since the accounts may exceed the 4 KB of an environment."""
    assert archive.analysis is not None  # noqa: S101
    config = {
        "senders": [each for each in archive.queried_accounts if each != archive.account or archive.own_log_groups],
        "grouped": archive.delivery.layout == "partitioned-by-group",
        "reuseMinutes": archive.analysis.reuse_minutes,
    }
    return json.dumps(config, indent=1)
