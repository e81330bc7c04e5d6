"""Resource types of AWS Glue."""

from __future__ import annotations

from typing import ClassVar

import pulumi_aws as sdk

from sandbox.plugin.aws import Aws, Values
from sandbox.plugin.resource_type import ResourceType


class _CatalogItem(ResourceType):
    """A database or table; its ID begins with that of the catalog, which is the account's."""

    service, named_by, longest_name = "glue", "name", 255
    update_operation: ClassVar[str]
    described: ClassVar[str]  # the item in requests, with "Input", and in responses

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        inputs = {**inputs, "catalogId": aws.account}
        aws.call("glue", self.create_operation, **self._whole(inputs), **({"tags": tags} if self.tagged else {}))
        return self.separator.join(inputs[key] for key in self.identity)

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        name = {"name": inputs["name"]} if self.update_operation == "update_database" else {}
        aws.call("glue", self.update_operation, **self._whole({**inputs, "catalogId": aws.account}), **name)

    def properties(self, found: Values) -> Values:
        return dict(found[self.described])

    def _whole(self, inputs: Values) -> Values:
        parents = {key: inputs[key] for key in self.identity if key != "name"}
        return {**parents, f"{self.described}Input": {**self.parameters(inputs), "name": inputs["name"]}}


class CatalogDatabase(_CatalogItem):
    arguments = sdk.glue.CatalogDatabaseArgs
    inputs = frozenset({"description", "name", "tags"})
    computed = frozenset({"arn", "catalogId"})
    identity = ("catalogId", "name")
    described = "database"
    create_operation, read_operation, delete_operation = "create_database", "get_database", "delete_database"
    update_operation = "update_database"

    def find(self, aws: Aws, resource_id: str) -> Values | None:
        found = super().find(aws, resource_id)
        if found is None:
            return None
        arn = f"arn:{aws.partition}:glue:{aws.region}:{aws.account}:database/{found['name']}"
        return {**found, "arn": arn, "tagsAll": aws.call("glue", "get_tags", resourceArn=arn)["tags"]}

    def tag(self, aws: Aws, state: Values, tags: dict[str, str], removed: list[str]) -> None:
        if tags:
            aws.call("glue", "tag_resource", resourceArn=state["arn"], tagsToAdd=tags)
        if removed:
            aws.call("glue", "untag_resource", resourceArn=state["arn"], tagsToRemove=removed)


class CatalogTable(_CatalogItem):
    arguments = sdk.glue.CatalogTableArgs
    inputs = frozenset({
        "databaseName", "description", "name", "owner", "parameters", "partitionKeys", "storageDescriptor", "tableType",
        "viewExpandedText", "viewOriginalText",
    })  # fmt: skip
    computed = frozenset({"arn", "catalogId"})
    identity = ("catalogId", "databaseName", "name")
    described = "table"
    create_operation, read_operation, delete_operation = "create_table", "get_table", "delete_table"
    update_operation = "update_table"

    def find(self, aws: Aws, resource_id: str) -> Values | None:
        found = super().find(aws, resource_id)
        if found is None:
            return None
        database, name = found["databaseName"], found["name"]
        # The official plugin reads the indexes of every table.
        aws.call("glue", "get_partition_indexes", catalogId=aws.account, databaseName=database, tableName=name)
        return {**found, "arn": f"arn:{aws.partition}:glue:{aws.region}:{aws.account}:table/{database}/{name}"}

    def parameters(self, inputs: Values) -> Values:
        given = super().parameters(inputs)
        if "storageDescriptor" in given:
            given["storageDescriptor"] = _respelled(given["storageDescriptor"], "serDeInfo", "serdeInfo")
        return given

    def properties(self, found: Values) -> Values:
        table = super().properties(found)
        return {**table, "storageDescriptor": _respelled(table["storageDescriptor"], "serdeInfo", "serDeInfo")}


def _respelled(values: Values, one: str, other: str) -> Values:
    return {other if key == one else key: value for key, value in values.items()}
