"""Events that CloudTrail delivers, and how EventBridge counts them and delivers to functions and log groups.

Sources: EventBridge User Guide, "AWS service events delivered via AWS CloudTrail", "Receiving read-only management
events from AWS services", "Monitoring Amazon EventBridge" and "CloudWatch Logs permissions"; CloudTrail User Guide,
"CloudTrail record contents" and "CloudTrail userIdentity element"; Lambda Developer Guide, "Invoking a function
asynchronously". The emulator delivers no such events, and none to log groups, and never retries a function.

Every region behaves as if a trail logged its management events, and none its data events. Simplified: only calls that
succeed become events, without response, in the account of the caller, and immediately.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import ministack.app
from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import cloudwatch, eventbridge, kms
from ministack.services import cloudwatch_logs as logs
from ministack.services import lambda_svc as functions

from sandbox.cloud import metrics, permissions
from sandbox.cloud.patch import replace

_SERVICES = ("events", "firehose", "kms", "lambda", "logs", "monitoring", "s3")
# Management events that a rule does not get, unless its state says so, and what else only reads.
_NOT_DELIVERED = ("Describe", "Get", "List")
_READS = ("Decrypt", "Encrypt", "FilterLogEvents", "GenerateDataKey", "ReEncrypt", "Sign", "Test", "Verify")
_DATA = {"InvokeFunction", "PutEvents", "PutLogEvents", "PutMetricData", "PutRecord", "PutRecordBatch"}
# Names of events that are not those of the permissions. Lambda's end with the version of its API.
_NAMES = {"PutEncryptionConfiguration": "PutBucketEncryption", "PutLifecycleConfiguration": "PutBucketLifecycle"}
_LAMBDA_VERSION = "20150331"
_SECRET = {"Code", "ZipFile"}
Response = tuple[int, dict[str, str], bytes]
Handler = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[Response]]


def install() -> None:
    """Replace functions of the emulator."""

    for service in _SERVICES:
        ministack.app.SERVICE_HANDLERS[service] = _recorded(service, ministack.app.SERVICE_HANDLERS[service])
    replace(eventbridge, "_dispatch_to_lambda", "arn payload", _invoke)

    def deliver(target: dict[str, Any], event: Any, rule: dict[str, Any], view: Any = None) -> None:  # noqa: ANN401 - the emulator's own
        if ":logs:" in target["Arn"]:
            _write(target["Arn"], json.dumps(eventbridge._pattern_event_view(event).event_with_detail()), rule["Arn"])
        else:
            targets(target, event, rule, view)

    targets = replace(eventbridge, "_invoke_target", "target event rule view", deliver)

    async def request(method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any) -> Any:  # noqa: ANN401 - the emulator's own
        data = json.loads(body or b"{}")
        if "EventBusName" in data:  # a name or an ARN; the emulator knows names
            body = json.dumps({**data, "EventBusName": data["EventBusName"].rpartition("/")[2]}).encode()
        return await others(method, path, headers, body, query_params)

    others = replace(eventbridge, "handle_request", "method path headers body query_params", request)

    def matches(pattern: Any, view: Any, owner: str = "rule") -> bool:  # noqa: ANN401 - the emulator's own
        matched: bool = match(pattern, view, owner)
        if matched and owner.startswith("rule default|"):
            metrics.count("AWS/Events", {"RuleName": owner.partition("|")[2]}, {"TriggeredRules": 1})
        return matched

    match = replace(eventbridge, "_matches_pattern_view", "pattern_str view owner", matches)


def _invoke(arn: str, payload: str) -> None:
    """Invoke a function asynchronously: with up to two retries, and then a dead letter."""
    function, config, _ = functions._get_func_record_for_ref(arn)
    if function and config:
        record = functions._execution_record_for_config(function, config)
        functions.invoke_async_with_retry(record, json.loads(payload))


def _write(target_arn: str, message: str, rule_arn: str) -> None:
    """Write an event to a log group if the region's policies let EventBridge do so; else it is lost."""
    group, stream = target_arn.partition(":log-group:")[2], str(uuid4())
    resource = f"{target_arn}:log-stream:{stream}"
    source = {"aws:SourceAccount": get_account_id()}
    needed = [("logs:CreateLogStream", source), ("logs:PutLogEvents", {**source, "aws:SourceArn": rule_arn})]
    documents = [policy["policyDocument"] for policy in logs._resource_policies.values()]
    if group.startswith("/aws/events/") and all(
        any(permissions.resource_policy_allows_service(each, principal, action, resource, keys) for each in documents)
        for principal in ("delivery.logs.amazonaws.com", "events.amazonaws.com")
        for action, keys in needed
    ):
        at = {"logGroupName": group, "logStreamName": stream}
        logs._create_log_stream(at)
        logs._put_log_events({**at, "logEvents": [{"timestamp": time.time_ns() // 10**6, "message": message}]})


def hour() -> dict[str, bool]:
    """Let an hour pass: what was measured is an hour older, schedules run once, and alarms are evaluated."""
    for points in cloudwatch._metrics._data.values():
        for point in points:
            point["Timestamp"] -= 3600
    for place in eventbridge._rules._data:
        eventbridge._rule_last_fired[place] = 0
    eventbridge._tick_scheduled_rules()
    for account, region, _ in list(cloudwatch._alarms._data):
        with request_scope(account, region):
            cloudwatch._evaluate_all_alarms()
    return {"passed": True}


def _recorded(service: str, handler: Handler) -> Handler:
    """Return the handler of a service, whose calls become events."""

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Response:
        response = await handler(method, path, headers, body, query)
        succeeded, reads = response[0] < 300, method in ("GET", "HEAD")  # noqa: PLR2004 - as HTTP has it
        if succeeded and not reads and any(rule.get("EventPattern") for _, rule in eventbridge._rules.items()):
            action = iam_actions.extract_iam_action(service, method, path, headers, body, query) or ""
            _deliver(service, action.partition(":")[2], path, body)
        return response

    return handle


def _deliver(service: str, operation: str, path: str, body: bytes) -> None:
    """Send the event of a call to EventBridge, if it is a management event that rules get."""
    parts = [unquote(part) for part in path.split("/") if part]
    is_object = service == "s3" and len(parts) > 1
    if not operation or operation.startswith(_NOT_DELIVERED) or operation in _DATA or is_object:
        return
    parameters = permissions.parsed(body)
    if service == "s3":
        parameters = {"bucketName": parts[0]}
    if service == "lambda" and "functions" in parts[:-1]:
        parameters["FunctionName"] = parts[parts.index("functions") + 1]
    key = kms._resolve_key(parameters.get("KeyId")) if service == "kms" else None
    detail = {
        "eventVersion": "1.11",
        "userIdentity": permissions.caller_identity(),
        "eventSource": f"{service}.amazonaws.com",
        "eventName": f"{operation}{_LAMBDA_VERSION}" if service == "lambda" else _NAMES.get(operation, operation),
        "awsRegion": get_region(),
        "requestParameters": _spelled(parameters),
        "readOnly": operation.startswith(_READS),
        **({"resources": [{"accountId": get_account_id(), "type": "AWS::KMS::Key", "ARN": key["Arn"]}]} if key else {}),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": get_account_id(),
        "eventCategory": "Management",
    }
    entry = {"Source": f"aws.{service}", "DetailType": "AWS API Call via CloudTrail", "Detail": json.dumps(detail)}
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def _spelled(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return request parameters as CloudTrail spells them, without code."""
    if isinstance(value, list):
        return [_spelled(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key[:1].lower() + key[1:]: _spelled(each) for key, each in value.items() if key not in _SECRET}
