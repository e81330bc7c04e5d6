"""Reads a stack file beside Pulumi, for commands that run without it."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from topology.settings import Settings, SettingsError, load

NAMESPACE = "central-log-archive:"


def file_name(stack: str) -> str:
    """Name the file of a stack, which may be given with its organization and project."""
    return f"Pulumi.{stack.rsplit('/', maxsplit=1)[-1]}.yaml"


def stack_of(file: Path) -> str:
    """Name the stack that a file is of."""
    return file.name.removeprefix("Pulumi.").removesuffix(".yaml")


def read(file: Path) -> Settings:
    """Return what a stack file says.

    Raises:
        SettingsError: it is no stack file, or the program would refuse it.
    """
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))["config"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise SettingsError(f"{file} is not a stack file with a config section: {error}") from None
    texts = {
        key.removeprefix(NAMESPACE): value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
        if key.startswith(NAMESPACE)
    }
    return load(texts, stack_of(file))
