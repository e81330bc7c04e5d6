"""Resource types of Amazon EventBridge."""

from __future__ import annotations

import pulumi_aws as sdk

from sandbox.plugin.aws import Aws, Values
from sandbox.plugin.resource_type import ResourceType


class EventRule(ResourceType):
    service, arguments = "events", sdk.cloudwatch.EventRuleArgs
    inputs = frozenset({"description", "eventPattern", "name", "scheduleExpression", "tags"})
    computed = frozenset({"arn"})
    identity, named_by = ("name",), "name"
    create_operation, read_operation, delete_operation = "put_rule", "describe_rule", "delete_rule"


class EventTarget(ResourceType):
    service, arguments = "events", sdk.cloudwatch.EventTargetArgs
    inputs = frozenset({"arn", "rule", "targetId"})
    identity, separator = ("rule", "targetId"), "-"

    def put(self, aws: Aws, inputs: Values, **tags: dict[str, str]) -> Values:
        target = {"id": inputs["targetId"], "arn": inputs["arn"]}
        return aws.call("events", "put_targets", rule=inputs["rule"], targets=[target])

    def find(self, aws: Aws, resource_id: str) -> Values | None:
        # The official plugin's ID cannot be split; in this program both halves are the same.
        name = resource_id[: len(resource_id) // 2]
        found = aws.find("events", "list_targets_by_rule", rule=name)
        targets = [] if found is None else found["targets"]
        return next(({"rule": name, "targetId": name, "arn": t["arn"]} for t in targets if t["id"] == name), None)

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        aws.find("events", "remove_targets", rule=state["rule"], ids=[state["targetId"]])
