"""Resource types of AWS Key Management Service."""

from __future__ import annotations

import pulumi_aws as sdk

from sandbox.plugin.aws import Aws, Values
from sandbox.plugin.resource_type import ResourceType


class Key(ResourceType):
    service, arguments = "kms", sdk.kms.KeyArgs
    inputs = frozenset({"description", "enableKeyRotation", "policy", "tags"})
    computed = frozenset({"arn", "keyId"})
    identity = ("keyId",)
    delete_operation = "schedule_key_deletion"
    list_tags_operation = "list_resource_tags"

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        description, policy = inputs.get("description", ""), inputs.get("policy")
        created = aws.call("kms", "create_key", description=description, policy=policy, tags=tags)
        key = str(created["keyMetadata"]["keyId"])
        _rotate(aws, key, inputs)
        return key

    def find(self, aws: Aws, resource_id: str) -> Values | None:
        found = aws.find("kms", "describe_key", keyId=resource_id)
        if found is None or found["keyMetadata"]["keyState"] == "PendingDeletion":
            return None
        rotation = aws.call("kms", "get_key_rotation_status", keyId=resource_id)
        policy = aws.call("kms", "get_key_policy", keyId=resource_id, policyName="default")
        return {**found["keyMetadata"], "enableKeyRotation": rotation["keyRotationEnabled"], "policy": policy["policy"]}

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        aws.call("kms", "update_key_description", keyId=resource_id, description=inputs.get("description", ""))
        aws.call("kms", "put_key_policy", keyId=resource_id, policyName="default", policy=inputs["policy"])
        _rotate(aws, resource_id, inputs)

    def tag_address(self, state: Values) -> Values:
        return self.address(state)


def _rotate(aws: Aws, key: str, inputs: Values) -> None:
    aws.call("kms", "enable_key_rotation" if inputs.get("enableKeyRotation") else "disable_key_rotation", keyId=key)
