"""Resource types of AWS Key Management Service."""

from __future__ import annotations

import pulumi_aws as sdk

from sandbox.plugin.aws import Aws, Values
from sandbox.plugin.resource_type import ResourceType

_KIND = {"customerMasterKeySpec": "keySpec", "keyUsage": "keyUsage"}


class Key(ResourceType):
    service, arguments = "kms", sdk.kms.KeyArgs
    inputs = frozenset({"customerMasterKeySpec", "description", "enableKeyRotation", "keyUsage", "policy", "tags"})
    immutable = frozenset({"customerMasterKeySpec", "keyUsage"})
    computed = frozenset({"arn", "keyId"})
    identity = ("keyId",)
    delete_operation = "schedule_key_deletion"
    list_tags_operation = "list_resource_tags"

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        description, policy = inputs.get("description", ""), inputs.get("policy")
        kind = {name: inputs[key] for key, name in _KIND.items() if key in inputs}
        created = aws.call("kms", "create_key", description=description, policy=policy, tags=tags, **kind)
        key = str(created["keyMetadata"]["keyId"])
        if inputs.get("enableKeyRotation"):
            aws.call("kms", "enable_key_rotation", keyId=key)
        return key

    def find(self, aws: Aws, resource_id: str) -> Values | None:
        found = aws.find("kms", "describe_key", keyId=resource_id)
        if found is None or found["keyMetadata"]["keyState"] == "PendingDeletion":
            return None
        rotation = aws.call("kms", "get_key_rotation_status", keyId=resource_id)
        policy = aws.call("kms", "get_key_policy", keyId=resource_id, policyName="default")
        kind = {key: found["keyMetadata"][name] for key, name in _KIND.items()}
        rotated = {"enableKeyRotation": rotation["keyRotationEnabled"]}
        return {**found["keyMetadata"], **kind, **rotated, "policy": policy["policy"]}

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        aws.call("kms", "update_key_description", keyId=resource_id, description=inputs.get("description", ""))
        aws.call("kms", "put_key_policy", keyId=resource_id, policyName="default", policy=inputs["policy"])
        if "customerMasterKeySpec" not in inputs:  # asymmetric keys do not rotate
            _rotate(aws, resource_id, inputs)

    def tag_address(self, state: Values) -> Values:
        return self.address(state)


def _rotate(aws: Aws, key: str, inputs: Values) -> None:
    aws.call("kms", "enable_key_rotation" if inputs.get("enableKeyRotation") else "disable_key_rotation", keyId=key)
