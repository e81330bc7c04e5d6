"""Turns a stack's config into settings, or into one error with every problem of its file."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Self, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from topology.settings.applications import Application, Defaults
from topology.settings.archive import Archive
from topology.settings.checks import inconsistencies
from topology.settings.stack import Settings
from topology.settings.types import Section, listed

_STRINGS = ("archiveStack", "promotedFrom", "previewRole")
_Model = TypeVar("_Model", bound=Section)


class SettingsError(Exception):
    """A stack's config cannot be used. The text lists every problem: where, what was given, how to fix it."""

    @classmethod
    def of(cls, file: str, problems: Collection[str]) -> Self:
        """Return the error for the problems of a stack file."""
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        return cls("\n  ".join([f"{file} has {count}:", *problems]))


def load(config: Mapping[str, str], stack: str) -> Settings:
    """Turn a stack's config into settings.

    Args:
        config: key → value of the project's namespace, as the engine passes them: objects, lists and Booleans as JSON.
            An empty value counts as absent.
        stack: the stack's name; errors name its file.

    Raises:
        SettingsError: with every problem of the file.
    """
    file = f"Pulumi.{stack}.yaml"
    parsed = {key: text if key in _STRINGS else _parsed(text) for key, text in config.items()}
    given = {key: value for key, value in parsed.items() if value not in ("", {}, [])}
    problems: list[str] = []
    try:
        # As JSON, so that lists become tuples while everything else stays strict.
        settings = Settings.model_validate_json(json.dumps(given))
    except ValidationError as error:
        problems += [_described(detail) for detail in error.errors()]
        settings = _valid_parts(given)
    settings = settings.completed()
    problems += inconsistencies(given, settings, file)
    if problems:
        raise SettingsError.of(file, problems)
    return settings


def sections_of(annotation: object) -> Iterator[type[Section]]:
    """Yield the sections that a value of this type holds, at any depth of lists and unions."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from sections_of(argument)


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text  # a string where something else is expected: validation reports it


def _valid_parts(given: Mapping[str, object]) -> Settings:
    """Keep the parts that are valid by themselves, so that they can still be compared with each other."""

    def valid(model: type[_Model], value: object) -> _Model | None:
        try:
            return model.model_validate_json(json.dumps(value))
        except ValidationError:
            return None

    applications = given.get("applications")
    return Settings(
        archive=valid(Archive, given.get("archive")),
        retain=given.get("retain") is not False,
        defaults=valid(Defaults, given.get("defaults")) or Defaults(),
        applications=tuple(
            application
            for value in (applications if isinstance(applications, list) else [])
            if (application := valid(Application, value)) is not None
        ),
    )


def _described(detail: ErrorDetails) -> str:
    """Turn an error of pydantic into one line: where, what was given, what is allowed."""
    *parents, last = location = [part for part in detail["loc"] if part != "[key]"]
    where = _path(location)
    match detail["type"]:
        case "problem":
            return f"{where}: {detail['msg']}"
        case "missing":
            return f"{where}: is required: {_keys(parents)[str(last)]}"
        case "extra_forbidden":
            allowed = list(_keys(parents))
            near = difflib.get_close_matches(str(last), allowed, n=1)
            return f"{where}: unknown key; " + (f"did you mean {near[0]}?" if near else f"allowed: {listed(allowed)}")
        case _:
            message = detail["msg"]
            return f"{where}: {json.dumps(detail['input'])} is not valid; {message[0].lower()}{message[1:]}"


def _keys(location: Iterable[int | str]) -> dict[str, str]:
    """Key → description, for every key that is allowed at a place of the stack file."""
    section: type[Section] = Settings
    for part in location:
        fields = {field.alias: field for field in section.model_fields.values()}
        if part in fields:
            section = next(sections_of(fields[str(part)].annotation), section)
    return {str(field.alias): str(field.description) for field in section.model_fields.values()}


def _path(location: Iterable[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")
