"""Reads a stack file beside Pulumi, for commands that run without it."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from components.settings import Settings, SettingsError, load

_NAMESPACE = "central-log-archive:"


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
        key.removeprefix(_NAMESPACE): value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
        if key.startswith(_NAMESPACE)
    }
    return load(texts, file.name.removeprefix("Pulumi.").removesuffix(".yaml"))
