"""Deletion protection of log groups, which the emulator lacks.

Sources: API operations CreateLogGroup and PutLogGroupDeletionProtection; CloudWatch Logs User Guide, "Protecting log
groups from deletion".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import cloudwatch_logs as logs

from sandbox.cloud.patch import replace

_PROTECTED = "deletionProtectionEnabled"
_MESSAGE = "Cannot delete log group with deletion protection enabled. Disable deletion protection first."
Response = Any


def install() -> None:
    """Replace functions of the emulator."""

    def create(data: dict[str, Any]) -> Response:
        exists, response = data.get("logGroupName") in logs._log_groups, create_group(data)
        if not exists and data.get("logGroupName") in logs._log_groups:
            logs._log_groups[data["logGroupName"]][_PROTECTED] = bool(data.get(_PROTECTED))
        return response

    def delete(data: dict[str, Any]) -> Response:
        if (logs._log_groups.get(data.get("logGroupName")) or {}).get(_PROTECTED):
            return error_response_json("ValidationException", _MESSAGE, 400)
        return delete_group(data)

    def describe(data: dict[str, Any]) -> Response:
        status, headers, body = describe_groups(data)
        document = json.loads(body)
        for group in document.get("logGroups", ()):
            group[_PROTECTED] = logs._log_groups[group["logGroupName"]].get(_PROTECTED, False)
        return status, headers, json.dumps(document).encode()

    create_group = replace(logs, "_create_log_group", "data", create)
    delete_group = replace(logs, "_delete_log_group", "data", delete)
    describe_groups = replace(logs, "_describe_log_groups", "data", describe)


def _protect(data: dict[str, Any]) -> Response:
    name = data["logGroupIdentifier"].rpartition(":log-group:")[2]
    if name not in logs._log_groups:
        return error_response_json("ResourceNotFoundException", "The specified log group does not exist.", 400)
    logs._log_groups[name][_PROTECTED] = data[_PROTECTED]
    return json_response({})


OPERATIONS: dict[str, Callable[[dict[str, Any]], Response]] = {"PutLogGroupDeletionProtection": _protect}
"""Operations that the emulator lacks."""
