"""Permissions that AWS Lambda and its callers need, which the emulator does not check.

Sources: Lambda Developer Guide, "Execution role" and "Working with source function ARN"; CloudWatch Logs User Guide,
"Subscription filters with AWS Lambda".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.core import iam_evaluator, lambda_runtime
from ministack.core.responses import error_response_json, get_account_id
from ministack.services import lambda_svc as functions
from ministack.services import sts

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

    def credentials(config: dict[str, Any]) -> dict[str, str]:
        made = issued(config)
        sts._sessions[made["AWS_ACCESS_KEY_ID"]]["FunctionArn"] = config["FunctionArn"]
        return made

    for module in (lambda_runtime, functions):
        issued: Callable[[dict[str, Any]], dict[str, str]] = replace(
            module, "execution_credentials", "config", credentials
        )


def source_function(principal_arn: str) -> str | None:
    """Return the function whose code makes the current request: ``lambda:SourceFunctionArn``; None if none does."""
    session = sts._sessions.get(iam_evaluator._verified_key.get()) or {}
    return session.get("FunctionArn") if session.get("Arn") == principal_arn else None


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
