"""The Firehose stream that carries every event into the bucket, with its role and its error log."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.central_log_archive.bucket import Options
from components.central_log_archive.transform import ArchiveTransform
from topology import policies
from topology.layouts import ERROR_PREFIX, LAYOUTS, ORIGINALS_PREFIX, Layout
from topology.settings import Delivery

# The whole record is kept, so that owner, log group and stream of each event are known. Records arrive gzipped:
# Firehose unpacks them, ends each with a newline and compresses the object once. Without the unpacking, the object
# would hold gzip inside gzip.
_DECOMPRESSION = ("Decompression", {"CompressionFormat": "GZIP"})
_DELIMITER = ("AppendDelimiterToRecord", {"Delimiter": "\\n"})  # two characters: the service reads the escape
_COMPRESSION = {"gzip": "GZIP", "snappy": "Snappy", "none": "UNCOMPRESSED"}
_ERROR_RETENTION_DAYS = 90

# Half a MiB of gzipped records, so that they fit into the 6 MB of an answer once they are unpacked. Values that are the
# defaults of AWS (1 MiB, 60 seconds, 3 retries) are left out: the official plugin would find them missing, for ever.
_TRANSFORM_BUFFER = {"BufferSizeInMBs": "0.5", "BufferIntervalInSeconds": "30"}
_DEFAULT_RETRIES = 3


def make_stream(
    name: str,
    *,
    stream_name: str | None,
    account: str,
    region: str,
    bucket_arn: pulumi.Input[str],
    foreign_bucket: bool,
    key_arn: pulumi.Input[str] | None,
    delivery: Delivery,
    transform: ArchiveTransform | None,
    child: Options,
    retain: bool,
) -> tuple[aws.kinesis.FirehoseDeliveryStream, aws.iam.Role]:
    """Make a stream that writes what is put into it into the bucket, and its role, which may do just that.

    A stream that leaves the stack is kept: what it has gathered would be deleted with it (API operation
    DeleteDeliveryStream).

    Args:
        name: the archive's logical name; role and error log are named after it.
        stream_name: name of the stream; None: after the archive too.
        account: id of the archive's account.
        region: home region.
        bucket_arn: ARN of the bucket.
        foreign_bucket: whether it belongs to another account.
        key_arn: ARN of the KMS key of stream, objects and error log; None: keys of AWS.
        delivery: how events are written.
        transform: the function that changes events on their way, if any.
        child: gives the options of a child in the home region.
        retain: keep the stream when it leaves the stack.
    """
    layout = LAYOUTS[delivery.layout]
    backup = transform is not None and transform.settings.backup
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
        assume_role_policy=policies.delivery_role_trust(account=account),
        opts=child(),
    )
    policy = aws.iam.RolePolicy(
        f"{name}-delivery-policy",
        role=role.name,
        policy=pulumi.Output.all(
            bucket=bucket_arn,
            errors=error_stream.arn,
            key=key_arn,
            function=transform and transform.function_arn,
        ).apply(
            lambda arns: policies.delivery_role_policy(
                home_region=region,
                bucket_arn=arns["bucket"],
                foreign_bucket=foreign_bucket,
                error_log_stream_arn=arns["errors"],
                key_arn=arns["key"],
                function_arn=arns["function"],
            )
        ),
        opts=child(),
    )
    stream = aws.kinesis.FirehoseDeliveryStream(
        f"{name}-stream",
        name=stream_name,
        destination="extended_s3",
        extended_s3_configuration=aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationArgs(
            bucket_arn=bucket_arn,
            role_arn=role.arn,
            prefix=layout.prefix_of_transformed if transform else layout.prefix,
            error_output_prefix=ERROR_PREFIX,
            buffering_size=delivery.buffer_mib,
            buffering_interval=delivery.buffer_seconds,
            compression_format=_COMPRESSION[delivery.compression],
            kms_key_arn=key_arn,
            dynamic_partitioning_configuration=(
                aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationDynamicPartitioningConfigurationArgs(
                    enabled=True
                )
                if layout.partitioned_by
                else None
            ),
            processing_configuration=(
                aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationProcessingConfigurationArgs(
                    enabled=True,
                    processors=_processors(layout, transform),
                )
            ),
            s3_backup_mode="Enabled" if backup else "Disabled",
            s3_backup_configuration=(
                aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationS3BackupConfigurationArgs(
                    bucket_arn=bucket_arn,
                    role_arn=role.arn,
                    prefix=ORIGINALS_PREFIX,
                    error_output_prefix=ERROR_PREFIX,
                    buffering_size=delivery.buffer_mib,
                    buffering_interval=delivery.buffer_seconds,
                    kms_key_arn=key_arn,
                )
                if backup
                else None
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
        opts=child(
            retain_on_delete=retain,
            depends_on=[policy],
            # AWS never ends the backup of a stream again (API operation UpdateDestination).
            replace_on_changes=[] if backup else ["extendedS3Configuration.s3BackupMode"],
        ),
    )
    return stream, role


def _processors(
    layout: Layout, transform: ArchiveTransform | None
) -> list[aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationProcessingConfigurationProcessorArgs]:
    if transform is not None:
        number = transform.settings.retries
        retries = {} if number == _DEFAULT_RETRIES else {"NumberOfRetries": str(number)}
        # It gets records as they came: unpacked, they could not be put into the stream again.
        return [_processor("Lambda", {"LambdaArn": transform.function_arn, **_TRANSFORM_BUFFER, **retries})]
    if layout.query is None:
        return [_processor(*_DECOMPRESSION), _processor(*_DELIMITER)]
    query = {"MetadataExtractionQuery": layout.query, "JsonParsingEngine": "JQ-1.6"}
    return [_processor(*_DECOMPRESSION), _processor("MetadataExtraction", query), _processor(*_DELIMITER)]


def _processor(
    kind: str, parameters: Mapping[str, pulumi.Input[str]]
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
