"""The permissions of the roles in ``bootstrap/``."""

from __future__ import annotations

import yaml

from sandbox.server import ROOT


class _Template(yaml.SafeLoader):
    """Reads the short form of a CloudFormation function as its argument."""


_Template.add_multi_constructor("!", lambda _, __, node: node.value)


def actions(template: str, role: str = "Deployer") -> set[str]:
    """Return the actions that a template allows one of its roles."""
    document = yaml.load((ROOT / "bootstrap" / template).read_text(encoding="utf-8"), _Template)  # noqa: S506 - safe
    resources = document["Resources"]
    attached = [each["Properties"] for each in resources.values() if each["Properties"].get("Roles", [None])[0] == role]
    allowed: set[str] = set()
    for policy in [*resources[role]["Properties"].get("Policies", []), *attached]:
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Deny":
                continue
            listed = statement["Action"]
            allowed |= {listed} if isinstance(listed, str) else set(listed)
    return allowed
