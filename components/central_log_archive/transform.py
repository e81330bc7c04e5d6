"""The Lambda function that transforms events before delivery."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pulumi
import pulumi_aws as aws

from components.central_log_archive.key import KeyArns
from components.central_log_archive.role import make_role
from components.role_policy import make_role_policy
from components.scope import Scope
from topology import policies
from topology.settings import BUNDLED, Transform

LOG_GROUP = "transform-logs"
"""End of the logical name of the function's log group."""

_BUNDLED_FILE = Path("functions") / "transform" / "handler.py"
_LOG_RETENTION_DAYS = 90
_MEMORY_MIB = 512
_TIMEOUT_SECONDS = 60


class ArchiveTransform:
    """A function created here, or an existing one.

    Attributes:
        settings: settings of the transform.
        function_arn: ARN of the version or alias that Firehose invokes.
        function_name: name of the function.
    """

    settings: Transform
    function_arn: pulumi.Input[str]
    function_name: pulumi.Input[str]

    def __init__(self, scope: Scope, settings: Transform, variables: Mapping[str, str], *, keys: KeyArns) -> None:
        """Create the function, unless it exists.

        Args:
            scope: the home region.
            settings: settings of the transform.
            variables: environment variables of a function created here.
            keys: ARNs of the KMS keys of the log group and of the stream.
        """
        self.settings, self._scope, self._keys = settings, scope, keys
        if settings.is_arn:
            self._logs = None
            self.function_arn, self.function_name = settings.code, settings.function_name
            return
        self._logs = aws.cloudwatch.LogGroup(
            f"{scope.name}-{LOG_GROUP}",
            retention_in_days=_LOG_RETENTION_DAYS,
            kms_key_id=keys.log_groups,
            opts=scope.child(),
        )
        self._role = make_role(
            f"{scope.name}-transform-role",
            scope,
            description="Transforms events on their way into the central log archive",
            trust=policies.function_role_trust(),
        )
        function = aws.lambda_.Function(
            f"{scope.name}-transform",
            description="Transforms events on their way into the central log archive",
            role=self._role.arn,
            runtime="python3.13",
            architectures=["arm64"],
            handler=settings.handler or "handler.handler",
            code=_code(settings),
            memory_size=settings.memory_mib or _MEMORY_MIB,
            timeout=settings.timeout_seconds or _TIMEOUT_SECONDS,
            environment=aws.lambda_.FunctionEnvironmentArgs(variables=variables),
            logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=self._logs.name),
            opts=scope.child(),
        )
        self.function_arn = function.arn.apply(lambda arn: f"{arn}:$LATEST")
        self.function_name = function.name

    def allow(self, stream: aws.kinesis.FirehoseDeliveryStream) -> list[pulumi.Resource]:
        """Let a function created here resubmit records to the stream; return what has to exist before events arrive."""
        if self._logs is None:
            return []
        policy = make_role_policy(
            f"{self._scope.name}-transform-policy",
            self._scope,
            role=self._role,
            policy=pulumi.Output.all(stream=stream.arn, logs=self._logs.arn, key=self._keys.stream).apply(
                lambda arns: policies.transform_role_policy(
                    home_region=self._scope.region,
                    stream_arn=arns["stream"],
                    log_group_arn=arns["logs"],
                    key_arn=arns["key"],
                )
            ),
        )
        return [policy]


def _code(settings: Transform) -> pulumi.Archive:
    """Return the code to upload. Paths are relative to the project's root, where Pulumi runs the program."""
    if settings.code == BUNDLED:
        # Only this file: any other file in the folder would change the function.
        return pulumi.AssetArchive({_BUNDLED_FILE.name: pulumi.FileAsset(str(_BUNDLED_FILE))})
    return pulumi.FileArchive(settings.code)
