"""Events that CloudTrail delivers, here for new log groups, and how EventBridge delivers to functions and log groups.

Sources: EventBridge User Guide, "Events delivered via AWS CloudTrail" and "CloudWatch Logs permissions"; Lambda
Developer Guide, "Invoking a function asynchronously". The emulator delivers no such events, and none to log groups, and
never retries a function. Every region behaves as if a trail logged its management events.
"""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import uuid4

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import cloudwatch, eventbridge
from ministack.services import cloudwatch_logs as logs
from ministack.services import lambda_svc as functions

from sandbox.cloud import permissions
from sandbox.cloud.patch import replace


def install() -> None:
    """Replace functions of the emulator."""

    def create(data: dict[str, Any]) -> Any:  # noqa: ANN401 - a response
        existed = data.get("logGroupName") in logs._log_groups
        response = original(data)
        if not existed and data.get("logGroupName") in logs._log_groups:
            _deliver("CreateLogGroup", data)
        return response

    original = replace(logs, "_create_log_group", "data", create)
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


def _deliver(operation: str, request: dict[str, Any]) -> None:
    """Send the event of a call to EventBridge."""
    detail = {
        "eventSource": "logs.amazonaws.com", "eventName": operation, "awsRegion": get_region(),
        "recipientAccountId": get_account_id(), "requestParameters": request,
    }  # fmt: skip
    entry = {"Source": "aws.logs", "DetailType": "AWS API Call via CloudTrail", "Detail": json.dumps(detail)}
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
