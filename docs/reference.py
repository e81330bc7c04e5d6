"""Writes the tables of docs/configuration.md from the settings models: ``python -m docs.reference``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from topology.settings import Section, Settings, sections_of

PAGE = Path(__file__).with_name("configuration.md")
_START = "<!-- from here on written by `make docs`, from topology/settings/ -->\n"
_END = "<!-- to here -->\n"


def written(page: str) -> str:
    """Return the page with the tables between its two marks written anew."""
    before, _, rest = page.partition(_START)
    _, _, after = rest.partition(_END)
    return "\n".join([before + _START, *_tables(Settings, ""), _END + after])


def _tables(section: type[Section], path: str) -> Iterator[str]:
    fields = sorted(section.model_fields.values(), key=lambda field: not field.is_required())
    yield f"## {f'`{path}`' if path else 'The stack'}\n"
    yield " ".join(str(section.__doc__).replace("``", "`").split()) + "\n"
    yield "| key | default | meaning |"
    yield "|---|---|---|"
    for field in fields:
        yield f"| `{field.alias}` | {_default(field)} | {field.description} |"
    yield ""
    for field in fields:
        for inner in sections_of(field.annotation):
            key = f"{path}.{field.alias}".removeprefix(".")
            yield from _tables(inner, key + _BELOW.get(inner.__name__, ""))


_BELOW = {"Application": "[]", "LogGroup": "[]", "RegionLogGroups": ".REGION"}
"""How a section is written that stands in a list or under a key of the reader's own."""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default in (None, (), {}, ""):
        return ""
    if isinstance(default, Section):
        return "as below"
    return f"`{json.dumps(default)}`".replace('"', "")


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
