"""Resource types of Amazon CloudWatch."""

from __future__ import annotations

from typing import ClassVar

import pulumi_aws as sdk

from sandbox.plugin.aws import Aws, Values
from sandbox.plugin.resource_type import ResourceType


class MetricAlarm(ResourceType):
    service, arguments = "cloudwatch", sdk.cloudwatch.MetricAlarmArgs
    inputs = frozenset({
        "alarmActions", "alarmDescription", "comparisonOperator", "evaluationPeriods", "metricQueries", "name",
        "okActions", "tags", "threshold", "treatMissingData",
    })  # fmt: skip
    computed = frozenset({"arn"})
    identity, named_by, longest_name = ("name",), "name", 255
    aws_names: ClassVar = {"arn": "alarmArn", "metricQueries": "metrics", "name": "alarmName"}
    create_operation = "put_metric_alarm"

    def find(self, aws: Aws, resource_id: str) -> Values | None:
        found = aws.call("cloudwatch", "describe_alarms", alarmNames=[resource_id], alarmTypes=["MetricAlarm"])
        return next((self.properties(alarm) for alarm in found["metricAlarms"]), None)

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        aws.call("cloudwatch", "delete_alarms", alarmNames=[resource_id])

    def parameters(self, inputs: Values) -> Values:
        return {**super().parameters(inputs), "metrics": [_nested(query) for query in inputs["metricQueries"]]}

    def properties(self, found: Values) -> Values:
        return {**self.renamed(found), "metricQueries": [_flattened(query) for query in found["metrics"]]}


class Dashboard(ResourceType):
    service, arguments = "cloudwatch", sdk.cloudwatch.DashboardArgs
    inputs = frozenset({"dashboardBody", "dashboardName"})
    computed = frozenset({"dashboardArn"})
    identity = ("dashboardName",)
    create_operation, read_operation = "put_dashboard", "get_dashboard"

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        aws.find("cloudwatch", "delete_dashboards", dashboardNames=[resource_id])


def _nested(given: Values) -> Values:
    """Return a query with the structure of AWS that Pulumi flattens."""
    query = {"returnData": False, **given}  # AWS's own default is true
    metric = query.pop("metric", None)
    if metric is None:
        return query
    flat = {key: metric[key] for key in ("period", "stat")}
    return {**query, "metricStat": {**flat, "metric": {key: metric[key] for key in metric.keys() - flat.keys()}}}


def _flattened(described: Values) -> Values:
    """Return a query as it is in Pulumi."""
    query = dict(described)
    stat = query.pop("metricStat", None)
    return (
        query
        if stat is None
        else {**query, "metric": {**stat["metric"], "period": stat["period"], "stat": stat["stat"]}}
    )
