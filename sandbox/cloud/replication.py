"""S3 replication with the permissions of its role, which the emulator does not ask for.

Sources: Amazon S3 User Guide, "Setting up permissions for live replication", "Changing the replica owner", "Replicating
encrypted objects", "Object Lock considerations", "Amazon S3 replication failure reasons", "S3 Replication metrics in
CloudWatch" and "What does Amazon S3 replicate?" (version IDs); API operation PutBucketReplication.
Simplified: replicas are there at once, and have the retention of no object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ministack.core.responses import get_account_id, request_scope
from ministack.services import s3

from sandbox.cloud import keys, permissions
from sandbox.cloud.buckets import elements
from sandbox.cloud.metrics import count
from sandbox.cloud.patch import replace

_SERVICE = "s3.amazonaws.com"
_KEY = "x-amz-server-side-encryption-aws-kms-key-id"
Response = Any


def install() -> None:
    """Replace functions of the emulator."""

    def put(bucket_name: str, body: bytes) -> Response:
        return _refusal(body) or put_configuration(bucket_name, body)

    def replicate(bucket_name: str, key: str, obj: dict[str, Any], data: Any, tags: Any = None) -> None:  # noqa: ANN401 - the emulator's own
        _replicate(bucket_name, key, obj, tags, lambda: replicate_object(bucket_name, key, obj, data, tags))

    def replicate_deletion(bucket_name: str, key: str) -> None:
        rule, role = s3._replication_rule_for(bucket_name, key, None)
        if rule and permissions.role_may_in_bucket(
            role, "s3:ReplicateDelete", f"{rule['Destination']['Bucket']}/{key}"
        ):
            replicate_marker(bucket_name, key)

    def record(bucket_name: str, key: str, prior_obj: Any, obj: dict[str, Any], data: Any) -> str | None:  # noqa: ANN401 - as above
        version: str | None = record_version(bucket_name, key, prior_obj, obj, data)
        if version and "_replica" in obj:
            _rename(key, obj, version)
        return version

    put_configuration = replace(s3, "_put_bucket_replication", "bucket_name body", put)
    replicate_object = replace(s3, "_maybe_replicate", "bucket_name key obj data tags", replicate)
    replicate_marker = replace(s3, "_maybe_replicate_delete_marker", "bucket_name key", replicate_deletion)
    record_version = replace(s3, "_record_object_version", "bucket_name key prior_obj obj data", record)


def _refusal(body: bytes) -> Response | None:
    """Return why S3 refuses a configuration, besides the versioning of both buckets; None: it does not.

    AWS does not document whether S3 says to which service the role is passed: here, it does not.
    """
    for role in elements(body, "Role"):
        if not permissions.caller_may("iam:PassRole", role.text, {}):
            message = f"User is not authorized to perform: iam:PassRole on resource: {role.text}"
            return s3._error("AccessDenied", message, 403)
    for bucket in elements(body, "Bucket"):
        if s3._bucket_owner_account(_name(bucket.text)) is None:
            return s3._error("InvalidRequest", "Destination bucket must exist.", 400)
    return None


def _replicate(bucket: str, key: str, obj: dict[str, Any], tags: Any, original: Callable[[], None]) -> None:  # noqa: ANN401 - as above
    rule, role = s3._replication_rule_for(bucket, key, tags)
    if rule is None:
        return
    destination = rule["Destination"]
    encrypted_with = obj["preserved_headers"].get(_KEY)
    replica_key = destination.get("EncryptionConfiguration", {}).get("ReplicaKmsKeyID")
    if encrypted_with and replica_key is None:
        return  # by default, S3 does not replicate what KMS keys encrypt
    source, replica = f"arn:aws:s3:::{bucket}", destination["Bucket"]
    context = {"aws:SourceAccount": get_account_id(), "aws:SourceArn": source}
    if (
        # AWS does not document whether S3 says on whose behalf it assumes the role.
        all(permissions.service_may_assume(role, _SERVICE, passed) for passed in ({}, context))
        and all(permissions.role_may_in_bucket(role, *each) for each in _needed(source, destination, key, bool(tags)))
        and (_locks(source) <= _locks(replica))
        and (
            encrypted_with is None
            or (
                _may_use(role, ["kms:Decrypt"], encrypted_with, f"{source}/{key}")
                and _may_use(role, ["kms:Encrypt", "kms:GenerateDataKey"], replica_key, f"{replica}/{key}")
            )
        )
    ):
        original()
    else:
        obj["replication_status"] = "FAILED"
    if obj["replication_status"] == "FAILED":
        dimensions = {"SourceBucket": bucket, "DestinationBucket": _name(replica), "RuleId": rule["ID"]}
        with request_scope(get_account_id(), _region(source)):
            count("AWS/S3", dimensions, {"OperationsFailedReplication": 1})
    elif encrypted_with:
        name, _, owner = obj["_replica"]
        s3._buckets.get_scoped(owner, None, name)["objects"][key]["preserved_headers"][_KEY] = replica_key


def _needed(source: str, destination: dict[str, Any], key: str, tagged: bool) -> Iterable[tuple[str, str]]:  # noqa: FBT001 - of a table
    """Yield the actions that the role needs, and on what."""
    original, replica = f"{source}/{key}", f"{destination['Bucket']}/{key}"
    yield from (("s3:GetReplicationConfiguration", source), ("s3:ListBucket", source))
    yield from (("s3:GetObjectVersionForReplication", original), ("s3:GetObjectVersionAcl", original))
    yield "s3:ReplicateObject", replica
    if _locks(source):
        yield from (("s3:GetObjectRetention", original), ("s3:GetObjectLegalHold", original))
    if tagged:
        yield from (("s3:GetObjectVersionTagging", original), ("s3:ReplicateTags", replica))
    if "AccessControlTranslation" in destination:
        yield "s3:ObjectOwnerOverrideToBucketOwner", replica


def _locks(bucket_arn: str) -> bool:
    bucket = _name(bucket_arn)
    return s3._bucket_object_lock.get_scoped(s3._bucket_owner_account(bucket), None, bucket) is not None


def _may_use(role: str, actions: list[str], kms_key: str, object_arn: str) -> bool:
    bucket_arn = object_arn.partition("/")[0]
    bucket = _name(bucket_arn)
    with request_scope(s3._bucket_owner_account(bucket), _region(bucket_arn)):
        return keys.role_may(role, actions, kms_key, keys.encrypted_arn(bucket, object_arn))


def _rename(key: str, obj: dict[str, Any], version: str) -> None:
    """Give a replica the version ID of what it replicates."""
    bucket, former, owner = obj["_replica"]
    with request_scope(owner, _region(bucket)):
        for each in (*s3._object_versions[(bucket, key)], s3._buckets[bucket]["objects"][key]):
            if each["version_id"] == former:
                each["version_id"] = version
    obj["_replica"] = (bucket, version, owner)


def _region(bucket: str) -> str:
    return str(s3._replication_destination_region(bucket))


def _name(bucket_arn: str) -> str:
    return bucket_arn.rpartition(":")[2]
