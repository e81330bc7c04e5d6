"""The Lambda function that changes events on their way into the bucket."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pulumi
import pulumi_aws as aws

from components.central_log_archive.bucket import Options
from topology import policies
from topology.settings import BUNDLED, Transform

LOG_GROUP = "transform-logs"
"""How the function's log group is named, after the archive."""

_BUNDLED_FILE = Path("functions") / "transform" / "handler.py"
_LOG_RETENTION_DAYS = 90
_MEMORY_MIB = 512
_TIMEOUT_SECONDS = 60


class ArchiveTransform:
    """A function made here, or one that is there already.

    Attributes:
        settings: what the stack file says of it.
        function_arn: ARN of the version or alias that Firehose calls.
        function_name: name of the function.
    """

    settings: Transform
    function_arn: pulumi.Input[str]
    function_name: pulumi.Input[str]

    def __init__(
        self,
        name: str,
        settings: Transform,
        *,
        partition_keys: Sequence[str],
        key_arn: pulumi.Input[str] | None,
        child: Options,
    ) -> None:
        """Make the function, unless it is there.

        Args:
            name: the archive's logical name; role, log group and function are named after it.
            settings: what the stack file says of it.
            partition_keys: partition keys that the stream's prefix names, and the function has to return.
            key_arn: ARN of the KMS key of the log group; None: a key of AWS.
            child: gives the options of a child in the home region.
        """
        self.settings, self._name, self._child = settings, name, child
        if settings.is_arn:
            self._logs = None
            self.function_arn, self.function_name = settings.code, settings.function_name
            return
        self._logs = aws.cloudwatch.LogGroup(
            f"{name}-{LOG_GROUP}", retention_in_days=_LOG_RETENTION_DAYS, kms_key_id=key_arn, opts=child()
        )
        self._role = aws.iam.Role(
            f"{name}-transform-role",
            description="Transforms events on their way into the central log archive",
            assume_role_policy=policies.transform_role_trust(),
            opts=child(),
        )
        function = aws.lambda_.Function(
            f"{name}-transform",
            description="Transforms events on their way into the central log archive",
            role=self._role.arn,
            runtime="python3.13",
            architectures=["arm64"],
            handler=settings.handler or "handler.handler",
            code=_code(settings),
            memory_size=settings.memory_mib or _MEMORY_MIB,
            timeout=settings.timeout_seconds or _TIMEOUT_SECONDS,
            environment=(
                aws.lambda_.FunctionEnvironmentArgs(variables={"PARTITION_KEYS": ",".join(partition_keys)})
                if partition_keys
                else None
            ),
            logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=self._logs.name),
            opts=child(),
        )
        self.function_arn = function.arn.apply(lambda arn: f"{arn}:$LATEST")
        self.function_name = function.name

    def allow(self, stream: aws.kinesis.FirehoseDeliveryStream) -> list[pulumi.Resource]:
        """Let a function made here put into the stream again; return what has to be there before events come."""
        if self._logs is None:
            return []
        policy = aws.iam.RolePolicy(
            f"{self._name}-transform-policy",
            role=self._role.name,
            policy=pulumi.Output.all(stream=stream.arn, logs=self._logs.arn).apply(
                lambda arns: policies.transform_role_policy(stream_arn=arns["stream"], log_group_arn=arns["logs"])
            ),
            opts=self._child(),
        )
        return [policy]


def _code(settings: Transform) -> pulumi.Archive:
    """What is uploaded, with paths from the project's root, where Pulumi runs the program."""
    if settings.code == BUNDLED:
        # The file alone: whatever else comes to lie beside it would be a change of the function.
        return pulumi.AssetArchive({_BUNDLED_FILE.name: pulumi.FileAsset(str(_BUNDLED_FILE))})
    return pulumi.FileArchive(settings.code)
