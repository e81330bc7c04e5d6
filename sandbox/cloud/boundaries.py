"""Permissions boundaries of roles, where the emulator does not do what AWS documents.

Sources: IAM User Guide, "Permissions boundaries for IAM entities" and "AWS global condition context keys"
(``aws:PrincipalArn``); Lambda Developer Guide, "Using source function ARN to control function access behavior"; Service
Authorization Reference, "AWS Identity and Access Management" (which actions have ``iam:PermissionsBoundary``).
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.services import iam
from ministack.services.cloudformation import provisioners

from sandbox.cloud.functions import source_function
from sandbox.cloud.patch import replace

# Only these: neither UpdateAssumeRolePolicy nor DeleteRole has the key.
_OF_THE_REQUEST = {"iam:CreateRole", "iam:PutRolePermissionsBoundary"}
_OF_THE_ROLE = {
    "iam:AttachRolePolicy", "iam:DeleteRolePermissionsBoundary", "iam:DeleteRolePolicy", "iam:DetachRolePolicy",
    "iam:PutRolePolicy",
}  # fmt: skip


def install() -> None:
    """Replace functions of the emulator."""

    def context(service: str, iam_action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        boundary = None
        if iam_action in _OF_THE_REQUEST:
            boundary = iam._p(params, "PermissionsBoundary")
        elif iam_action in _OF_THE_ROLE:
            boundary = (iam._roles.get(iam._p(params, "RoleName")) or {}).get("PermissionsBoundary")
        tags: dict[str, Any] = tagged(service, iam_action, body, params)
        return {**tags, **({"iam:PermissionsBoundary": boundary} if boundary else {})}

    tagged = replace(iam_actions, "request_tag_context", "service iam_action body params", context)

    def condition_key(key: str, ctx: iam_evaluator.EvalContext) -> Any:  # noqa: ANN401 - the value of any key
        if key.lower() == "aws:principalarn":
            return role_of(ctx.principal_arn)
        if key.lower() == "lambda:sourcefunctionarn" and (function := source_function(ctx.principal_arn)):
            return function
        return resolved(key, ctx)

    resolved = replace(iam_evaluator, "_resolve_condition_key", "key ctx", condition_key)

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:  # noqa: ANN401 - name and attributes
        return _bounded(created(logical_id, props, stack_name), props)

    def update(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as above
        return _bounded(updated(*arguments, **named), arguments[2])

    created = replace(provisioners, "_iam_role_create", "logical_id props stack_name", create)
    updated = replace(provisioners, "_iam_role_update", "physical_id old_props new_props stack_name logical_id", update)
    provisioners._RESOURCE_HANDLERS["AWS::IAM::Role"].update(create=create, update=update)


def _bounded(role: tuple[str, dict[str, Any]], props: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Give a role that a CloudFormation template describes its permissions boundary."""
    iam._roles[role[0]]["PermissionsBoundary"] = props.get("PermissionsBoundary")
    return role


def role_of(principal_arn: str) -> str:
    """Return the ARN of a principal, for a session that of its role: what ``aws:PrincipalArn`` has for both."""
    _, _, _, _, account, resource = principal_arn.split(":", 5)
    if not resource.startswith("assumed-role/"):
        return principal_arn
    name = resource.split("/")[1]
    role = iam._roles.get_scoped(account, None, name) or {}
    return str(role.get("Arn", f"arn:aws:iam::{account}:role/{name}"))
