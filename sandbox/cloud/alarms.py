"""CloudWatch alarms on metric math and queries, and the topics that they notify.

The emulator supports alarms on single metrics only, and notifies topics without checking their policies. Implemented
here: dimensions, arithmetic, the functions FILL and MAX, ``SELECT SUM(…) FROM "…" WHERE … = '…' AND …``, missing data
that breaches or does not, and the policies of topics, also in other accounts. Simplified: the last period is evaluated
whenever a metric is counted, and a single breach changes the state.
"""

from __future__ import annotations

import ast
import operator
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch, sns

from sandbox.cloud import permissions
from sandbox.cloud.patch import replace

_CONDITION = r"(\w+) = '([^']+)'"
_QUERY = re.compile(rf"""SELECT SUM\(([\w.]+)\) FROM "([\w/]+)" WHERE ({_CONDITION}(?: AND {_CONDITION})*)""")  # noqa: S608 - no SQL
_STATISTICS: Mapping[str, Callable[[list[float]], float]] = {
    "Average": lambda values: sum(values) / len(values), "Maximum": max, "Minimum": min, "Sum": sum,
}  # fmt: skip
_COMPARISONS = {"GreaterThanThreshold": operator.gt, "LessThanThreshold": operator.lt}
_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
Response = Any


def install() -> None:
    """Replace functions of the emulator."""
    put = replace(
        cloudwatch,
        "_put_metric_alarm",
        "params cbor_data is_cbor is_json",
        lambda params, data, is_cbor, is_json=False: _put(put, params, data, is_cbor, is_json),
    )
    evaluate = replace(cloudwatch, "_evaluate_alarm", "alarm", lambda alarm: _evaluate(alarm, evaluate))
    dispatch = replace(
        cloudwatch,
        "_dispatch_alarm_actions",
        "alarm old_state new_state reason",
        lambda alarm, *states: dispatch(_permitted(alarm), *states),
    )
    replace(cloudwatch, "_is_sns_action_arn", "action", _is_topic)


def _is_topic(action: Any) -> bool:  # noqa: ANN401 - whatever a caller sent
    """Return whether an action is a topic in the alarm's region, in any account."""
    try:
        parsed = parse_arn(str(action))
    except ArnParseError:
        return False
    return bool(parsed.service == "sns" and parsed.region == get_region())


def _put(original: Callable[..., Response], params: Any, data: dict[str, Any], *form: bool) -> Response:  # noqa: ANN401
    response = original(params, data, *form)
    alarm = cloudwatch._alarms.get(data.get("AlarmName", ""))
    if alarm is not None:
        alarm["AlarmDescription"] = data.get("AlarmDescription")
        if "Metrics" in data:
            # Each query has its own period and statistic; the emulator's defaults would be those of the alarm.
            alarm.update(Metrics=data["Metrics"], Period=None, Statistic=None)
    return response


def _evaluate(alarm: dict[str, Any], original: Callable[..., None]) -> None:
    if "Metrics" not in alarm:
        original(alarm)
        return
    before, value = alarm["StateValue"], _value(alarm["Metrics"])
    breach = (
        alarm["TreatMissingData"] == "breaching"
        if value is None
        else _COMPARISONS[alarm["ComparisonOperator"]](value, alarm["Threshold"])
    )
    now = "ALARM" if breach else "OK"
    if now == before:
        return
    reason = f"Threshold Crossed: {value} {alarm['ComparisonOperator']} {alarm['Threshold']}"
    alarm.update(StateValue=now, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
    cloudwatch._record_history(alarm["AlarmName"], before, now, reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, now, reason)


def _permitted(alarm: dict[str, Any]) -> dict[str, Any]:
    """Return the alarm with only those actions that the policies of their topics allow."""
    context = {"aws:SourceArn": alarm["AlarmArn"], "aws:SourceAccount": get_account_id()}
    if organization := permissions.organization_of(get_account_id()):
        context["aws:SourceOrgID"] = organization

    def allows(topic_arn: str) -> bool:
        policy, _ = sns.topic_policy_for_arn(topic_arn) or ("", "")
        return permissions.resource_policy_allows_service(
            policy, "cloudwatch.amazonaws.com", "sns:Publish", topic_arn, context
        )

    kept = {key: [arn for arn in alarm.get(key) or [] if allows(arn)] for key in ("AlarmActions", "OKActions")}
    return {**alarm, **kept}


def _value(queries: list[dict[str, Any]]) -> float | None:
    """Return the value of the query that returns data; None: data is missing."""
    values: dict[str, float | None] = {}
    for query in queries:
        if stat := query.get("MetricStat"):
            metric = stat["Metric"]
            wanted = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
            found = _data(metric["Namespace"], metric["MetricName"], wanted, stat["Period"], exactly=True)
            values[query["Id"]] = _STATISTICS[stat["Stat"]](found) if found else None
    (result,) = (query for query in queries if query.get("ReturnData"))
    if insights := _QUERY.fullmatch(result["Expression"]):
        metric_name, namespace, conditions, *_ = insights.groups()
        wanted = dict(re.findall(_CONDITION, conditions))
        found = _data(namespace, metric_name, wanted, result["Period"], exactly=False)
        return sum(found) if found else None
    return _math(ast.parse(result["Expression"], mode="eval").body, values)


def _data(namespace: str, metric: str, wanted: dict[str, str], period: float, *, exactly: bool) -> list[float]:
    since = time.time() - period
    return [
        point["Value"]
        for (its_namespace, its_name, _), points in cloudwatch._metrics.items()
        if (its_namespace, its_name) == (namespace, metric)
        for point in points
        if point["Timestamp"] >= since
        and (point["Dimensions"] == wanted if exactly else wanted.items() <= point["Dimensions"].items())
    ]


def _math(node: ast.expr, values: Mapping[str, float | None]) -> float | None:
    """Return the value of a metric math expression; None: data is missing."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=op, right=right):
            one, other = _math(left, values), _math(right, values)
            return None if one is None or other is None else _OPERATORS[type(op)](one, other)
        case ast.Call(func=ast.Name(id="FILL"), args=[given, instead]):
            found = _math(given, values)
            return _math(instead, values) if found is None else found
        case ast.Call(func=ast.Name(id="MAX"), args=[ast.List(elts=elements)]):
            present = [found for each in elements if (found := _math(each, values)) is not None]
            return max(present) if present else None
        case _:
            raise NotImplementedError(f"the sandbox does not support {ast.unparse(node)} in metric math")
