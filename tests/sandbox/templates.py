"""What the roles of ``bootstrap/`` hold."""

from __future__ import annotations

import yaml

from sandbox.server import ROOT


class _Template(yaml.SafeLoader):
    """CloudFormation's short forms, read as what they stand before."""


_Template.add_multi_constructor("!", lambda _, __, node: node.value)


def actions(template: str, role: str = "Deployer") -> set[str]:
    """Every action that a template allows to one of its roles."""
    document = yaml.load((ROOT / "bootstrap" / template).read_text(encoding="utf-8"), _Template)  # noqa: S506 - safe
    resources = document["Resources"]
    attached = [each["Properties"] for each in resources.values() if each["Properties"].get("Roles", [None])[0] == role]
    allowed: set[str] = set()
    for policy in [*resources[role]["Properties"].get("Policies", []), *attached]:
        for statement in policy["PolicyDocument"]["Statement"]:
            listed = statement["Action"]
            allowed |= {listed} if isinstance(listed, str) else set(listed)
    return allowed
