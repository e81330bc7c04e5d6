"""What the emulator ignores: tags of a new bucket, blocked encryption types, and the key that a new object names.

Sources: Service Authorization Reference, "Amazon S3" (condition keys of PutObject); API operations CreateBucket and
PutBucketEncryption; Amazon S3 User Guide, "Blocking or unblocking SSE-C for a general purpose bucket".
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from ministack.core import iam_actions
from ministack.services import s3

from sandbox.cloud import permissions
from sandbox.cloud.patch import replace

_CUSTOMER_KEY = "x-amz-server-side-encryption-customer-algorithm"
_KEY_HEADERS = (_CUSTOMER_KEY, "x-amz-server-side-encryption-aws-kms-key-id")
Response = Any


def install() -> None:
    """Replace functions of the emulator."""

    def create(name: str, body: bytes, headers: Any, endpoint_region: Any = None) -> Response:  # noqa: ANN401 - the emulator's own
        tags = {_text(tag, "Key"): _text(tag, "Value") for tag in elements(body, "Tag")}
        if tags and not permissions.caller_may("s3:TagResource", f"arn:aws:s3:::{name}", {}):
            return s3._error("AccessDenied", "User is not authorized to perform: s3:TagResource", 403)
        response = create_bucket(name, body, headers, endpoint_region)
        if tags and name in s3._buckets:
            s3._bucket_tags[name] = tags
        return response

    def encrypted(headers: dict[str, str], bucket_name: str) -> Response:
        blocked = [each.text for each in elements(s3._bucket_encryption.get(bucket_name) or "", "EncryptionType")]
        if headers.get(_CUSTOMER_KEY) and "SSE-C" in blocked:
            return None, s3._error("AccessDenied", "SSE-C is blocked for this bucket.", 403)
        return resolve(headers, bucket_name)

    def context(iam_action: str, query_params: dict[str, Any], path: str, headers: dict[str, str]) -> dict[str, Any]:
        named = {f"s3:{name}": headers[name] for name in _KEY_HEADERS if headers.get(name)}
        return {**object_context(iam_action, query_params, path, headers), **named}

    object_context = replace(iam_actions, "_s3_object_context", "iam_action query_params path headers", context)
    create_bucket = replace(s3, "_create_bucket", "name body headers endpoint_region", create)
    resolve = replace(s3, "_resolve_sse_write_headers", "headers bucket_name", encrypted)


def elements(document: bytes | str, name: str) -> list[Any]:
    """Return the elements of a name in an XML document, whatever their namespace."""
    root = ET.fromstring(document) if document else None  # noqa: S314 - sent by a client on this machine
    return [] if root is None else [each for each in root.iter() if each.tag.rpartition("}")[2] == name]


def _text(element: Any, name: str) -> str:  # noqa: ANN401 - an element
    return next(each.text or "" for each in element if each.tag.rpartition("}")[2] == name)
