"""Reads a stack file without Pulumi, for commands that run outside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from topology.settings import Settings, SettingsError, load

NAMESPACE = "central-log-archive:"


def file_name(stack: str) -> str:
    """Name the file of a stack, which may be given with its organization and project."""
    return f"Pulumi.{stack.rsplit('/', maxsplit=1)[-1]}.yaml"


def stack_of(file: Path) -> str:
    """Name the stack that a file is of."""
    return file.name.removeprefix("Pulumi.").removesuffix(".yaml")


def configures_program(file: Path) -> bool:
    """Say whether a file has keys of this program. One that the engine made for a new stack holds a salt only.

    Raises:
        SettingsError: it cannot be read.
    """
    return bool(_keys(file))


def read(file: Path) -> Settings:
    """Return the settings in a stack file.

    Raises:
        SettingsError: it is no stack file, or the program would reject it.
    """
    keys = _keys(file)
    if keys is None:
        raise SettingsError(f"{file} is not a stack file: it has no config section")
    return load(
        {key: value if isinstance(value, str) else json.dumps(value) for key, value in keys.items()}, stack_of(file)
    )


def _keys(file: Path) -> dict[str, Any] | None:
    """Return the program's keys, without their namespace; None if the file has no config section."""
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{file} cannot be read as a stack file: {error}") from None
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        return None
    return {
        key.removeprefix(NAMESPACE): value for key, value in config.items() if str(key).startswith(NAMESPACE)
    }  # fmt: skip
