"""Logs destinations and subscription filters, with the checks that AWS makes when they are created or updated.

Sources: API operations PutDestination, PutDestinationPolicy and PutSubscriptionFilter, and the CloudWatch Logs User
Guide, "Cross-account cross-Region subscriptions".
"""

from __future__ import annotations

import gzip
import json
import re
from typing import Any

from ministack.core.arn import Arn, ArnParseError, parse_arn
from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import cloudwatch_logs as logs
from ministack.services import firehose as streams

from sandbox.cloud import filter_pattern, firehose, functions, permissions
from sandbox.cloud.patch import replace

_MAX_POLICY_BYTES = 5120
_MAX_FILTERS = 5  # per log group (CloudWatch Logs User Guide, "Subscriptions")
_SERVICE = "logs.amazonaws.com"
_NOT_ADMITTED = (
    "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your "
    "function."
)
_UNREACHABLE = "Could not deliver message to specified destination. Check if the destination is valid."
Response = Any


def install() -> None:
    """Replace functions of the emulator."""
    put_destination = replace(logs, "_put_destination", "data", lambda data: _put_destination(data, put_destination))
    put_policy = replace(logs, "_put_destination_policy", "data", lambda data: _put_policy(data, put_policy))
    put_filter = replace(logs, "_put_subscription_filter", "data", lambda data: _put_filter(data, put_filter))
    identity = replace(
        logs,
        "_tag_resource_identity",
        "arn account_id region",
        lambda arn, account, region: _tag_identity(arn, account, region) or identity(arn, account, region),
    )


def find(arn: str) -> tuple[Arn, dict[str, Any] | None]:
    """Return the parsed ARN of a destination, and the destination or None.

    Raises:
        ArnParseError: it is not the ARN of a destination.
    """
    return _at(arn, "logs", "destination:", logs._destinations)


def stream_of(arn: str) -> tuple[Arn, dict[str, Any] | None]:
    """Return the parsed ARN of a Firehose stream, and the stream or None.

    Raises:
        ArnParseError: it is not the ARN of a stream.
    """
    return _at(arn, "firehose", "deliverystream/", streams._streams)


def _at(arn: str, service: str, prefix: str, store: Any) -> tuple[Arn, dict[str, Any] | None]:  # noqa: ANN401 - a store
    parsed = parse_arn(arn)
    if parsed.service != service or not parsed.resource.startswith(prefix):
        raise ArnParseError(f"{arn} is not an ARN of {service} with a resource {prefix}…")
    return parsed, store.get_scoped(parsed.account_id, parsed.region, parsed.resource.removeprefix(prefix))


def logs_may(role_arn: str, action: str, resource: str, *, source_arn: str) -> bool:
    """Return whether CloudWatch Logs may perform ``action`` through a role, for a source in the current account."""
    context = {"aws:SourceArn": source_arn, "aws:SourceAccount": get_account_id()}
    if organization := permissions.organization_of(get_account_id()):
        context["aws:SourceOrgID"] = organization
    may_assume = permissions.service_may_assume(role_arn, _SERVICE, context)
    return may_assume and permissions.role_may(role_arn, action, resource)


def log_group_arn(name: str) -> str:
    """Return the ARN of a log group in the current account and region, as CloudWatch Logs passes it as source."""
    return f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{name}:*"


def _may_pass(role: str) -> bool:
    """Return whether the caller may pass a role to CloudWatch Logs, which does not say that it is passed to it.

    AWS documents nothing; this is the report of aws-cloudformation/cloudformation-coverage-roadmap#1784.
    """
    return permissions.caller_may("iam:PassRole", role, {})


def names_an_organization(policy: str | None) -> bool:
    """Return whether the policy of a destination admits an organization, so that filters need a role."""
    return bool(policy and "aws:principalorgid" in policy.lower())


def _put_destination(data: dict[str, Any], original: Any) -> Response:  # noqa: ANN401 - the emulator's function
    name, role, target = (data.get(key, "") for key in ("destinationName", "roleArn", "targetArn"))
    arn = f"arn:aws:logs:{get_region()}:{get_account_id()}:destination:{name}"
    if not _may_pass(role):
        return _denied("iam:PassRole", role)
    try:
        parsed, stream = stream_of(target)
    except ArnParseError:
        return _invalid("targetArn: the sandbox supports Firehose streams only.")
    if stream is None or not logs_may(role, "firehose:PutRecord", target, source_arn=arn):
        return _invalid("Could not deliver test message to specified destination. Check if the destination is valid.")
    before = dict(logs._destinations.get(name) or {})
    response = original(data)
    kept = {key: before[key] for key in ("accessPolicy", "creationTime", "tags") if key in before}
    logs._destinations[name].update(kept or {"tags": dict(data.get("tags") or {})})
    firehose.ingest(parsed.account_id, parsed.region, stream, [_control_message()])
    return response


def _control_message() -> bytes:
    """Return the test message of CloudWatch Logs, which has no account or log group."""
    text = "CWL CONTROL MESSAGE: Checking health of destination Firehose."
    event = {"id": "", "timestamp": 0, "message": text}
    document = {
        "messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "", "logStream": "",
        "subscriptionFilters": [], "logEvents": [event],
    }  # fmt: skip
    return gzip.compress(json.dumps(document).encode())


def _put_policy(data: dict[str, Any], original: Any) -> Response:  # noqa: ANN401 - as above
    policy = data.get("accessPolicy", "")
    if len(policy.encode()) > _MAX_POLICY_BYTES:
        return _invalid(f"accessPolicy exceeds {_MAX_POLICY_BYTES} bytes.")
    try:
        statements = json.loads(policy)["Statement"]
    except (ValueError, KeyError, TypeError):
        return _invalid("accessPolicy is not a policy document.")
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal")
        if not isinstance(principal, dict):
            return _invalid("Principal section of policy must contain AWS account IDs.")
        accounts = principal.get("AWS", [])
        for account in accounts if isinstance(accounts, list) else [accounts]:
            if account != "*" and not re.fullmatch(r"\d{12}", account):
                return _invalid("Principal section of policy contains ARN instead of account ID.")
    before = logs._destinations.get(data.get("destinationName", "")) or {}
    conversion = (
        names_an_organization(policy)
        and before.get("accessPolicy")
        and not names_an_organization(before["accessPolicy"])
    )
    if conversion and not data.get("forceUpdate"):
        return _invalid("Changing a destination policy from accounts to an organization requires forceUpdate.")
    return original(data)


def _put_filter(data: dict[str, Any], original: Any) -> Response:  # noqa: ANN401 - as above
    group = logs._log_groups.get(data.get("logGroupName"))
    if group is None:
        return original(data)  # which reports that it does not exist
    if group.get("logGroupClass", "STANDARD") != "STANDARD":
        return _invalid("Subscription filters are only supported for log groups of the Standard class.")
    try:
        filter_pattern.matcher(data.get("filterPattern", ""))
    except filter_pattern.PatternError as error:
        return _invalid(f"Invalid filter pattern: {error}")
    others = set(group["subscriptionFilters"]) - {data.get("filterName")}
    if len(others) >= _MAX_FILTERS:
        return error_response_json("LimitExceededException", "Resource limit exceeded.", 400)
    if rejection := _target_rejection(data):
        return rejection
    filters, name = group["subscriptionFilters"], data["filterName"]
    before = filters.get(name, {}).get("emitSystemFields", [])
    response = original(data)
    filters[name]["emitSystemFields"] = data.get("emitSystemFields", before)  # only an empty list removes them
    return response


def _target_rejection(data: dict[str, Any]) -> Response | None:
    """Return the response that rejects the target of a filter; None: it is valid."""
    target, role = data.get("destinationArn", ""), data.get("roleArn", "")
    if role and not _may_pass(role):
        return _denied("iam:PassRole", role)
    if ":function:" in target:
        admitted = functions.admits(target, _SERVICE, log_group_arn(data["logGroupName"]))
        return None if admitted else _invalid(_NOT_ADMITTED)
    if ":firehose:" in target:
        _, stream = stream_of(target)
        source = log_group_arn(data["logGroupName"])
        reachable = stream and logs_may(role, "firehose:PutRecord", target, source_arn=source)
        return None if reachable else _invalid(_UNREACHABLE)
    try:
        parsed, destination = find(target)
    except ArnParseError:
        return _invalid("destinationArn is not the ARN of a destination, stream or function.")
    if parsed.region != get_region():
        return _invalid("destinationArn must be in the same region as the log group.")
    if destination is None:
        return _invalid(_UNREACHABLE)
    return not_admitted(target, role, destination["accessPolicy"], "logs:PutSubscriptionFilter", data["logGroupName"])


def not_admitted(target: str, role: str, policy: str, action: str, group_name: str) -> Response | None:
    """Return the response to a subscription that the policy of a destination does not permit; None: it does.

    Args:
        target: ARN of the destination.
        role: ARN of the filter's role, or empty.
        policy: the destination's policy.
        action: the action that subscribes.
        group_name: name of the log group, or ``*``.
    """
    admitted = permissions.destination_admits(policy, get_account_id(), action, target)
    if not admitted or not permissions.caller_may("logs:PutSubscriptionFilter", target, {}):
        return _denied(action, target)
    if names_an_organization(policy) and not role:
        return _invalid("Role ARN is required when a destination policy grants permission to an organization.")
    source = log_group_arn(group_name)
    if role and not logs_may(role, "logs:PutLogEvents", source, source_arn=source):
        return _invalid(_UNREACHABLE)
    return None


def _tag_identity(arn: str, account: str, region: str) -> tuple[Any, str, str] | None:
    try:
        parsed, _ = find(arn)
    except ArnParseError:
        return None
    if (parsed.account_id, parsed.region) != (account, region):
        return None
    return logs._destinations, "destination", parsed.resource.partition(":")[2]


def _invalid(message: str) -> Response:
    return error_response_json("InvalidParameterException", message, 400)


def _denied(action: str, resource: str) -> Response:
    message = f"User with accountId: {get_account_id()} is not authorized to perform: {action} on resource: {resource}"
    return error_response_json("AccessDeniedException", message, 400)
