"""The consoles of the command lines. They print text as it is: nothing in it is markup, and nothing is cut."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import IO, Any

from pydantic.alias_generators import to_camel
from rich.console import Console
from rich.progress import Progress, TextColumn
from rich.status import Status
from rich.text import Text


def printable(text: str) -> str:
    """Escape the control characters of a text. Line breaks stay, and tabs become spaces."""
    return "\n".join(map(printable_line, text.expandtabs().splitlines()))


def printable_line(text: str) -> str:
    """Escape the control characters of a text, line breaks too."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


class PlainConsole(Console):
    """Prints strings literally, control characters escaped. Lines are never wrapped, so that they can be copied."""

    def __init__(self, *, stderr: bool = False, file: IO[str] | None = None, width: int | None = None) -> None:
        super().__init__(
            stderr=stderr, file=file, width=width, markup=False, emoji=False, highlight=False, soft_wrap=True
        )

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - passed on
        """Render a string, which Rich does here wherever it meets one."""
        return super().render_str(printable(text), **options)

    def status(self, status: str, **_: Any) -> PlainStatus:  # type: ignore[override] # noqa: ANN401 - no options here
        """Return a status line, which Rich would take for markup whatever the console says."""
        return PlainStatus(_literal(status), console=self)


class PlainStatus(Status):
    """A status line that is printed literally."""

    def update(self, status: str, **_: Any) -> None:  # type: ignore[override] # noqa: ANN401 - as above
        """Change it."""
        super().update(_literal(status))


def progress(console: Console) -> Progress:
    """Return a progress bar whose descriptions are printed literally, which disappears in the end."""
    description = TextColumn("{task.description}", style="progress.description", markup=False)
    return Progress(description, *Progress.get_default_columns()[1:], console=console, transient=True)


def _literal(text: str) -> Text:
    return Text(printable_line(text))


stdout = PlainConsole()
stderr = PlainConsole(stderr=True)


def print_json(data: object) -> None:
    """Print JSON. The fields of a dataclass become keys in camel case, like those of a stack file."""
    stdout.print_json(data=data, default=_by_key, ensure_ascii=True, highlight=False)


def _by_key(value: object) -> dict[str, Any]:
    if not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} is not JSON")
    return {to_camel(field.name): getattr(value, field.name) for field in fields(value)}
