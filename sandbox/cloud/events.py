"""Events: what CloudTrail would tell of calls, here that a log group was made, and how functions run on them.

Sources: EventBridge User Guide, "Events delivered via AWS CloudTrail"; Lambda Developer Guide, "Invoking a function
asynchronously". The emulator tells nothing, and runs a function once. It counts as if a trail logged management events.
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
    """Put the extension's behaviour in the place of the emulator's."""

    def create(data: dict[str, Any]) -> Any:  # noqa: ANN401 - a response
        there = data.get("logGroupName") in logs._log_groups
        response = original(data)
        if not there and data.get("logGroupName") in logs._log_groups:
            _tell("CreateLogGroup", data)
        return response

    original = replace(logs, "_create_log_group", "data", create)
    replace(eventbridge, "_dispatch_to_lambda", "arn payload", _run)


def _run(arn: str, payload: str) -> None:
    """Run a function as AWS runs it on an event: three times at most, and then it is a dead letter."""
    function, config, _ = functions._get_func_record_for_ref(arn)
    if function and config:
        record = functions._execution_record_for_config(function, config)
        functions.invoke_async_with_retry(record, json.loads(payload))


def _tell(operation: str, request: dict[str, Any]) -> None:
    detail = {
        "eventSource": "logs.amazonaws.com", "eventName": operation, "awsRegion": get_region(),
        "recipientAccountId": get_account_id(), "requestParameters": request,
    }  # fmt: skip
    entry = {"Source": "aws.logs", "DetailType": "AWS API Call via CloudTrail", "Detail": json.dumps(detail)}
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
