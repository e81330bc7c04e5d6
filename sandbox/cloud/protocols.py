"""The protocols of CloudWatch, of which the emulator knows one well: JSON.

The SDK for Go sends CBOR (Smithy RPC v2), older SDKs send forms and read XML. A request in another protocol is
translated into JSON before anything reads it, such as who may do what, and the response back, by botocore's model.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import botocore.session
import ministack.app
from botocore.parsers import RpcV2CBORParser
from botocore.serialize import RpcV2CBORSerializer
from ministack.services import cloudwatch

from sandbox.cloud.patch import replace

_SCOPE = "/monitoring/aws4_request"
_MODEL = botocore.session.get_session().get_service_model("cloudwatch")
_TARGET = _MODEL.metadata["targetPrefix"]
_BODY_HEADERS = {"content-encoding", "content-length", "content-type", "smithy-protocol"}
Headers = dict[str, str]
Query = dict[str, list[str]]
Response = tuple[int, Headers, bytes]
Dispatch = Callable[[str, str, Headers, bytes, Query, str], Awaitable[Response]]


def install() -> None:
    """Replace functions of the emulator."""

    async def dispatched(*request: Any) -> Response:  # noqa: ANN401 - as the emulator's own
        return await _translated(dispatch, *request)

    names = "method path headers body query_params request_id"
    dispatch: Dispatch = replace(ministack.app, "_dispatch_service_request", names, dispatched)


async def _translated(
    dispatch: Dispatch, method: str, path: str, headers: Headers, body: bytes, query: Query, request_id: str
) -> Response:
    """Dispatch a request, as JSON if it is one for CloudWatch in another protocol."""
    if _SCOPE not in headers.get("authorization", "") or "x-amz-target" in headers:
        return await dispatch(method, path, headers, body, query, request_id)
    kept = {name: value for name, value in headers.items() if name not in _BODY_HEADERS}
    body = ministack.app._decompress_request_body(body, headers)
    in_cbor = headers.get("smithy-protocol") == "rpc-v2-cbor"
    if in_cbor:
        name, parameters = path.rpartition("/")[2], from_cbor(body)
    else:
        form = {**parse_qs(body.decode(), keep_blank_values=True), **query}
        name = form["Action"][0]
        parameters = from_form(_MODEL.operation_model(name).input_shape, form)
    operation = _MODEL.operation_model(name)
    as_json = {**kept, "content-type": "application/x-amz-json-1.0", "x-amz-target": f"{_TARGET}.{name}"}
    content = json.dumps(parameters, default=datetime.timestamp).encode()
    status, sent, answer = await dispatch("POST", "/", as_json, content, {}, request_id)
    translated = (_cbor_response if in_cbor else _xml_response)(operation, status, json.loads(answer))
    return status, {**sent, **translated[1]}, translated[2]


def from_cbor(body: bytes) -> dict[str, Any]:
    """Return the parameters in the body of a request in CBOR."""
    parameters: dict[str, Any] = RpcV2CBORParser().parse_data_item(io.BufferedReader(io.BytesIO(body)))
    return parameters


def from_form(shape: Any, form: Query, prefix: str = "") -> Any:  # noqa: ANN401 - botocore has no types
    """Return a parameter of a form, like ``Tags.member.1.Key``; None: it is not in the form.

    Args:
        shape: botocore's model of the parameter.
        form: the fields of the form.
        prefix: what the names of the parameter's fields begin with; by default, all fields.
    """
    match shape.type_name:
        case "structure":
            inner = {
                name: from_form(member, form, f"{prefix}.{name}" if prefix else name)
                for name, member in shape.members.items()
            }
            return {name: value for name, value in inner.items() if value is not None} or (None if prefix else {})
        case "list":
            items = (from_form(shape.member, form, f"{prefix}.member.{number}") for number in itertools.count(1))
            return list(itertools.takewhile(lambda item: item is not None, items)) or ([] if prefix in form else None)
    if prefix not in form:
        return None
    (value,) = form[prefix]
    match shape.type_name:
        case "boolean":
            return value == "true"
        case "integer" | "long":
            return int(value)
        case "float" | "double":
            return float(value)
    return value


def _cbor_response(operation: Any, status: int, answer: dict[str, Any]) -> Response:  # noqa: ANN401 - as above
    write, body = RpcV2CBORSerializer(), bytearray()
    headers = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
    if status >= HTTPStatus.BAD_REQUEST:
        # The type of an error is the name of its shape; its code in older protocols is a header.
        code = answer["__type"]
        types = {shape.metadata.get("error", {}).get("code"): shape.name for shape in operation.error_shapes}
        body.append(0xA2)  # a map of two
        for text in ("__type", types.get(code, code), "message", answer["message"]):
            write._serialize_type_string(body, text, None, None)
        headers["x-amzn-query-error"] = (
            f"{code};{'Sender' if status < HTTPStatus.INTERNAL_SERVER_ERROR else 'Receiver'}"
        )
    elif operation.output_shape is None:
        body.append(0xA0)  # an empty map
    else:
        write._serialize_data_item(body, _modeled(operation.output_shape, answer), operation.output_shape)
    return status, headers, bytes(body)


def _modeled(shape: Any, value: Any) -> Any:  # noqa: ANN401 - as above
    """Return a value without members that its model does not have, and without null."""
    match shape.type_name:
        case "structure":
            known = {name: member for name, member in shape.members.items() if value.get(name) is not None}
            return {name: _modeled(member, value[name]) for name, member in known.items()}
        case "list":
            return [_modeled(shape.member, item) for item in value]
    return value


def _xml_response(operation: Any, status: int, answer: dict[str, Any]) -> Response:  # noqa: ANN401 - as above
    if status >= HTTPStatus.BAD_REQUEST:
        error: Response = cloudwatch._error(answer["__type"], answer["message"], status)
        return error
    shape, result = operation.output_shape, f"{operation.name}Result"
    response: Response = cloudwatch._xml(200, f"{operation.name}Response", _xml(shape, result, answer) if shape else "")
    return response


def _xml(shape: Any, name: str, value: Any) -> str:  # noqa: ANN401 - as above
    match shape.type_name:
        case "structure":
            members = shape.members.items()
            inner = "".join(_xml(member, key, value[key]) for key, member in members if value.get(key) is not None)
        case "list":
            inner = "".join(_xml(shape.member, "member", item) for item in value)
        case "boolean":
            inner = str(value).lower()
        case "timestamp":
            inner = datetime.fromtimestamp(value, UTC).isoformat()
        case _:
            inner = escape(str(value))
    return f"<{name}>{inner}</{name}>"
