"""The stream that a stack file names, read from AWS: whether the program can update it in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from accounts.session import AWS_ERRORS, AssumedRole
from topology import roles
from topology.settings import Archive, SettingsError
from topology.stack_file import file_name

NOT_DECOMPRESSED = "does not decompress records"


@dataclass(frozen=True)
class Stream:
    """A Firehose stream that writes into S3.

    Attributes:
        name: name of the stream.
        arn: ARN of the stream.
        bucket: name of the bucket.
        role: ARN of the role that it writes with.
        prefix: prefix of its objects; empty: the default of AWS.
        extension: extension of its objects; empty: the default of AWS.
        time_zone: time zone of the timestamps in the prefix.
        compression: compression of its objects, as AWS spells it.
        buffer_mib: buffer size, in MiB.
        buffer_seconds: buffer interval, in seconds.
        processors: type → parameters of its processors.
        partitioned: whether dynamic partitioning is enabled, which cannot be changed.
        backup: whether it backs up source records, which cannot be disabled.
        converts: whether it converts records to Parquet or ORC.
        object_key: ARN of the KMS key that it encrypts objects with; None: the bucket's default encryption.
        key: ARN of the KMS key of the stream itself; None: an AWS owned key, or no encryption.
        error_log_group: log group of its errors, if any.
    """

    name: str
    arn: str
    bucket: str
    role: str
    prefix: str
    extension: str
    time_zone: str
    compression: str
    buffer_mib: int
    buffer_seconds: int
    processors: Mapping[str, Mapping[str, str]]
    partitioned: bool
    backup: bool
    converts: bool
    object_key: str | None
    key: str | None
    error_log_group: str | None

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Self:
        """Parse the description of a stream (API operation DescribeDeliveryStream).

        Raises:
            ValueError: CloudWatch Logs cannot put events into it, or it does not write to S3.
        """
        name = described["DeliveryStreamName"]
        delivery = described["Destinations"][0].get("ExtendedS3DestinationDescription")
        if described["DeliveryStreamType"] != "DirectPut" or not delivery:
            raise ValueError(f"the stream {name} is not a Direct PUT stream that writes to S3")
        objects = (delivery.get("EncryptionConfiguration") or {}).get("KMSEncryptionConfig") or {}
        at_rest = described.get("DeliveryStreamEncryptionConfiguration") or {}
        return cls(
            name=name,
            arn=described["DeliveryStreamARN"],
            bucket=delivery["BucketARN"].rpartition(":")[2],
            role=delivery["RoleARN"],
            prefix=delivery.get("Prefix", ""),
            extension=delivery.get("FileExtension", ""),
            time_zone=delivery.get("CustomTimeZone", "UTC"),
            compression=delivery["CompressionFormat"],
            buffer_mib=delivery["BufferingHints"]["SizeInMBs"],
            buffer_seconds=delivery["BufferingHints"]["IntervalInSeconds"],
            processors={
                each["Type"]: {pair["ParameterName"]: pair["ParameterValue"] for pair in each.get("Parameters", [])}
                for each in _enabled(delivery, "ProcessingConfiguration").get("Processors", [])
            },
            partitioned=bool(_enabled(delivery, "DynamicPartitioningConfiguration")),
            backup=delivery.get("S3BackupMode") == "Enabled",
            converts=bool(_enabled(delivery, "DataFormatConversionConfiguration")),
            object_key=objects.get("AWSKMSKeyARN"),
            key=at_rest.get("KeyARN"),
            error_log_group=_enabled(delivery, "CloudWatchLoggingOptions").get("LogGroupName"),
        )

    def why_replaced(self, *, transformed: bool, partitioned: bool) -> str | None:
        """Return why the program cannot update the stream in place; None: it can.

        It does not convert records. AWS can neither change dynamic partitioning (Firehose Developer Guide, "Dynamic
        partitioning") nor disable a backup (API operation UpdateDestination) nor enable decompression while the stream
        has no function (Firehose Developer Guide, "Enable decompression on an existing stream").

        Args:
            transformed: whether the stack file has a transform.
            partitioned: whether its layout is partitioned.
        """
        if self.converts:
            return "converts records"
        if self.partitioned != partitioned:
            return f"{'partitions' if self.partitioned else 'does not partition'} records, unlike the layout"
        if self.backup and not transformed:
            return "has a backup without a transform"
        if not transformed and "Decompression" not in self.processors:
            return NOT_DECOMPRESSED
        return None

    def problem(self, archive: Archive) -> str | None:
        """Return why an archive that names this stream cannot have it; None: it can."""
        why = self.why_replaced(transformed=archive.transform is not None, partitioned=archive.delivery.is_partitioned)
        if why is None:
            return None
        return (
            f"archive.streamName: the stream {self.name} {why}, which requires a new stream; remove "
            "archive.streamName, so that the new stream is auto-named"
        )


def _enabled(delivery: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    """Return a part of the configuration of a stream; empty if it is disabled."""
    found: Mapping[str, Any] = delivery.get(part) or {}
    return found if found.get("Enabled") else {}


def check_stream(archive: Archive, stack: str) -> None:
    """Check that the stream that a stack file names can be updated in place, if it exists.

    Raises:
        SettingsError: it cannot, or cannot be read.
    """
    if archive.stream_name is None:
        return
    arn, problem = roles.role_arn(archive, archive.region), None
    try:
        firehose = AssumedRole(arn, archive.region, stack).client("firehose", archive.region)
        try:
            described = firehose.describe_delivery_stream(DeliveryStreamName=archive.stream_name)
        except firehose.exceptions.ResourceNotFoundException:
            return
    except AWS_ERRORS as error:
        problem = (
            f"archive.streamName: the stream {archive.stream_name} cannot be read through {arn}: {error}; deploy "
            f"bootstrap/archive-account.yaml with StreamName={archive.stream_name}"
        )
    else:
        try:
            problem = Stream.of(described["DeliveryStreamDescription"]).problem(archive)
        except ValueError as error:
            problem = f"archive.streamName: {error}"
    if problem is not None:
        raise SettingsError.of(file_name(stack), [problem])
