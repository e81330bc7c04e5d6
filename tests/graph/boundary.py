"""What the policies of recorded roles allow, compared with the permissions boundary of the bootstrap."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from tests.bootstrap import resources
from tests.graph.recorder import Graph, Resource
from topology.policies import as_list, statements
from topology.settings import load

Statement = dict[str, Any]


def boundary_of(config: dict[str, Any]) -> list[Statement]:
    """Return the statements of the boundary, with the parameters that the archive of a stack file needs."""
    settings = load({key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}, "s")
    assert settings.archive is not None
    archive = settings.archive
    found = resources("archive-account.yaml", archive.bootstrap_parameters, account=archive.account)
    return statements(found["Boundary"]["Properties"]["PolicyDocument"])


def exceeding(graph: Graph, boundary: list[Statement]) -> Iterator[tuple[str, str, str]]:
    """Yield role, action and resource of what a role's policy allows and the boundary does not."""
    for policy in policies_of_roles(graph):
        for statement in statements(policy.inputs["policy"]):
            for action in as_list(statement["Action"]):
                for resource in as_list(statement["Resource"]):
                    role = policy.inputs["role"]
                    if not any(allows(each, graph, role, action, resource, statement) for each in boundary):
                        yield role, action, resource


def policies_of_roles(graph: Graph) -> list[Resource]:
    return [each for each in graph.of_type("RolePolicy") if "CentralLogArchive" in each.parent]


def allows(bound: Statement, graph: Graph, role: str, action: str, resource: str, allowed: Statement) -> bool:
    """Return whether a statement of the boundary allows all that a statement of a policy does."""
    account = graph.place_of(graph.one("FirehoseDeliveryStream"))[0]
    given = {"aws:PrincipalArn": [f"arn:aws:iam::{account}:role/{role}"]}
    for keys in allowed.get("Condition", {}).values():
        given |= {key: as_list(value) for key, value in keys.items()}
    conditions = [item for keys in bound.get("Condition", {}).values() for item in keys.items()]
    return (
        bound["Effect"] == "Allow"
        and action in as_list(bound["Action"])
        and any(fnmatchcase(resource, each) for each in as_list(bound["Resource"]))
        and all(
            any(fnmatchcase(value, each) for each in as_list(patterns))
            for key, patterns in conditions
            for value in given.get(key, [""])
        )
    )
