"""The recorded graphs of the tests' stacks. ``python -m tests.graph.recorded_graphs`` records them.

``names/`` has a line for each resource with the parts of its URN: if they change, the resource is replaced. ``inputs/``
has what each resource is created with: if it changes, so does the deployment.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pulumi
import yaml

from tests.graph.recorder import Graph, record
from tests.stacks import EXAMPLES_FOLDER, FOLDER, config_of
from topology.stack_file import stack_of
from topology.stacks import files_in

RECORDED = Path(__file__).parent / "recorded"
STACKS = {
    stack_of(file): file
    for folder in (EXAMPLES_FOLDER, FOLDER / "one-graph", FOLDER / "options")
    for file in files_in(folder)
}


def graph_of(stack: str) -> Graph:
    """Return the graph of a stack, which may use the outputs of the examples' archive."""
    config = config_of(stack, STACKS[stack].parent)
    archive = record(config_of(config["archiveStack"]), stack="archive") if "archiveStack" in config else Graph()
    return record(config, stack=stack, referenced=archive.outputs)


def names_of(graph: Graph) -> str:
    """Return a line for each resource: type, name, parent, provider."""
    return "".join(
        sorted(
            f"{r.type} {r.name} parent={r.parent.split('::')[-1]} provider={r.provider.split('::')[-1] or '-'}\n"
            for r in graph.resources
        )
    )


def inputs_of(graph: Graph) -> str:
    """Return inputs, options and dependencies of each resource, as YAML."""
    resources = {
        resource.name: {
            "type": resource.type,
            **({"protect": True} if resource.protect else {}),
            **({"retainOnDelete": True} if resource.retain_on_delete else {}),
            **({"deleteBeforeReplace": True} if resource.delete_before_replace else {}),
            **({"replaceOnChanges": resource.replace_on_changes} if resource.replace_on_changes else {}),
            "inputs": _plain(resource.inputs),
            "waitsFor": sorted(urn.rpartition("::")[2] for urn in resource.dependencies),
        }
        for resource in sorted(graph.resources, key=lambda each: each.name)
    }
    return yaml.safe_dump({"resources": resources, "outputs": _plain(graph.outputs)}, sort_keys=True, width=120)


def _plain(value: Any) -> Any:  # noqa: ANN401 - what a resource may have
    """Return a value as plain data, with the contents of assets and JSON documents parsed."""
    match value:
        case dict():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case pulumi.AssetArchive():
            return {path: _plain(asset) for path, asset in value.assets.items()}
        case pulumi.FileAsset() | pulumi.FileArchive():
            return f"file {value.path}"
        case pulumi.StringAsset():
            return _plain(value.text)
        case float() if value.is_integer():
            return int(value)  # in protobuf, every number is a float
        case str() if value.startswith(("{", "[")):
            with contextlib.suppress(ValueError):
                return _plain(json.loads(value))
    return value


if __name__ == "__main__":
    for name in STACKS:
        graph = graph_of(name)
        (RECORDED / "names" / f"{name}.txt").write_text(names_of(graph), encoding="utf-8")
        (RECORDED / "inputs" / f"{name}.yaml").write_text(inputs_of(graph), encoding="utf-8")
