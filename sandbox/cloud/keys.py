"""KMS keys, as AWS services use them. The emulator encrypts nothing, so this checks what KMS would allow.

Sources: AWS KMS Developer Guide, "ABAC for AWS KMS" (changed tags take up to five minutes to count for authorization;
here always); Amazon S3 User Guide, "Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys"; CloudWatch Logs User
Guide, "Encrypt log data in CloudWatch Logs using AWS KMS"; API operation StartDeliveryStreamEncryption.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response, request_scope
from ministack.services import cloudwatch_logs as logs
from ministack.services import firehose, kms, s3, tagging

from sandbox.cloud import permissions
from sandbox.cloud.patch import replace
from topology.given_keys import customer_managed

_FIREHOSE = "firehose.amazonaws.com"
_LOG_GROUP_ACTIONS = ("kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey")
OBJECT_ACTIONS = ("kms:GenerateDataKey", "kms:Decrypt")
"""What S3 asks for on behalf of who writes an object."""
# Of whoever puts records into a stream with a customer managed key, since 20 April 2026 (notice of AWS quoted in
# ministryofjustice/modernisation-platform#12957).
_RECORD_ACTIONS = ("kms:GenerateDataKey", "kms:Decrypt")
_GRANTED = ["Encrypt", "Decrypt", "GenerateDataKey", "DescribeKey", "CreateGrant", "RetireGrant"]
_TAG_SECONDS = 300.0
_METRICS = {"Disabled": "KMSKeyDisabled", "PendingDeletion": "KMSKeyInvalidState"}
Response = Any


def install() -> None:
    """Replace functions of the emulator."""
    create = replace(logs, "_create_log_group", "data", lambda data: _create_log_group(data, create))
    for operation in ("CreateDeliveryStream", "StartDeliveryStreamEncryption"):
        _grant_at(operation)
    read = replace(tagging, "resource_tags", "arn", lambda arn: _counting_tags(arn, read))
    for operation in ("_create_key", "_tag_resource", "_untag_resource"):
        _note_changes_of_tags(operation)
    made = replace(kms, "_create_key", "data", lambda data: _create_key(data, made))


_outdated_tags: dict[str, tuple[float, dict[str, str]]] = {}
"""ARN of a key → until when its earlier tags count for authorization instead of its current ones, and the former."""


def _note_changes_of_tags(operation: str) -> None:
    def noting(data: dict[str, Any]) -> Response:
        before = {key["Arn"]: (_tags(key), tagging.resource_tags(key["Arn"]) or {}) for key in kms._keys.values()}
        response = original(data)
        for key in kms._keys.values():
            tags, counting = before.get(key["Arn"], ({}, {}))
            if _tags(key) != tags:
                _outdated_tags[key["Arn"]] = (time.monotonic() + _TAG_SECONDS, counting)
        return response

    original = replace(kms, operation, "data", noting)


def _create_key(data: dict[str, Any], original: Callable[..., Any]) -> Response:
    """Create a key if the caller may tag keys that are not particular ones (KMS, "Controlling access to tags")."""
    tags = {f"aws:RequestTag/{tag['TagKey']}": str(tag["TagValue"]) for tag in data.get("Tags") or []}
    if tags and not permissions.caller_may("kms:TagResource", "*", tags, None):
        return error_response_json("AccessDeniedException", "User is not authorized to perform: kms:TagResource", 400)
    return original(data)


def _tags(key: dict[str, Any]) -> dict[str, str]:
    return {tag["TagKey"]: tag["TagValue"] for tag in key.get("Tags", [])}


def _counting_tags(arn: str, original: Callable[[str], dict[str, str] | None]) -> dict[str, str] | None:
    """Return the tags of a resource that count for authorization."""
    until, earlier = _outdated_tags.get(arn, (0.0, {}))
    return earlier if time.monotonic() < until else original(arn)


def settle() -> dict[str, object]:
    """Let the current tags of keys count for authorization, as if minutes had passed."""
    _outdated_tags.clear()
    return {"settled": True}


def create(account: str, region: str, key_id: str) -> dict[str, object]:
    """Create a key with the given ID, unless it exists. No API can: it is for stack files that name an existing key."""
    with request_scope(account, region):
        before = set(kms._keys)
        if key_id in before:
            return {"created": False}
        kms._create_key({})
        (random_id,) = set(kms._keys) - before
        kms._keys[key_id] = {**kms._keys.pop(random_id), "KeyId": key_id, "Arn": kms._arn(key_id)}
    return {"created": True}


def stream_key_error(stream: dict[str, Any]) -> str | None:
    """Return the metric that counts why Firehose cannot use the key of a stream; None: it can."""
    arn = _stream_key(stream)
    if arn is None:
        return None
    key = _key(arn)
    if key is None:
        return "KMSKeyNotFound"
    granted = any(
        grant["KeyId"] == key["Arn"] and grant["GranteePrincipal"] == _FIREHOSE for grant in kms._grants.values()
    )
    return _METRICS.get(key["KeyState"]) or (None if granted else "KMSKeyAccessDenied")


def may_put_records(stream: dict[str, Any], may: Callable[[str, str, permissions.Context, str], bool]) -> bool:
    """Return whether a principal may use the key of a stream to put records into it, in the current region.

    Args:
        stream: the stream, which may have no key.
        may: decides whether the principal may perform an action on a resource, from context and key policy.
    """
    arn = _stream_key(stream)
    if arn is None:
        return True
    key = _key(arn)
    context = _through_firehose()
    return key is not None and all(may(action, key["Arn"], context, key["Policy"]) for action in _RECORD_ACTIONS)


def request_context(service: str, _action: str, body: bytes, _params: object) -> dict[str, str]:
    """Return condition keys of a call of KMS: the encryption context that it names."""
    if service != "kms":
        return {}
    given = json.loads(body or b"{}").get("EncryptionContext") or {}
    return {f"kms:EncryptionContext:{key}": value for key, value in given.items()}


def encrypted_arn(bucket: str, object_arn: str) -> str:
    """Return what the key of an object encrypts: with a bucket key, it is that of the bucket."""
    with_bucket_key = "<BucketKeyEnabled>true</" in str(s3._bucket_encryption.get(bucket) or "")
    return object_arn.split("/", 1)[0] if with_bucket_key else object_arn


def role_may(role_arn: str, actions: Iterable[str], key_name: str, encrypted: str) -> bool:
    """Return whether a role may perform actions of KMS with a key, through S3 in the current region.

    Args:
        role_arn: ARN of the role.
        actions: like ``OBJECT_ACTIONS``.
        key_name: ARN of the key, or its ID or alias in the current account.
        encrypted: ARN of the object, or of the bucket with a bucket key.
    """
    return _may_use(partial(permissions.role_may, role_arn), actions, key_name, encrypted)


def caller_may(actions: Iterable[str], key_name: str, encrypted: str) -> bool:
    """Return the same of the principal of the current request."""
    return _may_use(permissions.caller_may, actions, key_name, encrypted)


def _may_use(may: Callable[..., bool], actions: Iterable[str], key_name: str, encrypted: str) -> bool:
    key = _key(key_name)
    context = {"kms:ViaService": f"s3.{get_region()}.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": encrypted}
    return (
        key is not None
        and key["KeyState"] == "Enabled"
        and all(may(action, key["Arn"], context, key["Policy"]) for action in actions)
    )


def bucket_default(bucket: str) -> str | None:
    """Return ID, ARN or alias of the KMS key that a bucket encrypts objects with by default.

    Returns:
        None if it has none, or that of the account that AWS manages, which its principals may use through S3.
    """
    _, _, rest = str(s3._bucket_encryption.get(bucket) or "").partition("<KMSMasterKeyID>")
    return customer_managed(rest.partition("</")[0] or None)


def _create_log_group(data: dict[str, Any], original: Callable[..., Any]) -> Response:
    return _denied(data) or original(data)


def _associate(data: dict[str, Any]) -> Response:
    group = logs._log_groups.get(data.get("logGroupName", ""))
    if group is None:
        return error_response_json("ResourceNotFoundException", "The specified log group does not exist.", 400)
    if denied := _denied(data):
        return denied
    group["kmsKeyId"] = data.get("kmsKeyId")
    return json_response({})


OPERATIONS: dict[str, Callable[[dict[str, Any]], Response]] = {
    "AssociateKmsKey": _associate, "DisassociateKmsKey": _associate,
}  # fmt: skip
"""Operations that the emulator lacks. Disassociating means associating with no key."""


def _denied(data: dict[str, Any]) -> Response | None:
    """Return the response if CloudWatch Logs may not use the key of a log group; None: it may, or there is no key."""
    if not data.get("kmsKeyId"):
        return None
    key = _key(data["kmsKeyId"])
    group = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{data['logGroupName']}"
    service, context = f"logs.{get_region()}.amazonaws.com", {"kms:EncryptionContext:aws:logs:arn": group}
    if key is not None and all(
        permissions.resource_policy_allows_service(key["Policy"], service, action, key["Arn"], context)
        for action in _LOG_GROUP_ACTIONS
    ):
        return None
    message = f"The specified KMS key does not exist or is not allowed to be used with Arn '{group}'"
    return error_response_json("AccessDeniedException", message, 400)


def _grant_at(operation: str) -> None:
    """Let an operation of Firehose that encrypts a stream create a grant on its key."""
    function = "_" + re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
    original = replace(firehose, function, "data", lambda data: _with_grant(data, original))
    firehose._HANDLERS[operation] = getattr(firehose, function)


def _with_grant(data: dict[str, Any], original: Callable[..., Any]) -> Response:
    """Create the grant that lets Firehose use the key, on behalf of the caller."""
    arn = data.get("DeliveryStreamEncryptionConfigurationInput", {}).get("KeyARN")
    if arn is None:
        return original(data)
    context = {**_through_firehose(), "kms:GrantIsForAWSResource": "true"}
    key = _key(arn)
    if key is None or not permissions.caller_may("kms:CreateGrant", arn, context, key["Policy"]):
        message = f"Firehose cannot create a grant on the key {arn}."
        return error_response_json("InvalidKMSResourceException", message, 400)
    with request_scope(*_place(arn)):
        kms._create_grant({"KeyId": key["Arn"], "GranteePrincipal": _FIREHOSE, "Operations": _GRANTED})
    return original(data)


def _stream_key(stream: dict[str, Any]) -> str | None:
    """Return the ARN of the customer managed key that encrypts a stream, if any."""
    arn: str | None = (stream.get("encryption") or {}).get("KeyARN")
    return arn


def _through_firehose() -> dict[str, str]:
    return {"kms:ViaService": f"firehose.{get_region()}.amazonaws.com"}


def _key(name: str) -> dict[str, Any] | None:
    """Return a key by its ARN, or by its ID or alias in the current account and region."""
    try:
        place = _place(name)
    except ArnParseError:
        place = get_account_id(), get_region()
    with request_scope(*place):
        key: dict[str, Any] | None = kms._resolve_key(name)
    return key


def _place(arn: str) -> tuple[str, str]:
    parsed = parse_arn(arn)
    return parsed.account_id, parsed.region
