"""Permissions that AWS Lambda and its callers need, which the emulator does not check.

Sources: Lambda Developer Guide, "Execution role"; CloudWatch Logs User Guide, "Subscription filters with AWS Lambda".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, get_account_id
from ministack.services import lambda_svc as functions

from sandbox.cloud import permissions
from sandbox.cloud.patch import replace

_SERVICE = "lambda.amazonaws.com"
Response = Any


def install() -> None:
    """Replace functions of the emulator."""
    create = replace(functions, "_create_function", "data", lambda data: _passing(data, lambda: create(data)))
    update = replace(
        functions, "_update_config", "name data", lambda name, data: _passing(data, lambda: update(name, data))
    )


def _passing(data: dict[str, Any], original: Callable[[], Response]) -> Response:
    """Respond to a call that passes a role to Lambda."""
    role = data.get("Role")
    if role and not permissions.caller_may("iam:PassRole", role, {"iam:PassedToService": _SERVICE}):
        message = f"User is not authorized to perform: iam:PassRole on resource: {role}"
        return error_response_json("AccessDeniedException", message, 403)
    return original()


def admits(arn: str, service: str, source_arn: str) -> bool:
    """Return whether the policy of a function lets an AWS service invoke it, for a source in the current account."""
    found = functions.function_policy_for_arn(arn)
    context = {"aws:SourceArn": source_arn, "aws:SourceAccount": get_account_id()}
    return found is not None and permissions.resource_policy_allows_service(
        json.dumps(found[0]), service, "lambda:InvokeFunction", arn, context
    )
