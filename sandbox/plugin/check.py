"""Checks inputs against the argument classes of the pulumi-aws SDK, so that a mistake fails at preview."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from pulumi import _types as sdk_types
from pulumi.runtime import rpc

UNKNOWN = rpc.UNKNOWN
"""An output that is not known at preview, as the engine's messages represent it."""


def problems(arguments: type, implemented: frozenset[str], inputs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the path and the reason of each problem in the inputs of a resource.

    Args:
        arguments: the SDK's argument class of the resource.
        implemented: inputs that the sandbox's plugin implements.
        inputs: the inputs, with UNKNOWN for outputs that are not known at preview.
    """
    for name in inputs:
        if name in _fields(arguments) and name not in implemented:
            yield name, "the sandbox's plugin does not implement this input of the official plugin"
    yield from _nested("", arguments, inputs)


def _nested(path: str, arguments: type, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a property value
    if not isinstance(value, dict):
        if value != UNKNOWN:
            yield path, f"is {type(value).__name__}, expected an object"
        return
    fields = _fields(arguments)
    for name, given in value.items():
        where = f"{path}.{name}" if path else name
        if name not in fields:
            yield where, _unknown(name, fields)
        elif inspect.isclass(expected := fields[name]) and sdk_types.is_input_type(expected):
            yield from _nested(where, expected, given)
        elif (item := _item(expected)) is not None and isinstance(given, list):
            for index, element in enumerate(given):
                yield from _nested(f"{where}[{index}]", item, element)
    for name in _required(arguments) - value.keys():
        yield f"{path}.{name}" if path else name, "is required, but missing"


def _unknown(name: str, fields: dict[str, Any]) -> str:
    camel = re.sub(r"_(\w)", lambda match: match.group(1).upper(), name)
    if camel in fields:
        return f"unknown property; the SDK does not translate the keys of a dict: use its Args class, or {camel}"
    return f"unknown property; known: {', '.join(sorted(fields))}"


def _item(annotation: Any) -> type | None:  # noqa: ANN401 - a type of any form
    """Return the argument class of a list's items, inside the SDK's unions, if the items are objects."""
    for part in get_args(annotation):
        if inspect.isclass(part) and sdk_types.is_input_type(part):
            return part
        if (found := _item(part)) is not None:
            return found
    return None


@cache
def _fields(arguments: type) -> dict[str, Any]:
    return dict(sdk_types.input_type_types(arguments))


@cache
def _required(arguments: type) -> frozenset[str]:
    names = sdk_types.input_type_py_to_pulumi_names(arguments)
    parameters = inspect.signature(arguments).parameters.values()
    return frozenset(names[p.name] for p in parameters if p.default is inspect.Parameter.empty)
