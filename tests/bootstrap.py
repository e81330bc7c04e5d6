"""The templates in ``bootstrap/``, with parameters put in as CloudFormation does."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
            values[name] = f"arn:aws:iam::{account}:policy/{resource['Properties']['ManagedPolicyName']}"
    conditions = document.get("Conditions", {})

    def resolved(part: Any) -> Any:  # noqa: ANN401 - a part of a template
        if isinstance(part, list):
            return [each for each in map(resolved, part) if each is not _NO_VALUE]
        if not isinstance(part, dict):
            return part
        for function, argument in part.items():
            if function == "!Ref":
                return values.get(argument, argument)
            if function == "!Sub":
                return re.sub(r"\$\{([\w:]+)\}", lambda found: str(values.get(found[1], found[1])), argument)
            if function == "!GetAtt":
                return argument
            if function == "!If":
                return resolved(argument[1] if holds(conditions[argument[0]]) else argument[2])
            if function == "!Join":
                return argument[0].join(resolved(argument[1]))
        return {key: value for key, each in part.items() if (value := resolved(each)) is not _NO_VALUE}

    def holds(condition: dict[str, Any]) -> bool:
        ((function, argument),) = condition.items()
        if function == "!Condition":
            return holds(conditions[argument])
        if function == "!Not":
            return not holds(argument[0])
        if function == "!Equals":
            return bool(resolved(argument[0]) == resolved(argument[1]))
        return all(holds(each) for each in argument)

    existing = {
        name: each
        for name, each in document["Resources"].items()
        if "Condition" not in each or holds(conditions[each["Condition"]])
    }
    found: dict[str, Any] = resolved(existing)
    return found
