"""The resource provider: serves the engine's requests with the registered resource types."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pulumi_aws as sdk
from botocore.exceptions import ClientError
from pulumi.provider.experimental import provider as rpc
from pulumi.provider.experimental.property_value import PropertyValue

from sandbox.plugin.aws import Aws, AwsError, Values, connect
from sandbox.plugin.check import UNKNOWN, problems
from sandbox.plugin.functions import FUNCTIONS
from sandbox.plugin.resource_type import ResourceType
from sandbox.plugin.resources import RESOURCE_TYPES

_IMPLEMENTED = frozenset({
    "allowedAccountIds", "assumeRoles", "defaultTags", "region", "skipCredentialsValidation", "skipMetadataApiCheck",
    "skipRegionValidation", "skipRequestingAccountId", "stsRegion",
})  # fmt: skip
_UNIQUE_DIGITS = 7


class AwsProvider(rpc.Provider):
    """One provider of a stack: an account and region, through a role."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._aws: Aws | None = None
        self._default_tags: dict[str, str] = {}

    async def check_config(self, request: rpc.CheckRequest) -> rpc.CheckResponse:
        """Reject provider arguments that are unknown, misspelled or not implemented."""
        given = _arguments(request.new_inputs)
        failures = [rpc.CheckFailure(*problem) for problem in problems(sdk.ProviderArgs, _IMPLEMENTED, given)]
        if not failures and given.get("region") in (None, UNKNOWN):
            failures.append(rpc.CheckFailure("region", "is required, and must be known at preview"))
        return rpc.CheckResponse(inputs=request.new_inputs, failures=failures)

    async def diff_config(self, request: rpc.DiffRequest) -> rpc.DiffResponse:
        """Replace the provider when its region changes, since its resources cannot move."""
        old, new = _arguments(request.old_state), _arguments(request.new_inputs)
        changed = sorted(key for key in old.keys() | new.keys() if key != "version" and old.get(key) != new.get(key))
        # The SDK turns True into DIFF_NONE here, and the engine then configures the provider as the state has it.
        # Without an answer, it compares the arguments itself.
        return rpc.DiffResponse(diffs=changed, replaces=[key for key in changed if key == "region"])

    async def configure(self, request: rpc.ConfigureRequest) -> rpc.ConfigureResponse:
        """Assume the roles immediately, also in previews, so that a mistake fails before anything changes."""
        given = _arguments(request.args)
        self._default_tags = given.get("defaultTags", {}).get("tags", {})
        self._aws = await asyncio.to_thread(
            connect,
            self._environment,
            given["region"],
            given.get("assumeRoles", []),
            given.get("allowedAccountIds", []),
        )
        return rpc.ConfigureResponse(accept_secrets=True, supports_preview=True, accept_outputs=True)

    async def invoke(self, request: rpc.InvokeRequest) -> rpc.InvokeResponse:
        """Call a function with the permissions of the provider's role."""
        if request.tok not in FUNCTIONS:
            raise AwsError(
                f"the sandbox's plugin does not implement the function {request.tok}; implemented: "
                f"{', '.join(sorted(FUNCTIONS))}"
            )
        returned = await self._call(request.tok, FUNCTIONS[request.tok], self._configured, _plain_map(request.args))
        return rpc.InvokeResponse(return_value=_values(returned))

    async def check(self, request: rpc.CheckRequest) -> rpc.CheckResponse:
        """Reject inputs that are unknown, missing or not implemented, and auto-name the resource."""
        resource_type, inputs = _resource_type(request.type), _plain_map(request.new_inputs)
        found = problems(resource_type.arguments, resource_type.inputs, inputs)
        failures = [rpc.CheckFailure(*problem) for problem in found]
        checked = dict(request.new_inputs)
        key = resource_type.named_by
        if key is not None and key not in inputs:
            # An imported resource was not auto-named: the program has to specify its name, or it gets a new one.
            auto_named = key in _plain_map(request.old_inputs).get(_DEFAULTS, [])
            old = request.old_inputs.get(key) if auto_named else None
            name = _unique_name(resource_type, request.name, request.random_seed)
            checked[key] = old or PropertyValue(name)
            checked[_DEFAULTS] = PropertyValue([PropertyValue(key)])
        return rpc.CheckResponse(inputs=checked, failures=failures)

    async def diff(self, request: rpc.DiffRequest) -> rpc.DiffResponse:
        """Compare the inputs with the last known state."""
        resource_type = _resource_type(request.type)
        state = _plain_map(request.old_state)
        inputs = _kept(resource_type, state) | _plain_map(request.new_inputs)
        inputs |= self._tags_all(resource_type, inputs)
        changed = sorted(
            key
            for key in (resource_type.inputs | {"tagsAll"}) & (inputs.keys() | state.keys())
            if key not in request.ignore_changes and not _same(inputs.get(key), state.get(key))
        )
        replaces = [key for key in changed if resource_type.replaces(key, state.get(key), inputs.get(key))]
        details = {
            path: rpc.PropertyDiff(
                rpc.PropertyDiffKind[f"{change}_REPLACE" if key in replaces else change], input_diff=True
            )
            for key in changed
            for path, change in _differences(key, inputs.get(key), state.get(key))
        }
        # Two resources cannot have the same name at once; an auto-named one gets a new name.
        fixed_name = resource_type.named_by not in inputs.get(_DEFAULTS, []) and resource_type.named_by not in replaces
        return rpc.DiffResponse(
            changes=bool(changed),
            diffs=changed,
            replaces=replaces,
            stables=sorted(resource_type.replaced_by - set(replaces)),
            delete_before_replace=bool(replaces) and fixed_name,
            detailed_diff=details,
        )

    async def create(self, request: rpc.CreateRequest) -> rpc.CreateResponse:
        """Create the resource and read it back."""
        resource_type, inputs = _resource_type(request.type), _plain_map(request.properties)
        if request.preview:
            unknown = dict.fromkeys(resource_type.computed, UNKNOWN)
            return rpc.CreateResponse("", _values({**unknown, **inputs, **self._tags_all(resource_type, inputs)}))
        tags = self._all_tags(inputs)
        resource_id = await self._call("create", resource_type.create, self._configured, inputs, tags)
        state = await self._state(resource_type, resource_id, inputs)
        if state is None:
            raise AwsError(f"create: {resource_id} was created, but does not exist")
        return rpc.CreateResponse(resource_id, _values(state))

    async def read(self, request: rpc.ReadRequest) -> rpc.ReadResponse:
        """Read the resource from the cloud, for a refresh or for an import, which knows only its ID."""
        resource_type = _resource_type(request.type)
        old = _plain_map(request.inputs)
        state = await self._state(resource_type, request.resource_id, old or None)
        if state is None:
            return rpc.ReadResponse("", {}, {})
        state |= {key: value for key, value in old.items() if key not in state and key in _PLUGINS_OWN}
        inputs = {key: value for key, value in state.items() if key in resource_type.inputs | {_DEFAULTS}}
        return rpc.ReadResponse(request.resource_id, _values(state), _values(inputs))

    async def update(self, request: rpc.UpdateRequest) -> rpc.UpdateResponse:
        """Change the resource in place and read it back."""
        resource_type = _resource_type(request.type)
        old = _plain_map(request.olds)
        inputs = _kept(resource_type, old) | _plain_map(request.news)
        if request.preview:
            known = {key: value for key, value in old.items() if key in resource_type.computed}
            return rpc.UpdateResponse(_values({**known, **inputs, **self._tags_all(resource_type, inputs)}))
        tags, had = self._all_tags(inputs), old.get("tagsAll", {})
        if resource_type.tagged and tags != had:
            removed = sorted(had.keys() - tags.keys())
            await self._call("tag", resource_type.tag, self._configured, old, tags, removed)
        if not all(_same(inputs.get(key), old.get(key)) for key in resource_type.inputs - {"tags"}):
            await self._call("update", resource_type.update, self._configured, request.resource_id, inputs)
        state = await self._state(resource_type, request.resource_id, inputs)
        return rpc.UpdateResponse(_values(state or inputs))

    async def delete(self, request: rpc.DeleteRequest) -> None:
        """Delete the resource, if it still exists."""
        resource_type, state = _resource_type(request.type), _plain_map(request.properties)
        await self._call("delete", resource_type.delete, self._configured, request.resource_id, state)

    async def cancel(self) -> None:
        """Do nothing, since calls are short."""

    @property
    def _configured(self) -> Aws:
        if self._aws is None:
            raise AwsError("the provider is not configured")
        return self._aws

    def _all_tags(self, inputs: Values) -> dict[str, str]:
        return {**self._default_tags, **inputs.get("tags", {})}

    def _tags_all(self, resource_type: ResourceType, inputs: Values) -> Values:
        return {"tagsAll": self._all_tags(inputs)} if resource_type.tagged else {}

    async def _state(self, resource_type: ResourceType, resource_id: str, inputs: Values | None) -> Values | None:
        """Return the resource in the cloud, reduced to the inputs that the program sets and to the outputs."""
        actual = await self._call("read", resource_type.read, self._configured, resource_id)
        if actual is None:
            return None
        if resource_type.tagged:
            own = {key: value for key, value in actual["tagsAll"].items() if self._default_tags.get(key) != value}
            actual["tags"] = own
        if inputs is None:
            return {key: value for key, value in actual.items() if value not in ({}, [], "")}
        computed = {key: actual[key] for key in actual if key not in resource_type.inputs}
        given = {key: _reduced(value, actual.get(key, value)) for key, value in inputs.items()}
        return {**computed, **_kept(resource_type, actual), **given}

    @staticmethod
    async def _call(operation: str, function: Any, *arguments: Any) -> Any:  # noqa: ANN401 - a resource type's method
        try:
            return await asyncio.to_thread(partial(function, *arguments))
        except ClientError as error:
            raise AwsError(f"{operation}: {error}") from None


_DEFAULTS = "__defaults"  # the key under which official plugins list auto-named inputs
_PLUGINS_OWN = frozenset({"forceDestroy", _DEFAULTS})  # inputs that have no counterpart in AWS


def _resource_type(qualified_type: str) -> ResourceType:
    token = qualified_type.rsplit("$", maxsplit=1)[-1]  # a type is qualified by those of its parents
    if token not in RESOURCE_TYPES:
        raise AwsError(
            f"the sandbox's plugin does not implement {token}; implemented: {', '.join(sorted(RESOURCE_TYPES))}"
        )
    return RESOURCE_TYPES[token]


def _kept(resource_type: ResourceType, state: Values) -> Values:
    # The emulator returns an empty role for a filter without one.
    return {key: state[key] for key in resource_type.kept & state.keys() if state[key] != ""}


def _unique_name(resource_type: ResourceType, name: str, seed: bytes) -> str:
    """Name a resource as the official plugin does: logical name and seven hexadecimal digits."""
    digits = hashlib.sha256(seed).hexdigest()[:_UNIQUE_DIGITS]
    return f"{name[: resource_type.longest_name - _UNIQUE_DIGITS - 1]}-{digits}".lower()


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 - a property value
    """Return whether two values are equal; JSON documents are compared as documents."""
    if one == other:
        return True
    if isinstance(one, str) and isinstance(other, str) and one[:1] == other[:1] == "{":
        try:
            return bool(json.loads(one) == json.loads(other))
        except ValueError:
            return False
    return False


def _differences(path: str, new: Any, old: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a property value
    """Yield the paths at which two values differ, and how, as deep as official plugins report them."""
    if isinstance(new, dict) and isinstance(old, dict):
        for key in sorted(new.keys() | old.keys()):
            yield from _differences(f"{path}.{key}", new.get(key), old.get(key))
    elif isinstance(new, list) and isinstance(old, list):
        for index, (one, other) in enumerate(itertools.zip_longest(new, old)):
            yield from _differences(f"{path}[{index}]", one, other)
    elif not _same(new, old):
        yield path, "ADD" if old is None else "DELETE" if new is None else "UPDATE"


def _reduced(given: Any, actual: Any) -> Any:  # noqa: ANN401 - a property value
    """Reduce AWS's value to the shape of the given one, so that defaults of AWS are not a difference."""
    if isinstance(given, dict) and isinstance(actual, dict):
        return {key: _reduced(value, actual[key]) for key, value in given.items() if key in actual}
    if isinstance(given, list) and isinstance(actual, list) and len(given) == len(actual):
        return [_reduced(one, other) for one, other in zip(given, actual, strict=True)]
    return given if _same(given, actual) else actual


def _arguments(values: dict[str, PropertyValue]) -> Values:
    """Return provider arguments as plain values: the SDK sends everything but strings as JSON."""
    return {key: _parsed(value) for key, value in _plain_map(values).items() if key != "version"}


def _parsed(value: Any) -> Any:  # noqa: ANN401 - as above
    if (isinstance(value, str) and value[:1] in ("[", "{")) or value in ("true", "false"):
        return json.loads(value)
    return value


def _plain_map(values: Mapping[str, PropertyValue]) -> Values:
    return {key: _plain(value) for key, value in values.items() if value.value is not None}


def _plain(value: PropertyValue) -> Any:  # noqa: ANN401 - as above
    inner = value.value
    if isinstance(inner, Mapping):
        return _plain_map(inner)
    if isinstance(inner, tuple):
        return [_plain(item) for item in inner]
    return inner


def _values(values: Values) -> dict[str, PropertyValue]:
    return {key: _value(value) for key, value in values.items()}


def _value(value: Any) -> PropertyValue:  # noqa: ANN401 - as above
    if isinstance(value, dict):
        return PropertyValue(_values(value))
    if isinstance(value, list):
        return PropertyValue([_value(item) for item in value])
    return PropertyValue(float(value) if isinstance(value, int) and not isinstance(value, bool) else value)
