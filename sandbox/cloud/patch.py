"""Replaces named functions of the pinned emulator, and fails if one is not as expected."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any


class PatchError(Exception):
    """The emulator is not the version that this extension was written for."""


def replace(module: ModuleType, name: str, parameters: str, new: Callable[..., Any]) -> Callable[..., Any]:
    """Replace a function of a module; return the original.

    Args:
        module: a module of the emulator.
        name: name of the function.
        parameters: the expected names of its parameters, separated by spaces.
        new: the replacement.

    Raises:
        PatchError: the function does not exist, or has other parameters.
    """
    original: Callable[..., Any] | None = getattr(module, name, None)
    if original is None:
        raise PatchError(f"{module.__name__}.{name} does not exist; adapt the extension to the emulator")
    found = " ".join(inspect.signature(original).parameters)
    if found != parameters:
        raise PatchError(
            f"{module.__name__}.{name} takes ({found}), expected ({parameters}); adapt the extension to the emulator"
        )
    setattr(module, name, new)
    return original
