"""Account-level subscription filter policies, which the emulator lacks.

Source: API operation PutAccountPolicy. Account policies of other types are rejected.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

from ministack.core.arn import ArnParseError
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response

from sandbox.cloud import destinations, filter_pattern

_TYPE = "SUBSCRIPTION_FILTER_POLICY"
_CRITERIA = re.compile(r"LogGroupName NOT IN (\[.*\])")
_MAX_CRITERIA_BYTES = 25 * 1024
_policies: dict[tuple[str, str], dict[str, Any]] = {}
Response = Any


def subscription_of(group_name: str) -> dict[str, Any] | None:
    """Return the subscription of a log group by the policy of the current account and region; None: it has none."""
    policy = _policies.get((get_account_id(), get_region()))
    if policy is None or group_name in _excluded_by(policy.get("selectionCriteria", "")):
        return None
    document = json.loads(policy["policyDocument"])
    return {
        "filterName": policy["policyName"],
        "filterPattern": document.get("FilterPattern", ""),
        "destinationArn": document["DestinationArn"],
        "roleArn": document.get("RoleArn", ""),
        "policyLevel": "ACCOUNT_LEVEL_POLICY",
        "admittedBy": "logs:PutAccountPolicy",
    }


def _excluded_by(criteria: str) -> list[str]:
    found = _CRITERIA.fullmatch(criteria)
    return json.loads(found[1]) if found else []


def _put(data: dict[str, Any]) -> Response:
    place, criteria = (get_account_id(), get_region()), data.get("selectionCriteria", "")
    before = _policies.get(place)
    if data["policyType"] != _TYPE:
        return _invalid(f"The sandbox supports only account policies of type {_TYPE}.")
    if before is not None and before["policyName"] != data["policyName"]:
        return error_response_json("LimitExceededException", "An account and region can have one such policy.", 400)
    if (criteria and not _CRITERIA.fullmatch(criteria)) or len(criteria.encode()) > _MAX_CRITERIA_BYTES:
        return _invalid("selectionCriteria must be LogGroupName NOT IN [...], with at most 25 KB.")
    document = json.loads(data["policyDocument"])
    try:
        filter_pattern.matcher(document.get("FilterPattern", ""))
        parsed, destination = destinations.find(document["DestinationArn"])
    except (filter_pattern.PatternError, ArnParseError) as error:
        return _invalid(str(error))
    if destination is None or parsed.region != get_region():
        return _invalid("DestinationArn is not a destination in this region.")
    denied = destinations.not_admitted(
        document["DestinationArn"],
        document.get("RoleArn", ""),
        destination["accessPolicy"],
        "logs:PutAccountPolicy",
        "*",
    )
    if denied is not None:
        return denied
    _policies[place] = {key: data[key] for key in ("policyName", "policyType", "policyDocument")} | {
        "accountId": place[0], "scope": "ALL", "lastUpdatedTime": int(time.time() * 1000),
        **({"selectionCriteria": criteria} if criteria else {}),
    }  # fmt: skip
    return json_response({"accountPolicy": _policies[place]})


def _describe(data: dict[str, Any]) -> Response:
    policy = _policies.get((get_account_id(), get_region()))
    matches = policy is not None and data.get("policyName") in (None, policy["policyName"])
    return json_response({"accountPolicies": [policy] if matches else []})


def _delete(data: dict[str, Any]) -> Response:
    policy = _policies.get((get_account_id(), get_region()))
    if policy is None or policy["policyName"] != data["policyName"]:
        return error_response_json("ResourceNotFoundException", "The policy does not exist.", 400)
    del _policies[get_account_id(), get_region()]
    return json_response({})


def _invalid(message: str) -> Response:
    return error_response_json("InvalidParameterException", message, 400)


OPERATIONS: dict[str, Callable[[dict[str, Any]], Response]] = {
    "PutAccountPolicy": _put, "DescribeAccountPolicies": _describe, "DeleteAccountPolicy": _delete,
}  # fmt: skip
"""Operations that the emulator lacks."""
