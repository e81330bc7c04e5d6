"""Resource types of Amazon CloudWatch Logs."""

from __future__ import annotations

from typing import ClassVar

import pulumi_aws as sdk

from sandbox.plugin.aws import Aws, Values
from sandbox.plugin.resource_type import ResourceType


class _Listed(ResourceType):
    """A resource that AWS lists by a prefix of its name, and cannot get by its name."""

    service = "logs"
    list_key: ClassVar[str]  # of the list in the response

    def find(self, aws: Aws, resource_id: str) -> Values | None:
        address = self.address(self.identify(resource_id))
        *parent, (name, value) = address.items()
        found = aws.find("logs", self.read_operation, **dict(parent), **{f"{name}Prefix": value})
        items = [] if found is None else found[self.list_key]
        return next((self.properties(address | item) for item in items if item[name] == value), None)


class LogGroup(_Listed):
    arguments = sdk.cloudwatch.LogGroupArgs
    inputs = frozenset({"deletionProtectionEnabled", "kmsKeyId", "name", "retentionInDays", "tags"})
    kept = frozenset({"deletionProtectionEnabled"})
    computed = frozenset({"arn"})
    identity, named_by, longest_name = ("name",), "name", 512
    aws_names: ClassVar = {"name": "logGroupName"}
    create_operation, delete_operation = "create_log_group", "delete_log_group"
    read_operation, list_key = "describe_log_groups", "logGroups"

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        name = super().create(aws, inputs, tags)
        _retain(aws, inputs)
        return name

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        if key := inputs.get("kmsKeyId"):
            aws.call("logs", "associate_kms_key", logGroupName=resource_id, kmsKeyId=key)
        else:
            aws.call("logs", "disassociate_kms_key", logGroupName=resource_id)
        _retain(aws, inputs)
        found, protected = self.find(aws, resource_id), inputs.get("deletionProtectionEnabled")
        if found is not None and protected not in (None, found["deletionProtectionEnabled"]):
            protection = {"logGroupIdentifier": found["arn"], "deletionProtectionEnabled": protected}
            aws.call("logs", "put_log_group_deletion_protection", **protection)

    def parameters(self, inputs: Values) -> Values:
        return {key: inputs.get(key) for key in ("kmsKeyId", "deletionProtectionEnabled")}

    def properties(self, found: Values) -> Values:
        return {"retentionInDays": 0, **self.renamed(found), "arn": found["arn"].removesuffix(":*")}


class LogStream(_Listed):
    arguments = sdk.cloudwatch.LogStreamArgs
    inputs = frozenset({"logGroupName", "name"})
    computed = frozenset({"arn"})
    identity, named_by, longest_name = ("logGroupName", "name"), "name", 512
    aws_names: ClassVar = {"name": "logStreamName"}
    create_operation, delete_operation = "create_log_stream", "delete_log_stream"
    read_operation, list_key = "describe_log_streams", "logStreams"


class LogDestination(_Listed):
    arguments = sdk.cloudwatch.LogDestinationArgs
    inputs = frozenset({"name", "roleArn", "tags", "targetArn"})
    computed = frozenset({"arn"})
    identity, named_by, longest_name = ("name",), "name", 512
    aws_names: ClassVar = {"name": "destinationName"}
    create_operation, delete_operation = "put_destination", "delete_destination"
    read_operation, list_key = "describe_destinations", "destinations"

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        # Tags in PutDestination itself make its test message fail, so the official plugin adds them afterwards too.
        self.tag(aws, self.put(aws, inputs)["destination"], tags, [])
        return str(inputs["name"])


class LogDestinationPolicy(_Listed):
    arguments = sdk.cloudwatch.LogDestinationPolicyArgs
    inputs = frozenset({"accessPolicy", "destinationName", "forceUpdate"})
    identity = ("destinationName",)
    create_operation = "put_destination_policy"
    read_operation, list_key = "describe_destinations", "destinations"

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        """Do nothing: AWS has no DeleteDestinationPolicy; the policy goes with its destination."""

    def properties(self, found: Values) -> Values | None:
        return found if found.get("accessPolicy") else None


class LogSubscriptionFilter(_Listed):
    arguments = sdk.cloudwatch.LogSubscriptionFilterArgs
    inputs = frozenset({
        "destinationArn", "distribution", "emitSystemFields", "filterPattern", "logGroup", "name", "roleArn",
    })  # fmt: skip
    immutable = frozenset({"destinationArn"})
    kept = frozenset({"roleArn"})  # "Optional" and "Computed" in the official provider's schema
    identity, separator, named_by, longest_name = ("logGroup", "name"), "|", "name", 512
    aws_names: ClassVar = {"logGroup": "logGroupName", "name": "filterName"}
    create_operation, delete_operation = "put_subscription_filter", "delete_subscription_filter"
    read_operation, list_key = "describe_subscription_filters", "subscriptionFilters"

    def properties(self, found: Values) -> Values:
        return {**self.renamed(found), "emitSystemFields": sorted(found.get("emitSystemFields", ()))}


class LogAccountPolicy(ResourceType):
    service, arguments = "logs", sdk.cloudwatch.LogAccountPolicyArgs
    inputs = frozenset({"policyDocument", "policyName", "policyType", "selectionCriteria"})
    immutable = frozenset({"policyType", "selectionCriteria"})
    identity = ("policyName",)
    create_operation, delete_operation = "put_account_policy", "delete_account_policy"
    read_operation = "describe_account_policies"

    def address(self, properties: Values) -> Values:
        return {"policyType": "SUBSCRIPTION_FILTER_POLICY", **super().address(properties)}

    def properties(self, found: Values) -> Values | None:
        return next(iter(found["accountPolicies"]), None)


class LogResourcePolicy(ResourceType):
    service, arguments = "logs", sdk.cloudwatch.LogResourcePolicyArgs
    inputs = frozenset({"policyDocument", "policyName"})
    identity = ("policyName",)
    create_operation, delete_operation = "put_resource_policy", "delete_resource_policy"

    def find(self, aws: Aws, resource_id: str) -> Values | None:
        found = aws.call("logs", "describe_resource_policies")["resourcePolicies"]
        return next((policy for policy in found if policy["policyName"] == resource_id), None)


def _retain(aws: Aws, inputs: Values) -> None:
    if days := inputs.get("retentionInDays"):
        aws.call("logs", "put_retention_policy", logGroupName=inputs["name"], retentionInDays=days)
    else:
        aws.find("logs", "delete_retention_policy", logGroupName=inputs["name"])
