"""Writes what ``pulumi import`` needs to take over what is there: a stack's file, and the import file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pulumi import automation

from topology.stack_file import NAMESPACE


class ImportingError(Exception):
    """There is nothing to import, or it cannot be found out. The text says why."""


def write_stack_file(file: Path, config: Mapping[str, Any]) -> bool:
    """Write the config of a stack into its file; return False, and leave it alone, where it has one already."""
    content: dict[str, Any] = (yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None) or {}
    beside = content.get("config") or {}
    if any(key.startswith(NAMESPACE) for key in beside):
        return False
    content["config"] = {**beside, **{f"{NAMESPACE}{key}": value for key, value in config.items()}}
    file.write_text(yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=120), encoding="utf-8")
    return True


class _Dumper(yaml.SafeDumper):
    """Indents lists below their keys, as people do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, indentless=False)


def write_import_file(file: Path, root: Path, stack: str, ids: Mapping[str, str]) -> dict[str, str]:
    """Write what Pulumi has to import into a stack; return logical name → id of it.

    The program itself says what there will be: Pulumi previews it, and writes down what it would make. Of that, what is
    there already gets its id, and everything else is left out but parents and providers, which Pulumi makes on the way.

    Args:
        file: where to write it.
        root: folder of the project.
        stack: the stack, which has to be there.
        ids: logical name → id of what is there.

    Raises:
        ImportingError: the preview failed, or the stack has all of it already.
    """
    arguments = ["preview", "--stack", stack, "--import-file", str(file), "--non-interactive", "--color", "never"]
    try:
        automation.LocalWorkspace(work_dir=str(root)).pulumi_command.run(arguments, str(root), {})
    except automation.CommandError as error:
        file.unlink(missing_ok=True)
        raise ImportingError(f"the preview of {stack} failed:\n{error}") from None
    content = json.loads(file.read_text(encoding="utf-8"))
    content["resources"] = list(_imported(content.get("resources") or [], ids))
    imported = {_logical_name(each): each["id"] for each in content["resources"] if "id" in each}
    if not imported:
        file.unlink()
        raise ImportingError(f"stack {stack} has all of it already; there is nothing to import")
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return imported


def _imported(resources: Sequence[Mapping[str, Any]], ids: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    chosen = [{**each, "id": ids[name]} for each in resources if (name := _logical_name(each)) in ids]
    needed = {each.get(key) for each in chosen for key in ("parent", "provider")}
    yield from (each for each in resources if each["name"] in needed)
    yield from chosen


def _logical_name(resource: Mapping[str, Any]) -> str:
    return str(resource.get("logicalName") or resource["name"])  # the name is another only where two have the same
