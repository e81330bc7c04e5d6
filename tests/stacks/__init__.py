"""Stack files for the tests, which never read those in the root: a folder for each imaginary company."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from topology.stack_file import NAMESPACE, file_name

FOLDER = Path(__file__).parent
EXAMPLES_FOLDER = FOLDER / "examples"
"""The stacks of most tests: an archive, and a stack for each of two environments."""


def config_of(stack: str, folder: Path = EXAMPLES_FOLDER) -> dict[str, Any]:
    """Return the config of a stack, without the namespace of the project."""
    values = yaml.safe_load((folder / file_name(stack)).read_text(encoding="utf-8"))["config"]
    return {key.removeprefix(NAMESPACE): value for key, value in values.items()}
