"""The command lines print values literally, and cut none of them."""

from __future__ import annotations

import ast
import io
import json
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from ops import ROOT
from terminal.console import PlainConsole, print_json, printable_line, progress
from terminal.table import Table

ACCOUNT, REGION, ROLE = "222222222222", "ap-southeast-2", "central-log-archive-deployer"
LOG_GROUP = "/aws/lambda/" + "".join(chr(ord("a") + number % 26) for number in range(188))


def printed(thing: object, width: int = 80) -> str:
    file = io.StringIO()
    PlainConsole(file=file, width=width).print(thing)
    return file.getvalue()


def table(*rows: tuple[object, ...], title: str = "") -> Table:
    made = Table(*(f"header {number}" for number in range(len(rows[0]))), title=title)
    for row in rows:
        made.add_row(*row)
    return made


def columns(text: str) -> list[str]:
    """The text of each column, put together from all lines of the table."""
    rows = [line.split("│")[1:-1] for line in text.splitlines() if line.startswith("│")]
    return ["".join(cell.strip() for cell in column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("width", [40, 80])
def test_neither_an_account_nor_a_region_is_ever_folded(width: int) -> None:
    lines = printed(table((ACCOUNT, ROLE, REGION, LOG_GROUP, 12)), width).splitlines()
    assert any(ACCOUNT in line for line in lines)
    assert any(REGION in line for line in lines)


@pytest.mark.parametrize("width", [40, 80])
def test_long_log_groups_and_roles_are_folded_and_never_cut(width: int) -> None:
    assert columns(printed(table((LOG_GROUP, ROLE)), width)) == [LOG_GROUP, ROLE]


def test_columns_that_do_not_fit_become_lists() -> None:
    text = printed(table((ACCOUNT, ROLE, REGION, LOG_GROUP, None), ("shop", "x", "y", "z", 1), title="Title"), 40)
    first, second = text.removeprefix("Title\n").split("\n\n")[:2]
    names, values = zip(*((line[:8].strip(), line[10:].strip()) for line in first.splitlines()), strict=True)
    assert [name for name in names if name] == ["header 0", "header 1", "header 2", "header 3"]  # no empty cells
    assert "".join(values) == ACCOUNT + ROLE + REGION + LOG_GROUP
    assert second.split() == ["header", "0", "shop", "header", "1", "x", "header", "2", "y", "header", "3", "z",
                              "header", "4", "1"]  # fmt: skip


@pytest.mark.parametrize("width", [30, 80])
def test_text_in_a_table_is_neither_markup_nor_an_emoji_nor_a_control_sequence(width: int) -> None:
    text = printed(table(("[red]x[/red]", ":key:", "\x1b[31m", "a\nb\tc\x9b")), width)
    for cell in ("[red]x[/red]", ":key:", r"\x1b[31m", r"a\nb\tc\x9b"):
        assert cell in text


def test_a_line_is_printed_literally_and_is_not_wrapped() -> None:
    text = f"[red]{LOG_GROUP}[/red] :key: \x1b[31m \x07\r\nnext\tline"
    assert printed(text) == f"[red]{LOG_GROUP}[/red] :key: \\x1b[31m \\x07\nnext    line\n"


HOSTILE = ("[/x]", "[red]", "[/]", "[link=https://attacker.example]x", "[bold", "\\[x]", ":key:", "[@click=app.quit]")


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_is_printed_is_markup(text: str) -> None:
    made = Table(text, title=text)
    made.add_row(text, style="red")
    file = io.StringIO()
    console = PlainConsole(file=file, width=80)
    console.print(made)
    console.print(text, style="red")
    with console.status(text) as status:
        status.update(text)
        console.print(status)
    with progress(console) as bar:
        bar.add_task(text)
        console.print(bar)
    assert file.getvalue().count(text) >= 6


def test_only_the_terminal_renders() -> None:
    """Whatever else imports from Rich could take a value for markup."""
    harmless = {"rich.filesize", "rich.console.Console"}  # the latter as a type: consoles are made in terminal/
    imported = {
        f"{node.module}.{name.name}" if f"{node.module}.{name.name}" in harmless else node.module
        for folder in ("ops", "sandbox")
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rich")
        for name in node.names
    }
    assert imported <= harmless


def test_numbers_are_aligned_to_the_right() -> None:
    assert "│      123 │" in printed(table(("a", 123), ("b", 4)))


@given(
    st.lists(st.text(st.characters(exclude_characters="│ \xad"), max_size=60), min_size=1, max_size=3),
    st.integers(60, 120),
)
@settings(deadline=None, max_examples=50)
def test_a_table_holds_all_of_any_text_within_its_width(cells: list[str], width: int) -> None:
    text = printed(table(tuple(cells)), width)
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert columns(text) == [printable_line(cell) for cell in cells]


@given(st.lists(st.tuples(*[st.text("ab ", max_size=40)] * 6), min_size=1, max_size=3), st.integers(30, 200))
@settings(deadline=None, max_examples=50)
def test_text_of_up_to_16_characters_stays_on_one_line(rows: list[tuple[str, ...]], width: int) -> None:
    text = printed(table(*rows), width)
    for row in rows:
        for cell in row:
            assert len(cell) > 16 or cell.strip() in text


@dataclass
class Inner:
    log_group: str


@dataclass
class Outer:
    first_of_all: Inner


def test_json_has_keys_in_camel_case_and_leaves_the_keys_of_mappings(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a_b": [Outer(Inner("[red]/\x1b\x9b→"))]})
    text = capsys.readouterr().out
    assert json.loads(text) == {"a_b": [{"firstOfAll": {"logGroup": "[red]/\x1b\x9b→"}}]}
    assert text.isascii()
    assert "\x1b" not in text


def test_what_is_not_json_is_not_printed_as_json() -> None:
    with pytest.raises(TypeError, match="object is not JSON"):
        print_json(object())
