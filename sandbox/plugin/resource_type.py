"""What every resource type of the sandbox's plugin declares, and the calls that most of them share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sandbox.plugin.aws import Aws, Values


class ResourceType:
    """A resource type of the plugin.

    The default methods suit a resource that one call puts whole, new or changed: a bucket policy, an alarm. Types
    that AWS treats otherwise override them. Parameters and responses are in Pulumi's spelling (see ``Aws.call``).
    """

    service: ClassVar[str]  # by boto3's name
    arguments: ClassVar[type]  # the SDK's argument class
    inputs: ClassVar[frozenset[str]]  # the SDK's inputs that the sandbox implements
    computed: ClassVar[frozenset[str]] = frozenset()  # outputs that are known once the resource exists
    immutable: ClassVar[frozenset[str]] = frozenset()  # inputs that AWS cannot change, besides those in the ID
    kept: ClassVar[frozenset[str]] = frozenset()  # inputs that stay as they are once the program no longer sets them

    identity: ClassVar[tuple[str, ...]]  # the properties that the ID is made of
    separator: ClassVar[str] = ":"  # between them
    named_by: ClassVar[str | None] = None  # the input that is auto-named
    longest_name: ClassVar[int] = 64

    aws_names: ClassVar[Mapping[str, str]] = {}  # property → AWS's name for it, where it is not the same words
    create_operation: ClassVar[str]
    read_operation: ClassVar[str]
    delete_operation: ClassVar[str]
    tag_operation: ClassVar[str] = "tag_resource"
    untag_operation: ClassVar[str] = "untag_resource"
    list_tags_operation: ClassVar[str] = "list_tags_for_resource"

    @property
    def tagged(self) -> bool:
        """Whether the resource has tags."""
        return "tags" in self.inputs

    @property
    def replaced_by(self) -> frozenset[str]:
        """The inputs whose change replaces the resource."""
        return self.immutable | self.inputs.intersection(self.identity)

    def replaces(self, key: str, old: Any, new: Any) -> bool:  # noqa: ANN401 - a property value
        """Return whether the change of an input replaces the resource."""
        return key in self.replaced_by

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        """Create the resource; return its ID, in the official plugin's form."""
        self.put(aws, inputs, **({"tags": tags} if self.tagged else {}))
        return self.separator.join(inputs[key] for key in self.identity)

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        """Change what can be changed in place."""
        self.put(aws, inputs)

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        """Return the properties of the resource in the cloud, ``tagsAll`` included, or None if it does not exist."""
        found = self.find(aws, resource_id)
        if found is None:
            return None
        state = {key: found[key] for key in found.keys() & (self.inputs | self.computed | {"tagsAll"})}
        if self.tagged and "tagsAll" not in state:
            listed = aws.call(self.service, self.list_tags_operation, **self.tag_address(state))
            state["tagsAll"] = listed.get("tags", {})
        return state

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        """Delete the resource, if it still exists."""
        aws.find(self.service, self.delete_operation, **self.address(self.identify(resource_id)))

    def tag(self, aws: Aws, state: Values, tags: dict[str, str], removed: list[str]) -> None:
        """Set tags and remove others."""
        address = self.tag_address(state)
        if tags:
            aws.call(self.service, self.tag_operation, **address, tags=tags)
        if removed:
            aws.call(self.service, self.untag_operation, **address, tagKeys=removed)

    def put(self, aws: Aws, inputs: Values, **tags: dict[str, str]) -> Values:
        """Call the operation that creates the resource, and return its response."""
        return aws.call(self.service, self.create_operation, **self.address(inputs) | self.parameters(inputs) | tags)

    def find(self, aws: Aws, resource_id: str) -> Values | None:
        """Return the properties of the resource in the cloud, or None if it does not exist.

        ``read`` drops what is neither an input nor an output, and lists the tags if ``tagsAll`` is missing.
        """
        identity = self.identify(resource_id)
        found = aws.find(self.service, self.read_operation, **self.address(identity))
        properties = None if found is None else self.properties(found)
        return None if properties is None else identity | properties

    def identify(self, resource_id: str) -> Values:
        """Return the properties that an ID is made of."""
        return dict(zip(self.identity, resource_id.rsplit(self.separator, len(self.identity) - 1), strict=True))

    def address(self, properties: Values) -> Values:
        """Return the parameters that identify the resource to AWS."""
        return {self.aws_names.get(key, key): properties[key] for key in self.identity}

    def tag_address(self, state: Values) -> Values:
        """Return the parameters that identify the resource to the operations on tags."""
        return {"resourceArn": state["arn"]}

    def parameters(self, inputs: Values) -> Values:
        """Return the parameters that the other inputs set."""
        keys = inputs.keys() & self.inputs - {"tags", *self.identity}
        return {self.aws_names.get(key, key): inputs[key] for key in keys}

    def properties(self, found: Values) -> Values | None:
        """Return the properties in the response of the read operation, or None if it stands for a missing resource."""
        return self.renamed(found)

    def renamed(self, described: Values) -> Values:
        """Return AWS's description of the resource under the names of its properties."""
        names = {name: key for key, name in self.aws_names.items()}
        return {names.get(name, name): value for name, value in described.items()}
