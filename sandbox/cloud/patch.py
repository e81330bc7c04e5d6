"""Replaces named functions of the pinned emulator, and fails loudly when one is not there as expected."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any


class PatchError(Exception):
    """The emulator is not the version that this extension was written for."""


def replace(module: ModuleType, name: str, parameters: str, new: Callable[..., Any]) -> Callable[..., Any]:
    """Put ``new`` in the place of a function of ``module``, and return the original.

    Args:
        module: a module of the emulator.
        name: the function's name there.
        parameters: the names of its parameters, as they have to be, separated by spaces.
        new: what takes its place.

    Raises:
        PatchError: there is no such function, or its parameters are others.
    """
    original: Callable[..., Any] | None = getattr(module, name, None)
    if original is None:
        raise PatchError(f"{module.__name__}.{name} is gone; the extension has to follow the emulator's new version")
    found = " ".join(inspect.signature(original).parameters)
    if found != parameters:
        raise PatchError(f"{module.__name__}.{name} takes ({found}), expected ({parameters})")
    setattr(module, name, new)
    return original
