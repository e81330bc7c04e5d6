"""Signed digests of what arrives: the key that signs them, and the Lambda function that writes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

from components.central_log_archive.key import KeyArns
from components.central_log_archive.role import make_role
from components.role_policy import make_role_policy
from components.scope import Scope
from topology import policies
from topology.settings import Archive, Integrity

LOG_GROUP = "digest-logs"
"""End of the logical name of the function's log group."""

_FOLDER = Path("functions") / "digest"
_LOG_RETENTION_DAYS = 90
_MEMORY_MIB = 1024
_TIMEOUT_SECONDS = 900  # Lambda's maximum, for lists of millions of objects


@dataclass(frozen=True, kw_only=True)
class Digests:
    """What signs the digests.

    Attributes:
        output: the stack output.
        function: name of the function.
        rule: name of the rule that invokes it.
        key: ARN of the key that signs.
    """

    output: dict[str, pulumi.Input[str | int]]
    function: pulumi.Output[str]
    rule: pulumi.Output[str]
    key: pulumi.Output[str]


def make_digests(
    scope: Scope,
    archive: Archive,
    settings: Integrity,
    *,
    bucket: pulumi.Output[str],
    bucket_arn: pulumi.Output[str],
    keys: KeyArns,
) -> Digests:
    """Create the key, the function and its schedule.

    Args:
        scope: the home region.
        archive: settings of the archive.
        settings: those of the digests.
        bucket: name of the bucket.
        bucket_arn: its ARN.
        keys: ARNs of the KMS keys of the objects and of the log group.
    """
    name = scope.name
    logs = aws.cloudwatch.LogGroup(
        f"{name}-{LOG_GROUP}",
        retention_in_days=_LOG_RETENTION_DAYS,
        kms_key_id=keys.log_groups,
        opts=scope.child(),
    )
    role = make_role(
        f"{name}-digest-role",
        scope,
        description="Signs what arrived in the central log archive",
        trust=policies.function_role_trust(),
    )
    key = aws.kms.Key(
        f"{name}-signing-key",
        description="Central log archive: signs the digests of what arrived",
        customer_master_key_spec="ECC_NIST_P256",
        key_usage="SIGN_VERIFY",
        policy=role.arn.apply(
            lambda arn: policies.signing_key_policy(
                home_region=scope.region, account=scope.account, deployer_role=archive.deployer_role, signer_arn=arn
            )
        ),
        opts=scope.child(protect=scope.retain, retain_on_delete=scope.retain),
    )
    policy = make_role_policy(
        f"{name}-digest-policy",
        scope,
        role=role,
        policy=pulumi.Output.all(bucket=bucket_arn, logs=logs.arn, signing=key.arn, objects=keys.objects).apply(
            lambda arns: policies.digest_role_policy(
                home_region=scope.region,
                bucket_arn=arns["bucket"],
                log_group_arn=arns["logs"],
                signing_key_arn=arns["signing"],
                key_arn=arns["objects"],
            )
        ),
    )
    variables: dict[str, pulumi.Input[str]] = {
        "BUCKET": bucket,
        "SIGNING_KEY": key.arn,
        "GRACE_HOURS": str(settings.grace_hours),
    }
    if keys.objects is not None:
        variables["OBJECTS_KEY"] = keys.objects
    function = aws.lambda_.Function(
        f"{name}-digest",
        description="Writes a signed digest of what arrived in the central log archive",
        role=role.arn,
        runtime="python3.13",
        architectures=["arm64"],
        handler="functions.digest.handler.handler",
        code=pulumi.AssetArchive({
            file.as_posix(): pulumi.FileAsset(str(file)) for file in sorted(_FOLDER.glob("*.py"))
        }),
        memory_size=_MEMORY_MIB,
        timeout=_TIMEOUT_SECONDS,
        environment=aws.lambda_.FunctionEnvironmentArgs(variables=variables),
        logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=logs.name),
        opts=scope.child(depends_on=[policy]),
    )  # fmt: skip
    rule = aws.cloudwatch.EventRule(
        f"{name}-digest-rule",
        description="Invokes the function that signs what arrived in the central log archive",
        schedule_expression=f"cron(15 {settings.grace_hours} * * ? *)",
        opts=scope.child(),
    )
    permission = aws.lambda_.Permission(
        f"{name}-digest-permission",
        statement_id="schedule",
        action="lambda:InvokeFunction",
        function=function.name,
        principal="events.amazonaws.com",
        source_arn=rule.arn,
        opts=scope.child(),
    )
    aws.cloudwatch.EventTarget(
        f"{name}-digest-target",
        rule=rule.name,
        target_id=rule.name,
        arn=function.arn,
        opts=scope.child(depends_on=[permission]),
    )
    output: dict[str, pulumi.Input[str | int]] = {"signingKey": key.arn, "graceHours": settings.grace_hours}
    return Digests(output=output, function=function.name, rule=rule.name, key=key.arn)
