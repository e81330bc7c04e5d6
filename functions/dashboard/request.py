"""What a widget is asked for: the dashboard's time range, account and region, and values of a form or of a button."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from queries import ALL, Query, Scope
from queries.athena import LONGEST_PERIOD

_ACCOUNT = re.compile(r"all|[0-9]{12}|other")
_REGION = re.compile(r"all|[a-z0-9-]{1,20}")
_EXECUTION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAX_TEXT = 1000
_MAX_PAGE = 10_000


class RequestError(Exception):
    """The widget cannot show what it is asked for. The text says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to show.

    Attributes:
        widget: name of the widget.
        endpoint: ARN of the function, for buttons.
        theme: light or dark.
        account: ID of an account, or all.
        region: name of a region, or all.
        since: the first moment.
        until: the moment after the last.
        values: what forms and buttons say, as given.
        execution: ID of a query whose result to show; None: of a new one.
        page: which page of the result, from 0.
    """

    widget: str
    endpoint: str
    theme: str
    account: str
    region: str
    since: datetime
    until: datetime
    values: Mapping[str, str]
    execution: str | None = None
    page: int = 0

    @classmethod
    def parse(cls, event: Mapping[str, Any], *, endpoint: str, reuse_minutes: int, now: datetime) -> Request:
        """Read an event of CloudWatch: what a button says, else forms, else parameters of the widget.

        Args:
            event: as CloudWatch sends it.
            endpoint: ARN of the function.
            reuse_minutes: for how many minutes a result may be used again.
            now: the moment of the call, for a dashboard that names no time range.

        Raises:
            RequestError: it is not valid.
        """
        context = _mapping(event.get("widgetContext"))
        forms = _mapping(_mapping(context.get("forms")).get("all"))
        given = {**_mapping(context.get("params")), **forms, **event}
        texts = {key: _text(value) for key, value in given.items() if isinstance(value, str | int)}
        for key, value in texts.items():
            if len(value) > _MAX_TEXT:
                raise RequestError(f"{key} has {len(value):,} characters; at most {_MAX_TEXT:,} are allowed.")
        since, until = _time_range(texts, _mapping(context.get("timeRange")), reuse_minutes, now)
        return cls(
            widget=texts.get("widget", ""),
            endpoint=endpoint,
            theme="dark" if context.get("theme") == "dark" else "light",
            account=_matching(texts, "account", _ACCOUNT, "an ID of 12 digits, or all"),
            region=_matching(texts, "region", _REGION, "the name of a region, or all"),
            since=since,
            until=until,
            values=texts,
            execution=_matching(texts, "execution", _EXECUTION, "the ID of a query") if "execution" in texts else None,
            page=_integer(texts, "page", 0, _MAX_PAGE),
        )

    @property
    def event(self) -> dict[str, object]:
        """What a button says to stay with the same events."""
        return {
            "account": self.account,
            "region": self.region,
            "from": _milliseconds(self.since),
            "to": _milliseconds(self.until),
        }

    @property
    def range(self) -> str:
        """The time range, for people."""
        same_day = self.since.date() == self.until.date()
        return f"{self.since:%Y-%m-%d %H:%M} to {self.until:{'%H:%M' if same_day else '%Y-%m-%d %H:%M'}} UTC"

    def scope(self) -> Scope:
        """Return the events that a query is about."""
        return Scope(since=self.since, until=self.until, account=self.account, region=self.region)

    def own(self, query: Query) -> dict[str, str]:
        """Return the values that the query takes."""
        return {name: self.values[name] for name in query.parameters if self.values.get(name)}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: str | int) -> str:
    return str(value).strip().encode(errors="replace").decode()  # JSON may have halves of a character


def _matching(texts: Mapping[str, str], name: str, pattern: re.Pattern[str], allowed: str) -> str:
    value = texts.get(name) or ALL
    if not pattern.fullmatch(value):
        raise RequestError(f"{name} is “{value}”; allowed is {allowed}.")
    return value


def _integer(texts: Mapping[str, str], name: str, default: int, highest: int) -> int:
    text = texts.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(highest)) and int(text) <= highest):
        raise RequestError(f"{name} is “{text}”; allowed is a number from 0 to {highest:,}.")
    return int(text)


_LAST_MOMENT = 4_102_444_800_000  # 2100


def _time_range(
    texts: Mapping[str, str], dashboard: Mapping[str, Any], reuse_minutes: int, now: datetime
) -> tuple[datetime, datetime]:
    """Return the time range of a button, else that of the dashboard.

    One that moves with the clock is widened to full steps, since Athena uses a result again for the same values only.
    """
    if "from" in texts and "to" in texts:
        since, until = (_moment(_integer(texts, name, 0, _LAST_MOMENT)) for name in ("from", "to"))
    else:
        shown = dashboard.get("zoom") or dashboard
        try:
            since, until = _moment(int(shown["start"])), _moment(int(shown["end"]))
        except (KeyError, TypeError, ValueError, OverflowError, OSError):
            since, until = now - timedelta(hours=3), now
        if dashboard.get("mode") != "absolute" and shown is dashboard:
            step = min(timedelta(minutes=max(reuse_minutes, 1)), LONGEST_PERIOD)
            since, until = since - _past(since, step), until + _past(until, step, ahead=True)
    if since >= until:
        raise RequestError("The time range ends before it begins. Choose another one.")
    return since, until


def _past(moment: datetime, step: timedelta, *, ahead: bool = False) -> timedelta:
    """Return how long ago the last full step was, or how soon the next one will be."""
    past = (moment - datetime(1970, 1, 1, tzinfo=UTC)) % step
    return -past % step if ahead else past


def _moment(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def _milliseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
