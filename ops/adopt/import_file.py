"""Writes what ``pulumi import`` needs to adopt existing resources: a stack file and an import file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pulumi import automation

from ops.errors import OperatorError
from topology.stack_file import NAMESPACE


def write_stack_file(file: Path, config: Mapping[str, Any]) -> bool:
    """Write the config of a stack into its file; return False, and change nothing, if the file has one already."""
    content: dict[str, Any] = (yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None) or {}
    existing = content.get("config") or {}
    if any(key.startswith(NAMESPACE) for key in existing):
        return False
    content["config"] = {**existing, **{f"{NAMESPACE}{key}": value for key, value in config.items()}}
    file.write_text(yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=120), encoding="utf-8")
    return True


class _Dumper(yaml.SafeDumper):
    """Indents lists below their keys, as yamllint expects."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, indentless=False)


def write_import_file(file: Path, root: Path, stack: str, ids: Mapping[str, str]) -> dict[str, str]:
    """Write what Pulumi still has to import into a stack; return logical name → ID of each resource to import.

    ``pulumi preview`` writes an import file of all resources it would create. Existing resources get their ID there;
    everything else is removed but parents and providers, which Pulumi creates during the import.

    Args:
        file: the file to write.
        root: folder of the project.
        stack: the stack, which has to exist.
        ids: logical name → ID of existing resources.

    Returns:
        Nothing, and writes nothing, if the stack has all of these resources already.

    Raises:
        OperatorError: the preview failed.
    """
    arguments = ["preview", "--stack", stack, "--import-file", str(file), "--non-interactive", "--color", "never"]
    try:
        automation.LocalWorkspace(work_dir=str(root)).pulumi_command.run(arguments, str(root), {})
    except automation.CommandError as error:
        file.unlink(missing_ok=True)
        raise OperatorError(f"the preview of {stack} failed:\n{error}") from None
    content = json.loads(file.read_text(encoding="utf-8"))
    content["resources"] = list(_to_import(content.get("resources") or [], ids))
    imported = {_logical_name(each): each["id"] for each in content["resources"] if "id" in each}
    if not imported:
        file.unlink()
        return {}
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return imported


def _to_import(resources: Sequence[Mapping[str, Any]], ids: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    chosen = [{**each, "id": ids[name]} for each in resources if (name := _logical_name(each)) in ids]
    needed = {each.get(key) for each in chosen for key in ("parent", "provider")}
    yield from (each for each in resources if each["name"] in needed)
    yield from chosen


def _logical_name(resource: Mapping[str, Any]) -> str:
    # Pulumi makes names unique in an import file; logicalName is there only where it had to.
    return str(resource.get("logicalName") or resource["name"])
