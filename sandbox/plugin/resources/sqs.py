"""Resource types of Amazon Simple Queue Service."""

from __future__ import annotations

from typing import ClassVar

import pulumi_aws as sdk

from sandbox.plugin.aws import Aws, Values
from sandbox.plugin.resource_type import ResourceType


class Queue(ResourceType):
    service, arguments = "sqs", sdk.sqs.QueueArgs
    inputs = frozenset({"messageRetentionSeconds", "name", "sqsManagedSseEnabled", "tags"})
    computed = frozenset({"arn", "url"})
    immutable = frozenset({"name"})
    identity, named_by, longest_name = ("url",), "name", 80
    aws_names: ClassVar = {"url": "queueUrl"}
    delete_operation = "delete_queue"
    tag_operation, untag_operation, list_tags_operation = "tag_queue", "untag_queue", "list_queue_tags"

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        created = aws.call("sqs", "create_queue", queueName=inputs["name"], tags=tags, **self.parameters(inputs))
        return str(created["queueUrl"])

    def find(self, aws: Aws, resource_id: str) -> Values | None:
        found = aws.find("sqs", "get_queue_attributes", queueUrl=resource_id, attributeNames=["All"])
        if found is None:
            return None
        attributes = found["attributes"]
        return {
            "name": resource_id.rsplit("/", 1)[-1],
            "url": resource_id,
            "arn": attributes["QueueArn"],
            "messageRetentionSeconds": int(attributes["MessageRetentionPeriod"]),
            "sqsManagedSseEnabled": attributes.get("SqsManagedSseEnabled") == "true",
        }

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        aws.call("sqs", "set_queue_attributes", queueUrl=resource_id, **self.parameters(inputs))

    def tag_address(self, state: Values) -> Values:
        return self.address(state)

    def parameters(self, inputs: Values) -> Values:
        return {
            "attributes": {
                "MessageRetentionPeriod": str(int(inputs["messageRetentionSeconds"])),
                "SqsManagedSseEnabled": str(inputs["sqsManagedSseEnabled"]).lower(),
            }
        }
