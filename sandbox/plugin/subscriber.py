"""The resource types that a function needs which runs on events: rule, target, permission, queue, and its runs."""

from __future__ import annotations

import hashlib
import json

import pulumi_aws as sdk

from sandbox.plugin.aws import Aws, AwsError, present
from sandbox.plugin.kind import Kind, Values, tag_list

_RULE = {"eventPattern": "EventPattern", "scheduleExpression": "ScheduleExpression", "description": "Description"}


class EventRule(Kind):
    arguments = sdk.cloudwatch.EventRuleArgs
    inputs = frozenset({"description", "eventPattern", "name", "scheduleExpression", "tags"})
    computed = frozenset({"arn"})
    replaced_by = frozenset({"name"})
    named_by, tagged = "name", True

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        self._put(aws, inputs, Tags=tag_list(tags))
        return str(inputs["name"])

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        events = aws.client("events")
        rule = present(events.describe_rule, Name=resource_id)
        if rule is None:
            return None
        tags = events.list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"]
        return {
            "name": resource_id,
            "arn": rule["Arn"],
            **{key: rule[name] for key, name in _RULE.items() if rule.get(name)},
            "tagsAll": {tag["Key"]: tag["Value"] for tag in tags},
        }

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        self._put(aws, inputs)

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        present(aws.client("events").delete_rule, Name=resource_id)

    def tag(self, aws: Aws, resource_id: str, state: Values, tags: dict[str, str], gone: list[str]) -> None:
        aws.client("events").tag_resource(ResourceARN=state["arn"], Tags=tag_list(tags))
        if gone:
            aws.client("events").untag_resource(ResourceARN=state["arn"], TagKeys=gone)

    @staticmethod
    def _put(aws: Aws, inputs: Values, **more: object) -> None:
        given = {name: inputs[key] for key, name in _RULE.items() if inputs.get(key)}
        aws.client("events").put_rule(Name=inputs["name"], **given, **more)


class EventTarget(Kind):
    arguments = sdk.cloudwatch.EventTargetArgs
    inputs = frozenset({"arn", "rule", "targetId"})
    replaced_by = frozenset({"rule", "targetId"})

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        resource_id = f"{inputs['rule']}-{inputs['targetId']}"
        self.update(aws, resource_id, inputs)
        return resource_id

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        # The id is the one of the official plugin, which cannot be taken apart; here both halves are the same.
        name = resource_id[: len(resource_id) // 2]
        found = present(aws.client("events").list_targets_by_rule, Rule=name)
        targets = [] if found is None else [each for each in found["Targets"] if each["Id"] == name]
        return {"rule": name, "targetId": name, "arn": targets[0]["Arn"]} if targets else None

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        target = {"Id": inputs["targetId"], "Arn": inputs["arn"]}
        aws.client("events").put_targets(Rule=inputs["rule"], Targets=[target])

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        present(aws.client("events").remove_targets, Rule=state["rule"], Ids=[state["targetId"]])


class Permission(Kind):
    arguments = sdk.lambda_.PermissionArgs
    inputs = frozenset({"action", "function", "principal", "sourceArn", "statementId"})
    replaced_by = inputs

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        aws.client("lambda").add_permission(
            FunctionName=inputs["function"],
            StatementId=inputs["statementId"],
            Action=inputs["action"],
            Principal=inputs["principal"],
            SourceArn=inputs["sourceArn"],
        )
        return f"{inputs['function']}/{inputs['statementId']}"

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        function, statement_id = resource_id.split("/")
        found = present(aws.client("lambda").get_policy, FunctionName=function)
        for statement in json.loads(found["Policy"])["Statement"] if found else ():
            if statement["Sid"] == statement_id:
                return {
                    "function": function,
                    "statementId": statement_id,
                    "action": statement["Action"],
                    "principal": statement["Principal"]["Service"],
                    "sourceArn": statement["Condition"]["ArnLike"]["AWS:SourceArn"],
                }
        return None

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        function, statement_id = resource_id.split("/")
        present(aws.client("lambda").remove_permission, FunctionName=function, StatementId=statement_id)


class Queue(Kind):
    arguments = sdk.sqs.QueueArgs
    inputs = frozenset({"messageRetentionSeconds", "name", "sqsManagedSseEnabled", "tags"})
    computed = frozenset({"arn", "url"})
    replaced_by = frozenset({"name"})
    named_by, longest_name, tagged = "name", 80, True

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        made = aws.client("sqs").create_queue(QueueName=inputs["name"], Attributes=_attributes(inputs), tags=tags)
        return str(made["QueueUrl"])

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        sqs = aws.client("sqs")
        found = present(sqs.get_queue_attributes, QueueUrl=resource_id, AttributeNames=["All"])
        if found is None:
            return None
        attributes = found["Attributes"]
        return {
            "name": resource_id.rsplit("/", 1)[-1],
            "url": resource_id,
            "arn": attributes["QueueArn"],
            "messageRetentionSeconds": int(attributes["MessageRetentionPeriod"]),
            "sqsManagedSseEnabled": attributes.get("SqsManagedSseEnabled") == "true",
            "tagsAll": sqs.list_queue_tags(QueueUrl=resource_id).get("Tags", {}),
        }

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        aws.client("sqs").set_queue_attributes(QueueUrl=resource_id, Attributes=_attributes(inputs))

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        present(aws.client("sqs").delete_queue, QueueUrl=resource_id)

    def tag(self, aws: Aws, resource_id: str, state: Values, tags: dict[str, str], gone: list[str]) -> None:
        aws.client("sqs").tag_queue(QueueUrl=resource_id, Tags=tags)
        if gone:
            aws.client("sqs").untag_queue(QueueUrl=resource_id, TagKeys=gone)


def _attributes(inputs: Values) -> dict[str, str]:
    return {
        "MessageRetentionPeriod": str(int(inputs["messageRetentionSeconds"])),
        "SqsManagedSseEnabled": str(inputs["sqsManagedSseEnabled"]).lower(),
    }


class Invocation(Kind):
    """Runs of a function, with ``lifecycleScope: CRUD``: when it is made, changed, and deleted."""

    arguments = sdk.lambda_.InvocationArgs
    inputs = frozenset({"functionName", "input", "lifecycleScope"})
    computed = frozenset({"result"})
    replaced_by = frozenset({"functionName", "lifecycleScope"})

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        _run(aws, inputs, "create")
        return f"{inputs['functionName']}_$LATEST_{hashlib.md5(inputs['input'].encode()).hexdigest()}"  # noqa: S324 - an id

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        """A run cannot be read: it counts as what it was."""
        return {}

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        _run(aws, inputs, "update")

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        _run(aws, state, "delete")


def _run(aws: Aws, inputs: Values, action: str) -> None:
    event = {**json.loads(inputs["input"]), "tf": {"action": action}}
    answer = aws.client("lambda").invoke(FunctionName=inputs["functionName"], Payload=json.dumps(event).encode())
    said = answer["Payload"].read().decode()
    if "FunctionError" in answer:
        raise AwsError(f"Lambda function ({inputs['functionName']}) returned error: {said}")
