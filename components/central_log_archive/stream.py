"""The Firehose stream that delivers every event to the bucket, with its role and its error log."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.central_log_archive.key import KeyArns
from components.central_log_archive.role import make_role
from components.central_log_archive.transform import ArchiveTransform
from components.role_policy import make_role_policy
from components.scope import Scope
from topology import policies
from topology.layouts import ERROR_PREFIX, LAYOUTS, ORIGINALS_PREFIX
from topology.settings import Archive

ERROR_LOG_GROUP = "delivery-errors"
"""End of the logical name of the stream's error log group."""

# Records are kept whole, so that the account, log group and log stream of each event are known. They arrive gzipped:
# Firehose decompresses them, appends a newline to each and compresses the object. Without decompression, the object
# would contain gzip in gzip.
_DECOMPRESSION = ("Decompression", {"CompressionFormat": "GZIP"})
_DELIMITER = ("AppendDelimiterToRecord", {"Delimiter": "\\n"})  # two characters: the service reads the escape
_COMPRESSION = {"gzip": "GZIP", "snappy": "Snappy", "none": "UNCOMPRESSED"}
# The backup of a stream cannot be disabled (API operation UpdateDestination).
_BACKUP_MODE = "extendedS3Configuration.s3BackupMode"
# Without a transform, this is decompression. AWS enables it on an existing stream only while that has a function
# (Firehose Developer Guide, "Enable decompression on an existing stream"). The query that follows it may change.
_FIRST_PROCESSOR = "extendedS3Configuration.processingConfiguration.processors[0]"
_ERROR_RETENTION_DAYS = 90

# Half a MiB of gzipped records, so that they fit into a response of 6 MB when decompressed. Values that are AWS's
# defaults (1 MiB, 60 seconds, 3 retries) are omitted: the official plugin would show a permanent diff.
_TRANSFORM_BUFFER = {"BufferSizeInMBs": "0.5", "BufferIntervalInSeconds": "30"}
_DEFAULT_RETRIES = 3


def make_stream(
    scope: Scope,
    archive: Archive,
    *,
    bucket_arn: pulumi.Input[str],
    keys: KeyArns,
    transform: ArchiveTransform | None,
) -> tuple[aws.kinesis.FirehoseDeliveryStream, aws.iam.Role]:
    """Create the stream, and the role with which it writes to the bucket.

    A stream that leaves the stack is retained: deleting it deletes what it has buffered (API operation
    DeleteDeliveryStream).

    Args:
        scope: the home region.
        archive: settings of the archive.
        bucket_arn: ARN of the bucket.
        keys: ARNs of the KMS keys of stream, objects and error log.
        transform: the function that transforms events, if any.
    """
    name, delivery = scope.name, archive.delivery
    layout = LAYOUTS[delivery.layout]
    backup = archive.keeps_originals
    # Firehose logs errors only if the log group and log stream exist.
    error_group = aws.cloudwatch.LogGroup(
        f"{name}-{ERROR_LOG_GROUP}",
        retention_in_days=_ERROR_RETENTION_DAYS,
        kms_key_id=keys.log_groups,
        opts=scope.child(),
    )
    error_stream = aws.cloudwatch.LogStream(
        f"{name}-{ERROR_LOG_GROUP}-s3", name="S3Delivery", log_group_name=error_group.name, opts=scope.child()
    )
    role = make_role(
        f"{name}-delivery-role",
        scope,
        description="Amazon Data Firehose writes the central log archive",
        trust=policies.delivery_role_trust(account=scope.account),
    )
    policy = make_role_policy(
        f"{name}-delivery-policy",
        scope,
        role=role,
        policy=pulumi.Output.all(
            bucket=bucket_arn,
            errors=error_stream.arn,
            key=keys.objects,
            function=transform and transform.function_arn,
        ).apply(
            lambda arns: policies.delivery_role_policy(
                home_region=scope.region,
                bucket_arn=arns["bucket"],
                cross_account_bucket=archive.bucket_owner != archive.account,
                error_log_stream_arn=arns["errors"],
                key_arn=arns["key"],
                function_arn=arns["function"],
            )
        ),
    )
    stream = aws.kinesis.FirehoseDeliveryStream(
        f"{name}-stream",
        name=archive.stream_name,
        destination="extended_s3",
        extended_s3_configuration=aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationArgs(
            bucket_arn=bucket_arn,
            role_arn=role.arn,
            prefix=layout.prefix_of_transformed if transform else layout.prefix,
            error_output_prefix=ERROR_PREFIX,
            buffering_size=delivery.buffer_mib,
            buffering_interval=delivery.buffer_seconds,
            compression_format=_COMPRESSION[delivery.compression],
            kms_key_arn=keys.objects,
            dynamic_partitioning_configuration=(
                aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationDynamicPartitioningConfigurationArgs(
                    enabled=True
                )
                if delivery.is_partitioned
                else None
            ),
            processing_configuration=(
                aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationProcessingConfigurationArgs(
                    enabled=True,
                    processors=_processors(layout.query(archive.account, archive.regions), transform),
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
                    kms_key_arn=keys.objects,
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
            key_type="AWS_OWNED_CMK" if keys.stream is None else "CUSTOMER_MANAGED_CMK",
            key_arn=keys.stream,
        ),
        opts=scope.child(
            retain_on_delete=scope.retain,
            depends_on=[policy],
            replace_on_changes=[
                *([] if backup else [_BACKUP_MODE]),
                *([] if transform else [_FIRST_PROCESSOR]),
            ],
        ),
    )
    return stream, role


def _processors(
    query: str | None, transform: ArchiveTransform | None
) -> list[aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationProcessingConfigurationProcessorArgs]:
    if transform is not None:
        number = transform.settings.retries
        retries = {} if number == _DEFAULT_RETRIES else {"NumberOfRetries": str(number)}
        # It gets the original records: decompressed ones could not be resubmitted to the stream.
        return [_processor("Lambda", {"LambdaArn": transform.function_arn, **_TRANSFORM_BUFFER, **retries})]
    if query is None:
        return [_processor(*_DECOMPRESSION), _processor(*_DELIMITER)]
    extraction = {"MetadataExtractionQuery": query, "JsonParsingEngine": "JQ-1.6"}
    return [_processor(*_DECOMPRESSION), _processor("MetadataExtraction", extraction), _processor(*_DELIMITER)]


def _processor(
    processor_type: str, parameters: Mapping[str, pulumi.Input[str]]
) -> aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationProcessingConfigurationProcessorArgs:
    return aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationProcessingConfigurationProcessorArgs(
        type=processor_type,
        parameters=[
            aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationProcessingConfigurationProcessorParameterArgs(
                parameter_name=name, parameter_value=value
            )
            for name, value in parameters.items()
        ],
    )
