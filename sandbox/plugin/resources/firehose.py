"""Resource types of Amazon Data Firehose."""

from __future__ import annotations

from typing import Any, ClassVar

import pulumi_aws as sdk

from sandbox.plugin.aws import Aws, Values
from sandbox.plugin.resource_type import ResourceType

# Always sent, since an update keeps what it leaves out.
_DISABLED = {
    "processingConfiguration": {"enabled": False, "processors": []},
    "cloudwatchLoggingOptions": {"enabled": False},
}


class FirehoseDeliveryStream(ResourceType):
    service, arguments = "firehose", sdk.kinesis.FirehoseDeliveryStreamArgs
    inputs = frozenset({"destination", "extendedS3Configuration", "name", "serverSideEncryption", "tags"})
    computed = frozenset({"arn", "destinationId", "versionId"})
    immutable = frozenset({"destination"})
    identity, named_by = ("name",), "name"
    aws_names: ClassVar = {"arn": "deliveryStreamArn", "name": "deliveryStreamName"}
    read_operation, delete_operation = "describe_delivery_stream", "delete_delivery_stream"
    tag_operation, untag_operation = "tag_delivery_stream", "untag_delivery_stream"
    list_tags_operation = "list_tags_for_delivery_stream"

    def replaces(self, key: str, old: Any, new: Any) -> bool:  # noqa: ANN401 - as in ResourceType
        if key == "extendedS3Configuration":  # partitioning can only be enabled at creation
            return ("dynamicPartitioningConfiguration" in old) != ("dynamicPartitioningConfiguration" in new)
        return super().replaces(key, old, new)

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        created = aws.call(
            "firehose",
            "create_delivery_stream",
            deliveryStreamName=inputs["name"],
            deliveryStreamType="DirectPut",
            extendedS3DestinationConfiguration=_nested(inputs["extendedS3Configuration"], "s3BackupConfiguration"),
            tags=tags,
        )
        _encrypt(aws, inputs)  # once the stream exists, as the official plugin does it
        return str(created["deliveryStreamArn"])

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        found = aws.call("firehose", "describe_delivery_stream", deliveryStreamName=inputs["name"])
        stream = found["deliveryStreamDescription"]
        aws.call(
            "firehose",
            "update_destination",
            deliveryStreamName=inputs["name"],
            currentDeliveryStreamVersionId=stream["versionId"],
            destinationId=stream["destinations"][0]["destinationId"],
            extendedS3DestinationUpdate=_nested(inputs["extendedS3Configuration"], "s3BackupUpdate"),
        )
        _encrypt(aws, inputs)

    def identify(self, resource_id: str) -> Values:
        return {"name": resource_id.rsplit("/", 1)[-1]}

    def tag_address(self, state: Values) -> Values:
        return self.address(state)

    def properties(self, found: Values) -> Values:
        stream = found["deliveryStreamDescription"]
        destination = stream["destinations"][0]
        encryption = stream.get("deliveryStreamEncryptionConfiguration", {})
        return {
            **self.renamed(stream),
            "destination": "extended_s3",
            "destinationId": destination["destinationId"],
            "extendedS3Configuration": {**_DISABLED, **_flattened(destination["extendedS3DestinationDescription"])},
            "serverSideEncryption": {
                "enabled": encryption.get("status") == "ENABLED",
                **{key: encryption[key] for key in ("keyType", "keyArn") if key in encryption},
            },
        }


def _encrypt(aws: Aws, inputs: Values) -> None:
    encryption = inputs.get("serverSideEncryption", {})
    if encryption.get("enabled"):
        key = {"keyType": encryption.get("keyType", "AWS_OWNED_CMK"), "keyArn": encryption.get("keyArn")}
        aws.call(
            "firehose",
            "start_delivery_stream_encryption",
            deliveryStreamName=inputs["name"],
            deliveryStreamEncryptionConfigurationInput=key,
        )


def _nested(given: Values, backup_name: str) -> Values:
    """Return the configuration of a destination with the structures of AWS that Pulumi flattens or renames."""
    backup = given.get("s3BackupConfiguration")
    return {
        **_DISABLED,
        **_nested_objects(given),
        backup_name: backup and _nested_objects(backup),
    }


def _nested_objects(given: Values) -> Values:
    """Return how objects are written: those of the stream or, in the same form, those of its backup."""
    others = given.keys() - {"bufferingInterval", "bufferingSize", "kmsKeyArn", "s3BackupConfiguration"}
    key = given.get("kmsKeyArn")
    return {
        "compressionFormat": "UNCOMPRESSED",
        **{name: given[name] for name in others},
        "bufferingHints": {
            "sizeInMbs": given.get("bufferingSize", 5),
            "intervalInSeconds": given.get("bufferingInterval", 300),
        },
        "encryptionConfiguration": (
            {"noEncryptionConfig": "NoEncryption"} if key is None else {"kmsEncryptionConfig": {"awskmsKeyArn": key}}
        ),
    }


def _flattened(described: Values) -> Values:
    """Return the configuration of a destination, or of its backup, as it is in Pulumi."""
    others = described.keys() - {"bufferingHints", "encryptionConfiguration", "s3BackupDescription"}
    key = described.get("encryptionConfiguration", {}).get("kmsEncryptionConfig", {}).get("awskmsKeyArn")
    backup = described.get("s3BackupDescription")
    return {
        **{name: described[name] for name in others},
        "bufferingSize": described["bufferingHints"]["sizeInMbs"],
        "bufferingInterval": described["bufferingHints"]["intervalInSeconds"],
        **({"kmsKeyArn": key} if key else {}),
        **({"s3BackupConfiguration": _flattened(backup)} if backup else {}),
    }
