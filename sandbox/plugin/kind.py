"""What every resource type of the sandbox's plugin has to say of itself."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from sandbox.plugin.aws import Aws

Values = dict[str, Any]


class Kind(ABC):
    """A resource type. ``read`` gives its state in the cloud; everything else follows from the inputs."""

    arguments: ClassVar[type]
    inputs: ClassVar[frozenset[str]]  # of the SDK's inputs, those that the sandbox implements
    computed: ClassVar[frozenset[str]] = frozenset()  # known once the resource is made
    replaced_by: ClassVar[frozenset[str]] = frozenset()  # inputs whose change takes a new resource
    named_by: ClassVar[str | None] = None  # the input that is filled in when the program leaves it out
    longest_name: ClassVar[int] = 64
    tagged: ClassVar[bool] = False

    def replaces(self, key: str, old: Any, new: Any) -> bool:  # noqa: ANN401 - a property value
        """Say whether the change of an input takes a new resource."""
        return key in self.replaced_by

    def unchanged(self, key: str, inputs: Values, state: Values) -> bool:
        """Say whether an input is what it was."""
        return same(inputs.get(key), state.get(key))

    @abstractmethod
    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        """Make the resource; return its id, in the official plugin's form."""

    @abstractmethod
    def read(self, aws: Aws, resource_id: str) -> Values | None:
        """Return the resource as it is in the cloud, or None when it is gone."""

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        """Change what can be changed in place."""
        raise NotImplementedError(f"{type(self).__name__} is always replaced: {resource_id}, {inputs}, {aws}")

    @abstractmethod
    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        """Delete the resource."""

    def tag(self, aws: Aws, resource_id: str, state: Values, tags: dict[str, str], gone: list[str]) -> None:
        """Set tags and take others away."""


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 - a property value
    """Compare by meaning: JSON documents as documents, numbers as numbers."""
    if one == other:
        return True
    if isinstance(one, str) and isinstance(other, str) and one[:1] == other[:1] == "{":
        try:
            return bool(json.loads(one) == json.loads(other))
        except ValueError:
            return False
    return False


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Return tags in the form of most services."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
