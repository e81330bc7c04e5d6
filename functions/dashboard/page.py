"""HTML and SVG for custom widgets, without script.

Pages are trees of elements, and only their serialization writes markup: whatever a log line contains is text.
CloudWatch removes ``script``, ``iframe`` and ``use``, and lets ``cwdb-action`` act on the element before it (CloudWatch
User Guide, "Create a custom widget").
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, tostring

Child = Element | str | None

_STYLE = """
.page { --text: #16191f; --quiet: #545b64; --ground: #ffffff; --line: #d5dbdb; --link: #0a5fb4; --bar: #7aa7d9;
  --alert: #b3261e; --bad: #d13212; color: var(--text); background: var(--ground); padding: 8px;
  font: 13px/1.45 "Amazon Ember", "Helvetica Neue", Roboto, Arial, sans-serif; }
.page.dark { --text: #e9ebed; --quiet: #a9b3c1; --ground: #16191f; --line: #414d5c; --link: #89bdee; --bar: #3b6ea8;
  --alert: #ff9d94; --bad: #f2705c; }
.page h3 { font-size: 13px; margin: 12px 0 4px; }
.page p { margin: 4px 0; }
.page .quiet { color: var(--quiet); }
.page .alert { color: var(--alert); font-weight: bold; }
.page .tiles, .page .panels { display: grid; gap: 8px 24px; }
.page .tiles { grid-template-columns: repeat(auto-fit, minmax(110px, 1fr)); }
.page .panels { grid-template-columns: repeat(auto-fit, minmax(310px, 1fr)); }
.page .tile b { display: block; font-size: 24px; font-weight: normal; line-height: 1.2; }
.page .scroll { overflow-x: auto; }
.page table { border-collapse: collapse; width: 100%; }
.page th { text-align: left; color: var(--quiet); font-weight: normal; }
.page th, .page td { border-bottom: 1px solid var(--line); padding: 2px 8px 2px 0; vertical-align: top;
  overflow-wrap: anywhere; min-width: 44px; }
.page td.number, .page th.number { text-align: right; font-variant-numeric: tabular-nums; }
.page td.number, .page td.short { white-space: nowrap; }
.page button { font: inherit; color: var(--link); background: none; border: 0; padding: 0; text-align: inherit;
  cursor: pointer; overflow-wrap: anywhere; }
.page button:hover { text-decoration: underline; }
.page button:focus-visible, .page input:focus-visible, .page select:focus-visible, .page summary:focus-visible {
  outline: 2px solid var(--link); outline-offset: 2px; }
.page button.action { border: 1px solid var(--link); border-radius: 4px; padding: 2px 10px; margin: 4px 8px 4px 0; }
.page label { display: inline-block; margin: 4px 12px 4px 0; color: var(--quiet); }
.page input, .page select { font: inherit; color: var(--text); background: var(--ground); display: block;
  border: 1px solid var(--quiet); border-radius: 4px; padding: 2px 6px; max-width: 100%; }
.page pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 4px 0; font-size: 12px; }
.page svg { display: block; width: 100%; height: 100px; border-bottom: 1px solid var(--quiet); }
.page .ends { display: flex; justify-content: space-between; }
.page .share { height: 4px; background: var(--bar); min-width: 1px; }
.page .all { fill: var(--bar); }
.page .bad { fill: var(--bad); }
.page .key { display: inline-block; width: 10px; height: 10px; margin: 0 4px 0 12px; }
.page .key.all { background: var(--bar); }
.page .key.bad { background: var(--bad); }
"""


def element(tag: str, /, *children: Child, **attributes: str | None) -> Element:
    """Return an element.

    Args:
        tag: its name.
        *children: elements and texts; None is left out.
        **attributes: its attributes, ``class_`` for ``class`` and ``aria_label`` for ``aria-label``; None is left out.
    """
    made = Element(
        tag, {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    )
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif child is not None:
            text = visible(child)
            if len(made):
                made[-1].tail = (made[-1].tail or "") + text
            else:
                made.text = (made.text or "") + text
    return made


def visible(text: str) -> str:
    """Escape what does not show, such as control characters and those that reverse the direction of a text."""
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode() for char in text
    )


def html(theme: str, *children: Child) -> str:
    """Return a page as CloudWatch takes it.

    Args:
        theme: light or dark.
        *children: what is on it.
    """
    page = element("div", element("style", _STYLE), *children, class_=f"page {theme}")
    # As XML, since as HTML it would leave < in attributes, and texts of style and script, as they are.
    return tostring(page, encoding="unicode", short_empty_elements=False)


@dataclass(frozen=True)
class Action:
    """A call of the function.

    Attributes:
        endpoint: ARN of the function.
        event: what it is called with.
        popup: whether a popup shows what it returns; else the widget does.
        confirmation: what the reader confirms before.
    """

    endpoint: str
    event: Mapping[str, object]
    popup: bool = False
    confirmation: str | None = None


def button(label: str, action: Action, *, class_: str | None = None, about: str | None = None) -> Element:
    """Return a button that calls the function.

    Args:
        label: its text.
        action: what it does.
        class_: ``action`` for one that looks like a button; without, it looks like a link.
        about: what a screen reader says, and a pointer shows, where the text alone does not say it.
    """
    call = element(
        _ACTION,
        json.dumps(action.event),
        action="call",
        display="popup" if action.popup else "widget",
        endpoint=action.endpoint,
        confirmation=action.confirmation,
    )
    return element("span", element("button", label, type="button", class_=class_, aria_label=about, title=about), call)


def tile(label: str, value: Child, *, alert: bool = False) -> Element:
    """Return a number to see at a glance."""
    return element("div", element("b", value, class_="alert" if alert else None), label, class_="tile")


def table(
    headers: Sequence[str], rows: Iterable[Sequence[Child]], *, numbers: Iterable[int] = (), caption: str | None = None
) -> Element:
    """Return a table.

    Args:
        headers: titles of the columns.
        rows: their cells.
        numbers: indexes of columns with numbers.
        caption: what a screen reader says it is.
    """
    numeric = frozenset(numbers)

    def kind(column: int, cell: Child) -> str | None:
        if column in numeric:
            return "number"
        texts = (
            [each.text or "" for each in cell.iter() if each.tag != _ACTION] if isinstance(cell, Element) else [cell]
        )
        return "short" if sum(len(text or "") for text in texts) <= _SHORT else None

    def made_of(cell: Child, column: int) -> Element:
        return element("td", cell, class_=kind(column, cell))

    head = element("tr", *(element("th", text, scope="col", class_=kind(i, text)) for i, text in enumerate(headers)))
    body = [element("tr", *map(made_of, row, range(len(row)))) for row in rows]
    made = element("table", element("thead", head), element("tbody", *body), aria_label=caption)
    return element("div", made, class_="scroll")


_ACTION = "cwdb-action"
_SHORT = 20  # characters that stay in one line, like a moment or a region
_WIDTH, _HEIGHT = 600, 100


def columns(
    points: Sequence[tuple[str, int, int]], *, first: str, last: str, unit: str, part: str, caption: str
) -> Element:
    """Return a chart of numbers over time, with a part of each in another color.

    Args:
        points: label, number, and part of it, in the order of time.
        first: what is written at the beginning of the time axis.
        last: what is written at its end.
        unit: of the numbers.
        part: what the part is.
        caption: what a screen reader says it is.
    """
    highest = max((number for _, number, _ in points), default=0) or 1
    step = _WIDTH / max(len(points), 1)
    drawn = []
    for index, (label, number, inner) in enumerate(points):
        for value, name in ((number, "all"), (inner, "bad")):
            height = _HEIGHT * value / highest
            drawn.append(
                element(
                    "rect",
                    element("title", f"{label}: {amount(number)} {unit}, {amount(inner)} {part}"),
                    class_=name,
                    x=f"{index * step:.1f}",
                    y=f"{_HEIGHT - height:.1f}",
                    width=f"{max(step - 1, 0.5):.1f}",
                    height=f"{height:.1f}",
                )
            )
    svg = element(
        "svg", *drawn, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", preserveAspectRatio="none", role="img", aria_label=caption
    )
    return element(
        "div",
        element(
            "p",
            f"Up to {amount(highest)} in a column",
            element("span", class_="key all"), unit,
            element("span", class_="key bad"), part,
            class_="quiet",
        ),
        svg,
        element("p", element("span", first), element("span", last), class_="quiet ends"),
    )  # fmt: skip


def amount(number: int) -> str:
    """Return a number with separators: 12,345."""
    return f"{number:,}"


def size(number: int) -> str:
    """Return a number of bytes in the largest unit that leaves a digit before the point: 1.5 MB."""
    value, units = float(number), iter(("bytes", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while value >= 1000 and (larger := next(units, None)):  # noqa: PLR2004 - a thousand
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
