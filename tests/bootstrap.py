"""The templates in ``bootstrap/``, with parameters put in as CloudFormation does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from sandbox.server import ROOT

_NO_VALUE = object()


class _Template(yaml.SafeLoader):
    """Reads the short form of a CloudFormation function as ``{function: argument}``."""


def _function(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {f"!{name}": node.value}
    if isinstance(node, yaml.SequenceNode):
        return {f"!{name}": loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {f"!{name}": loader.construct_mapping(node, deep=True)}


_Template.add_multi_constructor("!", _function)


def resources(template: str, given: Mapping[str, str], *, account: str = "111111111111") -> dict[str, Any]:
    """Return the resources of a template that its conditions let exist, with parameters and pseudo parameters."""
    document = yaml.load((ROOT / "bootstrap" / template).read_text(encoding="utf-8"), _Template)  # noqa: S506 - safe
    values: dict[str, Any] = {"AWS::Partition": "aws", "AWS::AccountId": account, "AWS::NoValue": _NO_VALUE}
    for name, parameter in document["Parameters"].items():
        value = given.get(name, parameter.get("Default", ""))
        values[name] = value.split(",") if parameter["Type"] == "CommaDelimitedList" else value
    for name, resource in document["Resources"].items():
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            values[name] = f"arn:aws:iam::{account}:policy/{resource['Properties'].get('ManagedPolicyName', name)}"
    deployment = _Deployment(values, document.get("Conditions", {}))
    resolved: dict[str, Any] = deployment.resolved(
        {
            name: each
            for name, each in document["Resources"].items()
            if "Condition" not in each or deployment.condition(each["Condition"])
        }
    )
    return resolved


class _Deployment:
    """Evaluates the functions of a template."""

    def __init__(self, values: Mapping[str, Any], conditions: Mapping[str, Any]) -> None:
        self._values, self._conditions = values, conditions
        self._functions: dict[str, Callable[[Any], Any]] = {
            "!And": lambda each: all(map(self.resolved, each)),
            "!Condition": self.condition,
            "!Equals": lambda pair: self.resolved(pair[0]) == self.resolved(pair[1]),
            "!GetAtt": lambda name: name,
            "!If": lambda given: self.resolved(given[1] if self.condition(given[0]) else given[2]),
            "!Join": lambda given: given[0].join(self.resolved(given[1])),
            "!Not": lambda given: not self.resolved(given[0]),
            "!Or": lambda each: any(map(self.resolved, each)),
            "!Ref": lambda name: self._values.get(name, name),
            "!Split": lambda given: self.resolved(given[1]).split(given[0]),
            "!Sub": self._substituted,
        }

    def _substituted(self, given: str | list[Any]) -> str:
        text, more = (given, {}) if isinstance(given, str) else given
        values = {**self._values, **self.resolved(more)}
        return re.sub(r"\$\{([\w:]+)\}", lambda found: str(values[found[1]]), text)

    def condition(self, name: str) -> bool:
        return bool(self.resolved(self._conditions[name]))

    def resolved(self, part: Any) -> Any:  # noqa: ANN401 - a part of a template
        if isinstance(part, list):
            return [value for each in part if (value := self.resolved(each)) is not _NO_VALUE]
        if not isinstance(part, dict):
            return part
        function, argument = next(iter(part.items()), ("", None))
        if function in self._functions:
            return self._functions[function](argument)
        return {key: value for key, each in part.items() if (value := self.resolved(each)) is not _NO_VALUE}
