"""The permissions of the roles in ``bootstrap/``."""

from __future__ import annotations

from typing import Any

import yaml

from sandbox.server import ROOT


class _Template(yaml.SafeLoader):
    """Reads the short form of a CloudFormation function as its argument."""


def _argument(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> Any:  # noqa: ANN401 - any YAML
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return node.value


_Template.add_multi_constructor("!", _argument)


def actions(template: str, role: str = "Deployer") -> set[str]:
    """Return the actions that a template allows one of its roles."""
    document = yaml.load((ROOT / "bootstrap" / template).read_text(encoding="utf-8"), _Template)  # noqa: S506 - safe
    resources = document["Resources"]
    properties = [each["Properties"] for each in resources.values()]
    managed = [resources[each]["Properties"] for each in resources[role]["Properties"].get("ManagedPolicyArns", [])]
    attached = [each for each in properties if any(role in (given, *given) for given in each.get("Roles", []))]
    allowed: set[str] = set()
    for policy in [*resources[role]["Properties"].get("Policies", []), *managed, *attached]:
        for given in policy["PolicyDocument"]["Statement"]:
            statement = given[1] if isinstance(given, list) else given  # a list has a condition of the template first
            if statement["Effect"] == "Deny":
                continue
            listed = statement["Action"]
            allowed |= {listed} if isinstance(listed, str) else set(listed)
    return allowed
