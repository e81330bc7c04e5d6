"""Resource types of Amazon Athena."""

from __future__ import annotations

from typing import Any, ClassVar

import pulumi_aws as sdk

from sandbox.plugin.aws import Aws, Values
from sandbox.plugin.resource_type import ResourceType

_AWS_WORDS = {"enforceWorkgroupConfiguration": "enforceWorkGroupConfiguration", "kmsKeyArn": "kmsKey"}
_PULUMI_WORDS = {aws: pulumi for pulumi, aws in _AWS_WORDS.items()}


class Workgroup(ResourceType):
    service, arguments = "athena", sdk.athena.WorkgroupArgs
    inputs = frozenset({"configuration", "description", "forceDestroy", "name", "tags"})
    computed = frozenset({"arn"})
    identity, named_by, longest_name = ("name",), "name", 128
    aws_names: ClassVar = {"name": "workGroup"}
    create_operation, read_operation, delete_operation = "create_work_group", "get_work_group", "delete_work_group"

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        given = {key: inputs[key] for key in ("description", "name") if key in inputs}
        configuration = _renamed(inputs.get("configuration", {}), _AWS_WORDS)
        aws.call("athena", "create_work_group", **given, configuration=configuration, tags=tags)
        return str(inputs["name"])

    def find(self, aws: Aws, resource_id: str) -> Values | None:
        found = super().find(aws, resource_id)
        if found is None:
            return None
        return {**found, "arn": f"arn:{aws.partition}:athena:{aws.region}:{aws.account}:workgroup/{resource_id}"}

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        updates = _renamed(inputs.get("configuration", {}), _AWS_WORDS)
        updates["resultConfigurationUpdates"] = updates.pop("resultConfiguration", None)
        description = inputs.get("description", "")
        aws.call(
            "athena",
            "update_work_group",
            workGroup=resource_id,
            description=description,
            configurationUpdates=updates,
        )

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        recursive = bool(state.get("forceDestroy"))
        aws.find("athena", "delete_work_group", workGroup=resource_id, recursiveDeleteOption=recursive)

    def properties(self, found: Values) -> Values:
        group = found["workGroup"]
        return {**group, "configuration": _renamed(group["configuration"], _PULUMI_WORDS)}


class NamedQuery(ResourceType):
    service, arguments = "athena", sdk.athena.NamedQueryArgs
    inputs = frozenset({"database", "description", "name", "query", "workgroup"})
    immutable = inputs
    identity, named_by, longest_name = ("id",), "name", 128
    aws_names: ClassVar = {"id": "namedQueryId", "query": "queryString", "workgroup": "workGroup"}
    create_operation, read_operation, delete_operation = "create_named_query", "get_named_query", "delete_named_query"

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        return str(aws.call("athena", "create_named_query", **self.parameters(inputs))["namedQueryId"])

    def properties(self, found: Values) -> Values:
        return self.renamed(found["namedQuery"])


def _renamed(values: Any, names: dict[str, str]) -> Any:  # noqa: ANN401 - a property value
    """Return values in which Pulumi's names differ from AWS's in more than their case."""
    if isinstance(values, dict):
        return {names.get(key, key): _renamed(value, names) for key, value in values.items()}
    return values
