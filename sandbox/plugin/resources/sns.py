"""Resource types of Amazon Simple Notification Service."""

from __future__ import annotations

import json
from typing import ClassVar

import pulumi_aws as sdk

from sandbox.plugin.aws import Aws, Values
from sandbox.plugin.resource_type import ResourceType


class Topic(ResourceType):
    service, arguments = "sns", sdk.sns.TopicArgs
    inputs = frozenset({"name", "tags"})
    computed = frozenset({"arn"})
    immutable = frozenset({"name"})
    identity, named_by, longest_name = ("arn",), "name", 256
    aws_names: ClassVar = {"arn": "topicArn"}
    read_operation, delete_operation = "get_topic_attributes", "delete_topic"

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        return str(aws.call("sns", "create_topic", name=inputs["name"], tags=tags)["topicArn"])

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        """Do nothing: only tags change in place."""

    def identify(self, resource_id: str) -> Values:
        return {"arn": resource_id, "name": resource_id.rsplit(":", 1)[-1]}


class TopicPolicy(ResourceType):
    service, arguments = "sns", sdk.sns.TopicPolicyArgs
    inputs = frozenset({"arn", "policy"})
    identity = ("arn",)
    aws_names: ClassVar = {"arn": "topicArn"}
    create_operation, read_operation = "set_topic_attributes", "get_topic_attributes"

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        """Restore the owner's main permissions of AWS's default policy: a topic always has a policy."""
        owner = {
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": ["SNS:Publish", "SNS:Subscribe"],
            "Resource": resource_id,
            "Condition": {"StringEquals": {"AWS:SourceOwner": aws.account}},
        }
        default = self.parameters({"policy": json.dumps({"Version": "2012-10-17", "Statement": [owner]})})
        aws.find("sns", self.create_operation, topicArn=resource_id, **default)

    def parameters(self, inputs: Values) -> Values:
        return {"attributeName": "Policy", "attributeValue": inputs["policy"]}

    def properties(self, found: Values) -> Values:
        return {"policy": found["attributes"]["Policy"]}
