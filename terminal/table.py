"""A table that cuts nothing, however narrow the terminal is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import table
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from terminal.console import printable_line

_UNFOLDED = 16
"""Characters that always stay on one line: enough for an account ID, a region or a number."""


class Table:
    """Rows under headers. Long cells are folded, down to 16 characters; if that is too wide, rows become lists."""

    def __init__(self, *headers: str, title: str = "") -> None:
        self._headers, self._title = headers, title
        self._rows: list[Sequence[object]] = []
        self._styles: list[str] = []

    def add_row(self, *cells: object, style: str = "") -> None:
        """Add a row. Values are printed literally, and None as an empty cell."""
        self._rows.append(cells)
        self._styles.append(style)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render within the available width."""
        columns = zip(self._headers, *self._rows, strict=True)
        needed = sum(min(_UNFOLDED, max(map(_width, column))) + 3 for column in columns) + 1
        yield from self._columns() if needed <= options.max_width else self._lists()

    def _columns(self) -> Iterator[table.Table]:
        rendered = table.Table(title=printable_line(self._title) or None)
        for index, header in enumerate(self._headers):
            numbers = all(isinstance(row[index], int) for row in self._rows)
            rendered.add_column(header, justify="right" if numbers else "left", overflow="fold")
        for row, style in zip(self._rows, self._styles, strict=True):
            rendered.add_row(*map(_text, row), style=style)
        yield rendered

    def _lists(self) -> Iterator[Text | table.Table]:
        if self._title:
            yield Text(printable_line(self._title), style="table.title")
        for row, style in zip(self._rows, self._styles, strict=True):
            rendered = table.Table.grid(padding=(0, 2))
            rendered.add_column(no_wrap=True)
            rendered.add_column(overflow="fold")
            for header, cell in zip(self._headers, row, strict=True):
                if cell not in (None, ""):
                    rendered.add_row(header, _text(cell), style=style)
            yield rendered
            yield Text()


def _text(cell: object) -> Text:
    return Text("" if cell is None else printable_line(str(cell)))


def _width(cell: object) -> int:
    return _text(cell).cell_len
