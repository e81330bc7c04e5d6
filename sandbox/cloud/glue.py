"""Glue: what was given no description has none in responses. The emulator says that it is empty."""

from __future__ import annotations

import json
from typing import Any

from ministack.services import glue

from sandbox.cloud.patch import replace


def install() -> None:
    """Replace functions of the emulator."""

    async def request(method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any) -> Any:  # noqa: ANN401 - the emulator's own
        status, sent, answer = await others(method, path, headers, body, query_params)
        return status, sent, json.dumps(json.loads(answer, object_hook=_described)).encode() if answer else answer

    others = replace(glue, "handle_request", "method path headers body query_params", request)


def _described(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if (key, value) != ("Description", "")}
