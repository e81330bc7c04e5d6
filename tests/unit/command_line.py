"""How tests run commands, and read what they print."""

from __future__ import annotations

from typing import Protocol

from typer.testing import Result


class Ops(Protocol):
    """``python -m ops``: called with arguments, and what an operator answers to its question."""

    def __call__(self, *arguments: str, answer: str | None = None, status: int = 0) -> Result: ...


def rows(text: str) -> list[list[str]]:
    """Return the rows of all tables in a text, each table's headers first."""
    lines = (line.replace("┃", "│") for line in text.splitlines())
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
