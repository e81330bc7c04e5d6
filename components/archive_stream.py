"""The Firehose stream that carries every event into the bucket, with its role and its error log."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components import documents
from components.archive_bucket import Options
from components.layouts import ERROR_PREFIX, LAYOUTS
from components.settings import Delivery

# The whole record is kept, so that owner, log group and stream of each event are known. Records arrive gzipped:
# Firehose unpacks them, ends each with a newline and compresses the object once. Without the unpacking, the object
# would hold gzip inside gzip.
_DECOMPRESSION = ("Decompression", {"CompressionFormat": "GZIP"})
_DELIMITER = ("AppendDelimiterToRecord", {"Delimiter": "\\n"})  # two characters: the service reads the escape
_COMPRESSION = {"gzip": "GZIP", "snappy": "Snappy", "none": "UNCOMPRESSED"}
_ERROR_RETENTION_DAYS = 90


def make_stream(
    name: str,
    *,
    account: str,
    region: str,
    bucket_arn: pulumi.Input[str],
    key_arn: pulumi.Input[str] | None,
    delivery: Delivery,
    child: Options,
    retain: bool,
) -> aws.kinesis.FirehoseDeliveryStream:
    """Make a stream that takes records directly and writes them into the bucket, through a role that may do just that.

    A stream that leaves the stack is kept: what it has gathered would be deleted with it (API operation
    DeleteDeliveryStream).

    Args:
        name: the archive's logical name; stream, role and error log are named after it.
        account: id of the archive's account.
        region: home region.
        bucket_arn: ARN of the bucket.
        key_arn: ARN of the KMS key of stream, objects and error log; None: keys of AWS.
        delivery: how events are written.
        child: gives the options of a child in the home region.
        retain: keep the stream when it leaves the stack.
    """
    layout = LAYOUTS[delivery.layout]
    extraction = (
        ("MetadataExtraction", {"MetadataExtractionQuery": layout.query, "JsonParsingEngine": "JQ-1.6"})
        if layout.query is not None
        else None
    )
    # Firehose reports only into a group and stream that are there already.
    error_group = aws.cloudwatch.LogGroup(
        f"{name}-delivery-errors", retention_in_days=_ERROR_RETENTION_DAYS, kms_key_id=key_arn, opts=child()
    )
    error_stream = aws.cloudwatch.LogStream(
        f"{name}-delivery-errors-s3", name="S3Delivery", log_group_name=error_group.name, opts=child()
    )
    role = aws.iam.Role(
        f"{name}-delivery-role",
        description="Amazon Data Firehose writes the central log archive",
        assume_role_policy=documents.delivery_role_trust(account=account),
        opts=child(),
    )
    policy = aws.iam.RolePolicy(
        f"{name}-delivery-policy",
        role=role.name,
        policy=pulumi.Output.all(bucket=bucket_arn, errors=error_stream.arn, key=key_arn).apply(
            lambda arns: documents.delivery_role_policy(
                home_region=region,
                bucket_arn=arns["bucket"],
                error_log_stream_arn=arns["errors"],
                key_arn=arns["key"],
            )
        ),
        opts=child(),
    )
    return aws.kinesis.FirehoseDeliveryStream(
        f"{name}-stream",
        destination="extended_s3",
        extended_s3_configuration=aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationArgs(
            bucket_arn=bucket_arn,
            role_arn=role.arn,
            prefix=layout.prefix,
            error_output_prefix=ERROR_PREFIX,
            buffering_size=delivery.buffer_mib,
            buffering_interval=delivery.buffer_seconds,
            compression_format=_COMPRESSION[delivery.compression],
            kms_key_arn=key_arn,
            dynamic_partitioning_configuration=(
                aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationDynamicPartitioningConfigurationArgs(
                    enabled=True
                )
                if extraction
                else None
            ),
            processing_configuration=(
                aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationProcessingConfigurationArgs(
                    enabled=True,
                    processors=[
                        _processor(*processor) for processor in (_DECOMPRESSION, extraction, _DELIMITER) if processor
                    ],
                )
            ),
            cloudwatch_logging_options=(
                aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationCloudwatchLoggingOptionsArgs(
                    enabled=True, log_group_name=error_group.name, log_stream_name=error_stream.name
                )
            ),
        ),
        server_side_encryption=aws.kinesis.FirehoseDeliveryStreamServerSideEncryptionArgs(
            enabled=True,
            key_type="AWS_OWNED_CMK" if key_arn is None else "CUSTOMER_MANAGED_CMK",
            key_arn=key_arn,
        ),
        opts=child(retain_on_delete=retain, depends_on=[policy]),
    )


def _processor(
    kind: str, parameters: Mapping[str, str]
) -> aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationProcessingConfigurationProcessorArgs:
    return aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationProcessingConfigurationProcessorArgs(
        type=kind,
        parameters=[
            aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationProcessingConfigurationProcessorParameterArgs(
                parameter_name=name, parameter_value=value
            )
            for name, value in parameters.items()
        ],
    )
