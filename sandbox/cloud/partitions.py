"""Regions of other partitions, such as GovCloud and China: the emulator supports the partition ``aws`` only.

Requests for such a region are translated to ``aws``, and responses back. The region is in the signature of a request,
which does not match a translated request and is not verified.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import ministack.app
from ministack.core import iam_evaluator

from sandbox.cloud.patch import replace
from topology.regions import PARTITIONS

_SCOPE = re.compile(rb"Credential=[^/]+/\d+/([a-z0-9-]+)/(\w+)/")
_ARN = re.compile(rb"(arn)(:|%3A)aws-[a-z-]+(?=:|%3A)", re.IGNORECASE)
_OWN_ARN = re.compile(rb"(arn)(:|%3A)aws(?=:|%3A)", re.IGNORECASE)
_CHECKSUMS = (b"content-md5", b"x-amz-checksum-", b"x-amz-content-sha256")
_DOCUMENTS = (b"application/json", b"application/xml", b"text/xml")
_TRANSLATED = b"x-sandbox-translated"
Headers = list[tuple[bytes, bytes]]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def install() -> None:
    """Replace functions of the emulator."""

    def pin(method: str, raw_path: str, query_params: Any, raw_headers: Headers, handshake: bool = False) -> None:  # noqa: FBT001, FBT002, ANN401 - the emulator's own
        iam_evaluator._signed_request.set(None)
        if (_TRANSLATED, b"") not in raw_headers:
            original(method, raw_path, query_params, raw_headers, handshake)

    original = replace(ministack.app, "pin_signed_request", "method raw_path query_params raw_headers handshake", pin)


async def translated(app: Application, scope: Message, receive: Receive, send: Send) -> None:
    """Pass a request to the emulator, translated if it is for a region of another partition."""
    found = _SCOPE.search(dict(scope.get("headers", ())).get(b"authorization", b""))
    partition = PARTITIONS.get(found[1].decode(), "aws") if found else "aws"
    if found is None or partition == "aws":
        await app(scope, receive, send)
        return
    body = _into_aws(await _whole(receive))
    translated_scope = {
        **scope,
        "path": _into_aws(scope["path"].encode()).decode(),
        "raw_path": _into_aws(scope.get("raw_path") or scope["path"].encode()),
        "query_string": _into_aws(scope.get("query_string", b"")),
        "headers": _sized(scope["headers"], body),
    }
    parts: list[bytes] = []
    started: Message = {}

    async def request() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def respond(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
            return
        parts.append(message.get("body", b""))
        if message.get("more_body"):
            return
        whole = b"".join(parts)
        # Objects are not changed: clients compare them with their checksums.
        content_type = {name.lower(): value for name, value in started["headers"]}.get(b"content-type", b"")
        if found[2] != b"s3" or content_type.startswith(_DOCUMENTS):
            whole = _OWN_ARN.sub(rb"\1\2" + partition.encode(), whole)
            started["headers"] = _sized(started["headers"], whole)
        await send(started)
        await send({"type": "http.response.body", "body": whole})

    await app(translated_scope, request, respond)


async def _whole(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _into_aws(text: bytes) -> bytes:
    return _ARN.sub(rb"\1\2aws", text).replace(b"amazonaws.com.cn", b"amazonaws.com")


def _sized(headers: Headers, body: bytes) -> Headers:
    """Return the headers of a translated body."""
    kept = [(name, value) for name, value in headers if not name.lower().startswith((b"content-length", *_CHECKSUMS))]
    return [*kept, (_TRANSLATED, b""), (b"content-length", str(len(body)).encode())]
