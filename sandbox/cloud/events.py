"""Events that CloudTrail delivers, here for new log groups, and how EventBridge invokes functions on them.

Sources: EventBridge User Guide, "Events delivered via AWS CloudTrail"; Lambda Developer Guide, "Invoking a function
asynchronously". The emulator delivers no such events, and never retries a function. Every region behaves as if a trail
logged its management events.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch_logs as logs
from ministack.services import eventbridge
from ministack.services import lambda_svc as functions

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


def _deliver(operation: str, request: dict[str, Any]) -> None:
    """Send the event of a call to EventBridge."""
    detail = {
        "eventSource": "logs.amazonaws.com", "eventName": operation, "awsRegion": get_region(),
        "recipientAccountId": get_account_id(), "requestParameters": request,
    }  # fmt: skip
    entry = {"Source": "aws.logs", "DetailType": "AWS API Call via CloudTrail", "Detail": json.dumps(detail)}
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
