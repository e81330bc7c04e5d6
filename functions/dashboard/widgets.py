"""The widgets: which query each asks, and how it shows the answer. Every number leads to what is behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree.ElementTree import Element

from functions.dashboard.page import Action, Child, amount, button, columns, element, table, tile
from functions.dashboard.request import Request
from queries import ALL, NONE, QUERIES, Query

PAGE_ROWS = 50
_PANEL_ROWS = 10
_MESSAGE_CHARACTERS = 300
_SILENT_SHARE = 4  # of the time range: a log group is silent if nothing came in its last quarter
_MOST_COLUMNS = 100
_STEPS = (1, 5, 15, 60, 1440)
_MINUTE = timedelta(minutes=1)
Row = Mapping[str, Any]
Values = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class View:
    """What a widget shows.

    Attributes:
        request: what it is asked for.
        query: its query.
        rows: what the query returned.
        execution: ID of the query.
        senders: IDs of the accounts that are expected to send.
        now: the moment of the call.
        popup: whether its buttons open popups, since it is one itself.
    """

    request: Request
    query: Query
    rows: Sequence[Row]
    execution: str
    senders: Sequence[str]
    now: datetime
    popup: bool

    def button(
        self, label: str, widget: str, values: Values, *, popup: bool = True, about: str | None = None,
        class_: str | None = None,
    ) -> Element:  # fmt: skip
        """Return a button that shows a widget with the same events, as far as values do not say otherwise."""
        event = {**self.request.event, "widget": widget, **values}
        return button(label, Action(self.request.endpoint, event, popup), about=about, class_=class_)

    def stay(self, label: str, values: Values, *, about: str | None = None, class_: str | None = None) -> Element:
        """Return a button that shows this widget with other values, in its place."""
        values = {**self.request.own(self.query), **values}
        return self.button(label, self.request.widget, values, popup=self.popup, about=about, class_=class_)

    def count(self, number: int, widget: str, about: str, values: Values | None = None) -> Child:
        """Return a number that leads to what it counts."""
        return self.button(amount(number), widget, values or {}, about=f"{amount(number)}: {about}") if number else "0"

    def page(self) -> Sequence[Row]:
        """Return the rows of the page."""
        start = self.request.page * PAGE_ROWS
        return self.rows[start : start + PAGE_ROWS]

    def pages(self) -> Element | None:
        """Return buttons to the pages beside this one, which read the same result."""
        page, last = self.request.page, (len(self.rows) - 1) // PAGE_ROWS
        if last <= 0:
            return None

        def to(label: str, number: int) -> Child:
            if not 0 <= number <= last:
                return None
            return self.stay(label, {"execution": self.execution, "page": number}, class_="action")

        return element("p", to("Previous page", page - 1), to("Next page", page + 1), f"Page {page + 1} of {last + 1}")


Content = Iterable[Child]


@dataclass(frozen=True, kw_only=True)
class Widget:
    """A widget.

    Attributes:
        query: name of its query.
        show: returns its content.
        values: returns what it asks the query for, besides what the request says.
        popup: whether it is a popup.
        shows_nothing: whether it has something to say where there is no event.
        form: returns what it shows before the answer; True in its second value: the query is asked.
    """

    query: str
    show: Callable[[View], Content]
    values: Callable[[Request], Mapping[str, str]] = field(default=lambda _: {})
    popup: bool = False
    form: Callable[[Request], tuple[Content, bool]] | None = None
    shows_nothing: bool = False


def _moment(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}"


def _milliseconds(value: datetime) -> int:
    return round(value.timestamp() * 1000)


def _beside(view: View, names: Iterable[str], values: Values | None = None) -> Element:
    """Return buttons to other queries of the same events."""
    buttons = (
        view.button(QUERIES[name].title, name, values or {}, about=QUERIES[name].purpose, class_="action")
        for name in names
    )
    return element("p", *buttons)


def _overview(view: View) -> Content:
    yield from _incomplete(view)
    events, requests, blocked = (_sum(view.rows, name) for name in ("events", "requests", "blocked"))
    chosen = view.request.account
    expected = [each for each in view.senders if chosen in (ALL, each)]
    sending = {row["account"] for row in view.rows}
    missing = [each for each in expected if each not in sending]
    yield element(
        "div",
        tile("requests in AWS WAF", view.count(requests, "requests", "requests")),
        tile("of them blocked", view.count(blocked, "requests", "blocked requests", {"action": "BLOCK"})),
        tile("events", view.count(events, "events", "events")),
        tile("accounts send", f"{len(sending & set(expected))} of {len(expected)}", alert=bool(missing)),
        tile("regions send", amount(len({row["region"] for row in view.rows}))),
        class_="tiles",
    )
    if missing:
        yield element("p", "No event from: ", ", ".join(missing), class_="alert")
        yield element("p", "To find out why: python -m ops verify -s STACK, with their stack.", class_="quiet")
    yield from _silent_groups(view)
    accounts: dict[tuple[str, str], list[Row]] = {}
    for row in view.rows:
        accounts.setdefault((row["account"], row["region"]), []).append(row)
    yield table(
        ("account", "region", "events", "requests", "blocked", "last event (UTC)"),
        [_account(view, account, region, rows) for (account, region), rows in sorted(accounts.items())],
        numbers=(2, 3, 4),
        caption="Events by account and region",
    )
    yield _beside(view, _OF_EVENTS)


def _account(view: View, account: str, region: str, rows: Sequence[Row]) -> Sequence[Child]:
    here = {"account": account, "region": region}
    events, requests, blocked = (_sum(rows, name) for name in ("events", "requests", "blocked"))
    return (
        view.stay(account, {"account": account}, about=f"only account {account}"),
        view.stay(region, {"region": region}, about=f"only region {region}"),
        view.count(events, "events", f"events of {account} in {region}", here),
        view.count(requests, "requests", f"requests in {account}, {region}", here),
        view.count(blocked, "requests", f"blocked in {account}, {region}", {**here, "action": "BLOCK"}),
        _moment(max(row["last_event"] for row in rows)),
    )


def _silent_groups(view: View) -> Iterator[Child]:
    end = min(view.request.until, view.now)
    quiet_since = end - (end - view.request.since) / _SILENT_SHARE
    silent = [row for row in view.rows if row["last_event"] < quiet_since]
    if not silent:
        return
    yield element("p", f"Fell silent: no event since {quiet_since:%Y-%m-%d %H:%M} UTC, but before", class_="alert")
    yield table(
        ("log group", "account", "region", "last event (UTC)"),
        [
            (_group(view, row), row["account"], row["region"], _moment(row["last_event"]))
            for row in sorted(silent, key=lambda row: row["last_event"], reverse=True)[:PAGE_ROWS]
        ],
        caption="Log groups that fell silent",
    )


def _sum(rows: Iterable[Row], name: str) -> int:
    return sum(int(row[name]) for row in rows)


def _group(view: View, row: Row, label: str | None = None) -> Element:
    name = row["log_group"] or NONE
    values = {"log_group": name, "account": row["account"], "region": row["region"]}
    return view.button(label or name, "events", values, about=f"{label or 'the'} events of {name}")


def _incomplete(view: View) -> Iterator[Child]:
    if len(view.rows) == view.query.limit:
        text = f"These are the {amount(len(view.rows))} log groups with the most events. Choose an account or a region."
        yield element("p", text, class_="alert")


def _volume(view: View) -> Content:
    yield from _incomplete(view)
    total = _sum(view.rows, "characters") or 1
    yield table(
        ("log group", "account", "region", "events", "characters", "share", "last event (UTC)"),
        [
            (
                row["log_group"], row["account"], row["region"], _group(view, row, amount(row["events"])),
                amount(row["characters"]), f"{100 * row['characters'] / total:.1f} %",
                _moment(row["last_event"]),
            )
            for row in sorted(view.rows, key=lambda row: row["characters"], reverse=True)[
                view.request.page * PAGE_ROWS : (view.request.page + 1) * PAGE_ROWS
            ]
        ],
        numbers=(3, 4, 5),
        caption="Events and characters by log group",
    )  # fmt: skip
    yield view.pages()


_OF_EVENTS = ("errors", "lambda", "cloudtrail", "vpc-flow")
_OF_REQUESTS = (
    "waf-by-rule", "waf-across-accounts", "waf-rate-based", "waf-labels", "waf-bots", "waf-fingerprints",
    "waf-injection-signs",
)  # fmt: skip
_PANELS = {
    "rule": "Rule that decided", "country": "Country", "host": "Host", "uri": "URI", "client_ip": "Client",
    "account": "Account",
}  # fmt: skip


def _waf(view: View) -> Content:
    (everything,) = [row for row in view.rows if row["panel"] == "all"]
    yield element(
        "div",
        tile("requests", view.count(everything["requests"], "requests", "requests")),
        *(
            tile(
                action.lower(), view.count(everything[name], "requests", f"requests with {action}", {"action": action})
            )
            for name, action in (("allowed", "ALLOW"), ("blocked", "BLOCK"))
        ),
        tile("captcha or challenge", amount(everything["challenged"])),
        tile("clients", amount(everything["clients"])),
        tile("accounts", amount(everything["accounts"])),
        class_="tiles",
    )
    yield element("div", *(_panel(view, panel, title) for panel, title in _PANELS.items()), class_="panels")
    yield _beside(view, _OF_REQUESTS)


def _panel(view: View, panel: str, title: str) -> Element:
    rows = [row for row in view.rows if row["panel"] == panel][:_PANEL_ROWS]
    highest = max((row["requests"] for row in rows), default=1)

    def cells(row: Row) -> Sequence[Child]:
        value, here = row["value"], {panel: row["value"]}
        share = element("div", class_="share", style=f"width: {100 * row['requests'] / highest:.0f}%")
        label = view.stay(value, here, about=f"only account {value}") if panel == "account" else value
        return (
            element("div", label, share),
            view.count(row["requests"], "requests", f"requests, {title} {value}", here),
            view.count(row["blocked"], "requests", f"blocked, {title} {value}", {**here, "action": "BLOCK"}),
        )

    content = table(("value", "requests", "blocked"), map(cells, rows), numbers=(1, 2), caption=title)
    return element("section", element("h3", title), content)


def _minutes(request: Request) -> int:
    """Return the width of the columns: the first that needs no more than a hundred."""
    duration = request.until - request.since
    return next((step for step in _STEPS if duration <= _MOST_COLUMNS * step * _MINUTE), _STEPS[-1])


def _waf_over_time(view: View) -> Content:
    width = _minutes(view.request) * _MINUTE
    found = {row["step"]: row for row in view.rows}
    step = min([*found, view.request.since])
    step -= (step - datetime.min.replace(tzinfo=UTC)) % width
    steps = []
    while step < view.request.until:
        steps.append(step)
        step += width
    unit = "minute" if width == _MINUTE else f"{width // _MINUTE} minutes" if width < timedelta(days=1) else "day"
    yield columns(
        [
            (f"{each:%Y-%m-%d %H:%M} UTC", found[each]["requests"], found[each]["blocked"])
            if each in found
            else (f"{each:%Y-%m-%d %H:%M} UTC", 0, 0)
            for each in steps
        ],
        first=f"{steps[0]:%Y-%m-%d %H:%M}",
        last=f"{steps[-1]:%Y-%m-%d %H:%M} UTC, a column for each {unit}",
        unit="requests",
        part="blocked",
        caption=f"Requests and blocked requests for each {unit}; the figures are in the table below",
    )

    def cells(row: Row) -> Sequence[Child]:
        start = row["step"]
        here = {"from": _milliseconds(start), "to": _milliseconds(start + width)}
        actions = {"requests": {}, "allowed": {"action": "ALLOW"}, "blocked": {"action": "BLOCK"}}
        counts = (
            view.count(row[name], "requests", f"{name} from {start:%H:%M}", {**here, **action})
            for name, action in actions.items()
        )
        return (f"{start:%Y-%m-%d %H:%M}", *counts, amount(row["challenged"]))

    headers = ("from (UTC)", "requests", "allowed", "blocked", "captcha or challenge")
    figures = table(headers, map(cells, view.rows), numbers=(1, 2, 3, 4), caption="Requests over time")
    yield element("details", element("summary", "Figures"), figures)


def _would_have_blocked(view: View) -> Content:
    yield element("p", "Rules that only count (COUNT), and matched requests that AWS WAF allowed.", class_="quiet")
    yield table(
        ("rule", "requests", "clients", "accounts", "hosts", "last URI", "last seen (UTC)"),
        [
            (
                row["rule"],
                view.count(
                    row["requests"], "requests", f"allowed, matched by {row['rule']}",
                    {"counted": row["rule"], "action": "ALLOW"},
                ),
                amount(row["clients"]), amount(row["accounts"]), amount(row["hosts"]), row["last_uri"],
                _moment(row["last_seen"]),
            )
            for row in view.page()
        ],
        numbers=(1, 2, 3, 4),
        caption="Rules that would have blocked",
    )  # fmt: skip
    yield view.pages()


_NARROWED_BY = ("action", "rule", "client_ip", "country", "method", "host", "uri")


def _requests(view: View) -> Content:
    chosen = {name: value for name, value in view.request.own(view.query).items() if value != ALL}
    without = (
        view.stay(f"✕ {name}: {value}", {name: ALL}, about=f"without {name} {value}", class_="action")
        for name, value in chosen.items()
    )
    yield element("p", *without)
    if "client_ip" in chosen:
        yield _beside(view, ["waf-client"], {"client_ip": chosen["client_ip"]})

    def narrowed(row: Row, name: str) -> Child:
        value = row[name] or NONE
        return value if chosen.get(name) == value else view.stay(value, {name: value}, about=f"only {name} {value}")

    yield table(
        ("time (UTC)", "account", "region", *_NARROWED_BY),
        [
            (
                _event(view, row, _moment(row["time"])), row["account"], row["region"],
                *(narrowed(row, name) for name in _NARROWED_BY),
            )
            for row in view.page()
        ],
        caption="Requests; the latest first",
    )  # fmt: skip
    yield from _ended(view)


def _event(view: View, row: Row, label: str) -> Element:
    """Return a button to an event whole. It names all that is known, so that little is read."""
    moment = _milliseconds(row["time"])
    group = {"log_group": row["log_group"]} if row.get("log_group") else {}
    where = {"account": row["account"], "region": row["region"], "from": moment, "to": moment + 1, **group}
    return view.button(label, "event", {**where, "id": row["id"]}, about=f"the event of {label} whole")


def _events(view: View) -> Content:
    yield table(
        ("time (UTC)", "account", "region", "log group", "message"),
        [
            (
                _event(view, row, _moment(row["time"])), row["account"], row["region"], row["log_group"],
                _shortened(row["message"]),
            )
            for row in view.page()
        ],
        caption="Events; the latest first",
    )  # fmt: skip
    yield from _ended(view)


def _any(view: View) -> Content:
    """Show rows as they are. What requests can be narrowed down by leads to them."""
    names = list(view.rows[0])
    requests = QUERIES["waf-requests"].parameters if view.query.name.startswith("waf-") else {}

    def cell(row: Row, name: str) -> Child:
        value = row[name]
        if isinstance(value, datetime):
            return _moment(value)
        if isinstance(value, int):
            return amount(value)
        if name in requests and value is not None:
            return view.button(value, "requests", {name: value}, about=f"requests with {name} {value}")
        return None if value is None else str(value)

    numbers = [index for index, name in enumerate(names) if isinstance(view.rows[0][name], int | float)]
    cells = ([cell(row, name) for name in names] for row in view.page())
    yield element("p", view.query.purpose, class_="quiet")
    yield table([name.replace("_", " ") for name in names], cells, numbers=numbers, caption=view.query.title)
    yield from _ended(view)


def _ended(view: View) -> Iterator[Child]:
    yield view.pages()
    if len(view.rows) == view.query.limit:
        yield element(
            "p", f"These are the first {len(view.rows)}; there may be more. Narrow them down.", class_="quiet"
        )


def _shortened(message: str) -> str:
    return message if len(message) <= _MESSAGE_CHARACTERS else f"{message[:_MESSAGE_CHARACTERS]} …"


def _whole_event(view: View) -> Content:
    row = view.rows[0]
    yield table(
        ("field", "value"),
        [
            (name.replace("_", " "), f"{value.isoformat(' ', 'milliseconds')[:23]} UTC" if name == "time" else value)
            for name, value in row.items()
            if name != "message"
        ],
        caption="Where and when",
    )
    yield element("h3", "message")
    try:
        document = json.loads(row["message"])
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict | list):
        yield element("pre", row["message"])
        return
    yield element("pre", json.dumps(document, indent=2, ensure_ascii=False))
    yield element("details", element("summary", "As it was archived"), element("pre", row["message"]))


def _search_form(request: Request) -> tuple[Content, bool]:
    text, group = (request.values.get(name, "") for name in ("text", "log_group"))
    action = Action(request.endpoint, {"widget": "search", "account": request.account, "region": request.region})
    form = element(
        "form",
        element("label", "Text, in upper or lower case", element("input", name="text", value=text, type="search")),
        element(
            "label",
            "Log group, or all",
            element("input", name="log_group", value=group if group != ALL else "", placeholder=ALL),
        ),
        button("Search", action, class_="action"),
    )
    hint = element(
        "p",
        "A search reads every event of the time range, account and region: choose the account and region first.",
        class_="quiet",
    )
    return (form, hint), bool(text) or request.execution is not None


WIDGETS: Mapping[str, Widget] = {
    "overview": Widget(query="overview", show=_overview, shows_nothing=True),
    "waf": Widget(query="waf-overview", show=_waf),
    "waf-over-time": Widget(
        query="waf-over-time", show=_waf_over_time, values=lambda request: {"minutes": str(_minutes(request))}
    ),
    "would-have-blocked": Widget(query="waf-would-have-blocked", show=_would_have_blocked),
    "volume": Widget(query="overview", show=_volume),
    "search": Widget(query="search", show=_events, form=_search_form),
    "requests": Widget(query="waf-requests", show=_requests, popup=True),
    "events": Widget(query="events", show=_events, popup=True),
    "event": Widget(query="event", show=_whole_event, popup=True),
    **{name: Widget(query=name, show=_any, popup=True) for name in (*_OF_EVENTS, *_OF_REQUESTS, "waf-client")},
}
"""The widgets by their names. Their queries are ``QUERIES``."""


def documentation() -> str:
    """Return what CloudWatch shows of the function, in Markdown."""
    lines = [
        "## Central log archive",
        "Shows what arrived in the archive. Time range, account and region come from the dashboard.",
        "",
        "| widget | shows |",
        "|---|---|",
        *(f"| `{name}` | {QUERIES[widget.query].purpose} |" for name, widget in WIDGETS.items()),
        "",
        "### Parameters",
        "```yaml",
        "widget: overview     # one of the widgets above",
        "account: all         # ID of an account, or all",
        "region: all          # name of a region, or all",
        "```",
        "A widget also takes the values of its query, such as `country: DE` for `requests`.",
    ]
    return "\n".join(lines)
