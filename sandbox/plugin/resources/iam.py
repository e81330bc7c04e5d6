"""Resource types of AWS Identity and Access Management."""

from __future__ import annotations

from typing import ClassVar

import pulumi_aws as sdk

from sandbox.plugin.aws import Aws, Values
from sandbox.plugin.resource_type import ResourceType


class Role(ResourceType):
    service, arguments = "iam", sdk.iam.RoleArgs
    inputs = frozenset({"assumeRolePolicy", "description", "name", "permissionsBoundary", "tags"})
    computed = frozenset({"arn", "createDate", "uniqueId"})
    identity, named_by = ("name",), "name"
    aws_names: ClassVar = {"assumeRolePolicy": "assumeRolePolicyDocument", "name": "roleName", "uniqueId": "roleId"}
    create_operation, read_operation, delete_operation = "create_role", "get_role", "delete_role"
    tag_operation, untag_operation = "tag_role", "untag_role"

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        aws.call("iam", "update_assume_role_policy", roleName=resource_id, policyDocument=inputs["assumeRolePolicy"])
        aws.call("iam", "update_role_description", roleName=resource_id, description=inputs.get("description", ""))
        if boundary := inputs.get("permissionsBoundary"):
            aws.call("iam", "put_role_permissions_boundary", roleName=resource_id, permissionsBoundary=boundary)

    def find(self, aws: Aws, resource_id: str) -> Values | None:
        role = super().find(aws, resource_id)
        if role is not None:  # the official plugin reads the role's policies too
            for policy in aws.call("iam", "list_role_policies", roleName=resource_id)["policyNames"]:
                aws.find("iam", "get_role_policy", roleName=resource_id, policyName=policy)
            aws.call("iam", "list_attached_role_policies", roleName=resource_id)
        return role

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        aws.find("iam", "list_instance_profiles_for_role", roleName=resource_id)
        super().delete(aws, resource_id, state)

    def tag_address(self, state: Values) -> Values:
        return self.address(state)

    def parameters(self, inputs: Values) -> Values:
        return {"description": "", **super().parameters(inputs)}

    def properties(self, found: Values) -> Values:
        role = self.renamed(found["role"])
        boundary = role.pop("permissionsBoundary", {}).get("permissionsBoundaryArn", "")
        return {"description": "", "permissionsBoundary": boundary, **role, "tagsAll": role.get("tags", {})}


class RolePolicy(ResourceType):
    service, arguments = "iam", sdk.iam.RolePolicyArgs
    inputs = frozenset({"name", "policy", "role"})
    identity, named_by, longest_name = ("role", "name"), "name", 128
    aws_names: ClassVar = {"name": "policyName", "policy": "policyDocument", "role": "roleName"}
    create_operation, read_operation, delete_operation = "put_role_policy", "get_role_policy", "delete_role_policy"
