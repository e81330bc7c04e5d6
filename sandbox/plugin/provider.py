"""The resource provider: the engine's requests, answered from the table of kinds."""

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

from sandbox.plugin.aws import Aws, AwsError, connect
from sandbox.plugin.check import UNKNOWN, problems
from sandbox.plugin.functions import FUNCTIONS
from sandbox.plugin.kind import Kind, Values, same
from sandbox.plugin.kinds import KINDS

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
        """Refuse provider arguments that are unknown, misspelt or not implemented."""
        given = _arguments(request.new_inputs)
        failures = [rpc.CheckFailure(*problem) for problem in problems(sdk.ProviderArgs, _IMPLEMENTED, given)]
        if not failures and given.get("region") in (None, UNKNOWN):
            failures.append(rpc.CheckFailure("region", "is required, and known before the update"))
        return rpc.CheckResponse(inputs=request.new_inputs, failures=failures)

    async def diff_config(self, request: rpc.DiffRequest) -> rpc.DiffResponse:
        """A provider of another region is another provider: what it holds would have to move."""
        old, new = _arguments(request.old_state), _arguments(request.new_inputs)
        changed = sorted(key for key in old.keys() | new.keys() if key != "version" and old.get(key) != new.get(key))
        return rpc.DiffResponse(
            changes=bool(changed), diffs=changed, replaces=[key for key in changed if key == "region"]
        )

    async def configure(self, request: rpc.ConfigureRequest) -> rpc.ConfigureResponse:
        """Assume the roles at once, at preview too: what cannot work fails before anything is touched."""
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
        """Call a function, with the rights of the provider's role."""
        if request.tok not in FUNCTIONS:
            raise AwsError(
                f"the sandbox's plugin does not implement the function {request.tok}; it knows "
                f"{', '.join(sorted(FUNCTIONS))}"
            )
        returned = await self._call(request.tok, FUNCTIONS[request.tok], self._configured, _plain_map(request.args))
        return rpc.InvokeResponse(return_value=_values(returned))

    async def check(self, request: rpc.CheckRequest) -> rpc.CheckResponse:
        """Refuse inputs that are unknown, missing or not implemented, and fill in a name."""
        kind, inputs = _kind(request.type), _plain_map(request.new_inputs)
        failures = [rpc.CheckFailure(*problem) for problem in problems(kind.arguments, kind.inputs, inputs)]
        checked = dict(request.new_inputs)
        if kind.named_by is not None and kind.named_by not in inputs:
            # A name that was there before Pulumi is none that was filled in: it has to be given, or there is a new one.
            filled_in = kind.named_by in _plain_map(request.old_inputs).get(_DEFAULTS, [])
            old = request.old_inputs.get(kind.named_by) if filled_in else None
            checked[kind.named_by] = old or PropertyValue(_unique_name(kind, request.name, request.random_seed))
            checked[_DEFAULTS] = PropertyValue([PropertyValue(kind.named_by)])
        return rpc.CheckResponse(inputs=checked, failures=failures)

    async def diff(self, request: rpc.DiffRequest) -> rpc.DiffResponse:
        """Compare the wanted inputs with the last known state."""
        kind, inputs, state = _kind(request.type), _plain_map(request.new_inputs), _plain_map(request.old_state)
        inputs |= self._tags_all(kind, inputs)
        changed = sorted(
            key
            for key in (kind.inputs | {"tagsAll"}) & (inputs.keys() | state.keys())
            if key not in request.ignore_changes and not kind.unchanged(key, inputs, state)
        )
        replaces = [key for key in changed if kind.replaces(key, state.get(key), inputs.get(key))]
        details = {
            path: rpc.PropertyDiff(
                rpc.PropertyDiffKind[f"{change}_REPLACE" if key in replaces else change], input_diff=True
            )
            for key in changed
            for path, change in _differences(key, inputs.get(key), state.get(key))
        }
        # Two of the same name cannot be there at once. A name that was filled in is filled in anew.
        fixed_name = kind.named_by not in inputs.get(_DEFAULTS, []) and kind.named_by not in replaces
        return rpc.DiffResponse(
            changes=bool(changed),
            diffs=changed,
            replaces=replaces,
            stables=sorted(kind.replaced_by - set(replaces)),
            delete_before_replace=bool(replaces) and fixed_name,
            detailed_diff=details,
        )

    async def create(self, request: rpc.CreateRequest) -> rpc.CreateResponse:
        """Make the resource and read it back."""
        kind, inputs = _kind(request.type), _plain_map(request.properties)
        if request.preview:
            unknown = dict.fromkeys(kind.computed, UNKNOWN)
            return rpc.CreateResponse("", _values({**unknown, **inputs, **self._tags_all(kind, inputs)}))
        tags = self._all_tags(inputs)
        resource_id = await self._call("create", kind.create, self._configured, inputs, tags)
        state = await self._state(kind, resource_id, inputs)
        if state is None:
            raise AwsError(f"create: {resource_id} was made and is not there")
        return rpc.CreateResponse(resource_id, _values(state))

    async def read(self, request: rpc.ReadRequest) -> rpc.ReadResponse:
        """Read the resource as it is in the cloud: for a refresh, or for an import that knows only its id."""
        kind = _kind(request.type)
        old = _plain_map(request.inputs)
        state = await self._state(kind, request.resource_id, old or None)
        if state is None:
            return rpc.ReadResponse("", {}, {})
        state |= {key: value for key, value in old.items() if key not in state and key in _PLUGINS_OWN}
        inputs = {key: value for key, value in state.items() if key in kind.inputs | {_DEFAULTS}}
        return rpc.ReadResponse(request.resource_id, _values(state), _values(inputs))

    async def update(self, request: rpc.UpdateRequest) -> rpc.UpdateResponse:
        """Change the resource in place and read it back."""
        kind, inputs, old = _kind(request.type), _plain_map(request.news), _plain_map(request.olds)
        if request.preview:
            known = {key: value for key, value in old.items() if key in kind.computed}
            return rpc.UpdateResponse(_values({**known, **inputs, **self._tags_all(kind, inputs)}))
        tags, had = self._all_tags(inputs), old.get("tagsAll", {})
        if kind.tagged and tags != had:
            gone = sorted(had.keys() - tags.keys())
            await self._call("tag", kind.tag, self._configured, request.resource_id, old, tags, gone)
        if not all(kind.unchanged(key, inputs, old) for key in kind.inputs - {"tags"}):
            await self._call("update", kind.update, self._configured, request.resource_id, inputs)
        state = await self._state(kind, request.resource_id, inputs)
        return rpc.UpdateResponse(_values(state or inputs))

    async def delete(self, request: rpc.DeleteRequest) -> None:
        """Delete the resource; one that is gone already is no error."""
        kind, state = _kind(request.type), _plain_map(request.properties)
        await self._call("delete", kind.delete, self._configured, request.resource_id, state)

    async def cancel(self) -> None:
        """Calls are short: there is nothing to end."""

    @property
    def _configured(self) -> Aws:
        if self._aws is None:
            raise AwsError("the provider is not configured")
        return self._aws

    def _all_tags(self, inputs: Values) -> dict[str, str]:
        return {**self._default_tags, **inputs.get("tags", {})}

    def _tags_all(self, kind: Kind, inputs: Values) -> Values:
        return {"tagsAll": self._all_tags(inputs)} if kind.tagged else {}

    async def _state(self, kind: Kind, resource_id: str, inputs: Values | None) -> Values | None:
        """Return what is in the cloud, reduced to what the program gave and what AWS computes."""
        actual = await self._call("read", kind.read, self._configured, resource_id)
        if actual is None:
            return None
        if kind.tagged:
            own = {key: value for key, value in actual["tagsAll"].items() if self._default_tags.get(key) != value}
            actual["tags"] = own
        if inputs is None:
            return {key: value for key, value in actual.items() if value not in ({}, [], "")}
        computed = {key: actual[key] for key in actual if key not in kind.inputs}
        kept = {key: _reduced(value, actual.get(key, value)) for key, value in inputs.items()}
        return {**computed, **kept}

    @staticmethod
    async def _call(operation: str, function: Any, *arguments: Any) -> Any:  # noqa: ANN401 - a method of a kind
        try:
            return await asyncio.to_thread(partial(function, *arguments))
        except ClientError as error:
            raise AwsError(f"{operation}: {error}") from None


_DEFAULTS = "__defaults"  # inputs that were filled in, by the name that official plugins give them
_PLUGINS_OWN = frozenset({"forceDestroy", _DEFAULTS})  # inputs that are not in the cloud


def _kind(qualified_type: str) -> Kind:
    token = qualified_type.rsplit("$", maxsplit=1)[-1]  # a type is qualified by those of its parents
    if token not in KINDS:
        raise AwsError(f"the sandbox's plugin does not implement {token}; it knows {', '.join(sorted(KINDS))}")
    return KINDS[token]


def _unique_name(kind: Kind, name: str, seed: bytes) -> str:
    """Name a resource as the official plugin does: its logical name and seven hexadecimal digits."""
    digits = hashlib.sha256(seed).hexdigest()[:_UNIQUE_DIGITS]
    return f"{name[: kind.longest_name - _UNIQUE_DIGITS - 1]}-{digits}".lower()


def _differences(path: str, new: Any, old: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a property value
    """Yield the paths at which two values differ, and how, as deep as official plugins tell it."""
    if isinstance(new, dict) and isinstance(old, dict):
        for key in sorted(new.keys() | old.keys()):
            yield from _differences(f"{path}.{key}", new.get(key), old.get(key))
    elif isinstance(new, list) and isinstance(old, list):
        for index, (one, other) in enumerate(itertools.zip_longest(new, old)):
            yield from _differences(f"{path}[{index}]", one, other)
    elif not same(new, old):
        yield path, "ADD" if old is None else "DELETE" if new is None else "UPDATE"


def _reduced(given: Any, actual: Any) -> Any:  # noqa: ANN401 - a property value
    """Reduce what AWS says to the shape of what was given, so that AWS's own defaults are no difference."""
    if isinstance(given, dict) and isinstance(actual, dict):
        return {key: _reduced(value, actual[key]) for key, value in given.items() if key in actual}
    if isinstance(given, list) and isinstance(actual, list) and len(given) == len(actual):
        return [_reduced(one, other) for one, other in zip(given, actual, strict=True)]
    return given if same(given, actual) else actual


def _arguments(values: dict[str, PropertyValue]) -> Values:
    """Provider arguments as plain values: the SDK sends everything but texts as JSON."""
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
