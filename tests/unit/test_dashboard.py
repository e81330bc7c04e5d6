"""The dashboard: its body, what widgets are asked for, and the pages that they return."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from functions.dashboard import handler
from functions.dashboard.page import Action, amount, button, columns, element, html, size, table, visible
from functions.dashboard.request import Request, RequestError
from functions.dashboard.widgets import WIDGETS, documentation
from queries import QUERIES
from topology.dashboard import WIDGETS as SHOWN
from topology.dashboard import dashboard_body, dashboard_name

NOW = datetime(2026, 5, 1, 10, 7, 30, tzinfo=UTC)
ENDPOINT = "arn:aws:lambda:eu-west-1:111111111111:function:f"
EXECUTION = "0a1b2c3d-0000-1111-2222-0a1b2c3d4e5f"


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def event(*, minutes: int = 60, mode: str = "relative", forms: object = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    span = {"mode": mode, "start": milliseconds(NOW - timedelta(minutes=minutes)), "end": milliseconds(NOW)}
    params = {"widget": "waf", "account": "all", "region": "all"}
    return {
        **more,
        "widgetContext": {"timeRange": span, "params": params, "theme": "dark", "forms": {"all": forms or {}}},
    }


def parsed(given: dict[str, Any], reuse: int = 15) -> Request:
    return Request.parse(given, endpoint=ENDPOINT, reuse_minutes=reuse, now=NOW)


# pages


@given(st.text())
def test_any_text_comes_back_from_a_page_as_it_is_shown(text: str) -> None:
    page = fromstring(html("light", element("p", text, title=visible(text)), table(("a",), [(text,)])))  # noqa: S314
    assert ["".join(page.findall(path)[0].itertext()) for path in ("p", ".//td")] == [visible(text)] * 2
    assert {each.tag for each in page.iter()} <= {"div", "style", "p", "table", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize("text", ["<script>x</script>", '<p onload="x">', "</style><script>", "<cwdb-action>", "&lt;"])
def test_nothing_in_a_page_is_markup_but_what_the_page_says(text: str) -> None:
    action = Action(ENDPOINT, {"uri": text}, popup=True)
    page = html("light", element("p", text, title=text), button(text, action, about=text), table((text,), [(text,)]))
    assert text not in page.replace("<style>", "").replace("</style>", "")
    assert json.loads(str(next(fromstring(page).iter("cwdb-action")).text)) == {"uri": text}  # noqa: S314


def test_what_does_not_show_is_escaped_and_lines_stay() -> None:
    assert visible("a\x00\x1b\u202e\u200b\n\tb\ud800") == "a\\x00\\x1b\\u202e\\u200b\n\tb\\ud800"


def test_text_after_an_element_stays_in_its_place() -> None:
    made = element("p", "a", element("b", "c"), "d", None, "e")
    assert html("dark", made).endswith("<p>a<b>c</b>de</p></div>")


def test_a_button_says_what_it_does_to_who_does_not_see_it() -> None:
    made = button("3", Action(ENDPOINT, {"a": 1}, confirmation="Really?"), about="3: blocked")
    pressed, action = made
    assert (pressed.get("aria-label"), pressed.get("type")) == ("3: blocked", "button")
    assert dict(action.attrib) == {
        "action": "call", "display": "widget", "endpoint": ENDPOINT, "confirmation": "Really?",
    }  # fmt: skip


def test_a_chart_has_a_column_for_each_step_and_its_numbers_as_text() -> None:
    made = columns(
        [("09:00", 10, 4), ("10:00", 0, 0)], first="09:00", last="10:00", unit="requests", part="blocked", caption="c"
    )
    heights = [each.get("height") for each in made.iter("rect")]
    assert heights == ["100.0", "40.0", "0.0", "0.0"]
    assert next(each.text for each in made.iter("title")) == "09:00: 10 requests, 4 blocked"


def test_numbers_have_separators_and_sizes_units() -> None:
    assert amount(1234567) == "1,234,567"
    assert [size(each) for each in (0, 999, 1000, 1_500_000, 2 * 10**15)] == [
        "0 bytes", "999 bytes", "1.0 kB", "1.5 MB", "2000.0 TB",
    ]  # fmt: skip


# requests


@pytest.mark.parametrize(
    ("reuse", "since", "until"),
    [
        (15, "09:00", "10:15"),
        (5, "09:05", "10:10"),
        (0, "09:07", "10:08"),
        (10_080, "09:00", "11:00"),
    ],
)
def test_a_moving_time_range_is_widened_so_that_a_result_is_used_again(reuse: int, since: str, until: str) -> None:
    request = parsed(event(), reuse)
    assert (f"{request.since:%H:%M}", f"{request.until:%H:%M}") == (since, until)
    later = parsed(event(minutes=60), reuse)
    assert (later.since, later.until) == (request.since, request.until)


def test_a_fixed_time_range_and_one_that_was_zoomed_into_are_taken_as_they_are() -> None:
    fixed = parsed(event(mode="absolute"))
    assert (fixed.since, fixed.until) == (NOW - timedelta(hours=1), NOW)
    zoomed = event()
    zoomed["widgetContext"]["timeRange"]["zoom"] = {"start": milliseconds(NOW) - 5000, "end": milliseconds(NOW)}
    assert parsed(zoomed).since == NOW - timedelta(seconds=5)


@pytest.mark.parametrize("span", [None, {}, {"start": "x", "end": 3}, {"start": 10**30, "end": 1}, []])
def test_without_a_time_range_it_is_the_last_three_hours(span: object) -> None:
    odd = event()
    odd["widgetContext"]["timeRange"] = span
    assert f"{parsed(odd).since:%H:%M} {parsed(odd).until:%H:%M}" == "07:00 10:15"


def test_a_button_says_more_than_a_form_and_a_form_more_than_the_widget() -> None:
    request = parsed(event(account="222222222222", forms={"account": "333333333333", "region": "us-east-1"}))
    assert (request.account, request.region) == ("222222222222", "us-east-1")


def test_what_a_button_says_is_the_same_request_again() -> None:
    request = parsed(event(account="222222222222"))
    again = parsed({**event(minutes=5), **request.event})
    assert (again.account, again.since, again.until) == (request.account, request.since, request.until)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"account": "22222222222"}, "allowed is an ID of 12 digits, or all"),
        ({"account": "\uff12" * 12}, "allowed is an ID of 12 digits"),
        ({"region": "EU-WEST-1"}, "allowed is the name of a region"),
        ({"execution": "../x"}, "allowed is the ID of a query"),
        ({"execution": ""}, "allowed is the ID of a query"),
        ({"page": "1e3"}, "allowed is a number from 0"),
        ({"page": "99999999999999999999"}, "allowed is a number from 0"),
        ({"from": "2", "to": "1"}, "ends before it begins"),
        ({"from": "x", "to": "1"}, "from is “x”"),
        ({"uri": "x" * 1001}, "uri has 1,001 characters"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        parsed({**event(), **given})


@given(
    st.recursive(st.none() | st.integers() | st.text() | st.booleans(), lambda of: st.dictionaries(st.text(), of)),
    st.sampled_from([("widgetContext",), ("account",), ("from", "to"), ("widget",), ("execution",), ("uri",)]),
)
def test_whatever_is_sent_is_shown_or_refused_in_words(value: object, names: tuple[str, ...]) -> None:
    page = handler.handler({**event(), **dict.fromkeys(names, value)}, CONTEXT)
    assert str(page).startswith("<div")
    assert "The widget failed" not in str(page)


# the function


class Athena:
    """Athena with one query."""

    def __init__(self, query: str = "waf-requests", state: str = "SUCCEEDED", **status: str) -> None:
        self.sql, self.state, self.status, self.stopped = QUERIES[query].sql, state, status, False
        self.submitted = datetime(2100, 1, 1, tzinfo=UTC)
        self.started: list[dict[str, Any]] = []

    def start_query_execution(self, **given: Any) -> dict[str, str]:  # noqa: ANN401
        self.started.append(given)
        return {"QueryExecutionId": EXECUTION}

    def get_query_execution(self, QueryExecutionId: str) -> dict[str, Any]:  # noqa: N803, ARG002
        return {
            "QueryExecution": {
                "Query": self.sql, "WorkGroup": "analysis", "Statistics": {},
                "Status": {"State": self.state, "SubmissionDateTime": self.submitted, **self.status},
            }
        }  # fmt: skip

    def stop_query_execution(self, QueryExecutionId: str) -> None:  # noqa: N803, ARG002
        self.stopped = True

    def get_paginator(self, _name: str) -> Any:  # noqa: ANN401
        page = {"ResultSet": {"ResultSetMetadata": {"ColumnInfo": []}, "Rows": [{"Data": []}]}}
        return SimpleNamespace(paginate=lambda **_: [page])


class Bucket:
    """A bucket with log groups."""

    def __init__(self, groups: int) -> None:
        self.groups = groups

    def get_paginator(self, _name: str) -> Any:  # noqa: ANN401
        return SimpleNamespace(paginate=self._paginate)

    def _paginate(self, *, Prefix: str, **_: str) -> list[dict[str, Any]]:  # noqa: N803
        values = {"account=": ["222222222222"], "region=": ["eu-west-1"]}
        found = values.get(Prefix.rpartition("/")[2], [f"aws-waf-logs-{n}" for n in range(self.groups)])
        return [{"CommonPrefixes": [{"Prefix": f"{Prefix}{each}/"} for each in found]}]


CONTEXT = SimpleNamespace(invoked_function_arn=ENDPOINT)
CONFIG = {"senders": ["222222222222"], "grouped": False, "reuseMinutes": 15}


@pytest.fixture(autouse=True)
def athena(monkeypatch: pytest.MonkeyPatch) -> Athena:
    return use(monkeypatch, Athena())


def use(monkeypatch: pytest.MonkeyPatch, fake: Athena, *, groups: int | None = None) -> Athena:
    clients = {"athena": fake, "s3": Bucket(groups or 0)}
    monkeypatch.setattr(handler, "_client", clients.__getitem__)
    monkeypatch.setattr(handler, "_config", lambda: {**CONFIG, "grouped": groups is not None})
    monkeypatch.setattr(handler, "_WAIT_SECONDS", 0.0)
    for name, value in {"WORKGROUP": "analysis", "DATABASE": "events", "BUCKET": "logs"}.items():
        monkeypatch.setenv(name, value)
    return fake


def shown(**given: Any) -> Element:  # noqa: ANN401
    return fromstring(str(handler.handler(event(**{"widget": "requests", **given}), CONTEXT)))  # noqa: S314


def buttons(page: Element) -> dict[str, dict[str, Any]]:
    pairs = ((span.find("button"), span.find("cwdb-action")) for span in page.iter("span"))
    return {str(b.text): json.loads(a.text or "") for b, a in pairs if b is not None and a is not None}


def test_values_go_into_execution_parameters_and_never_into_sql(athena: Athena) -> None:
    shown(uri="/'; DROP TABLE events; --")
    (started,) = athena.started
    assert started["QueryString"] == QUERIES["waf-requests"].sql
    assert "'/''; DROP TABLE events; --'" in started["ExecutionParameters"]
    assert started["WorkGroup"] == "analysis"
    assert started["ResultReuseConfiguration"]["ResultReuseByAgeConfiguration"]["MaxAgeInMinutes"] == 15


def test_what_takes_longer_is_fetched_by_its_id_or_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    athena = use(monkeypatch, Athena(state="RUNNING"))
    pending = buttons(shown(country="DE"))
    assert pending["Show the result"]["execution"] == EXECUTION
    assert pending["Show the result"]["country"] == "DE"
    athena.state = "SUCCEEDED"
    assert "Nothing in this time range" in "".join(shown(**pending["Show the result"]).itertext())
    assert len(athena.started) == 1
    assert "The query was stopped" in "".join(shown(**pending["Stop the query"]).itertext())
    assert athena.stopped


@pytest.mark.parametrize("fake", [Athena("search"), Athena()], ids=["another query", "another workgroup"])
def test_the_id_of_what_is_no_query_of_the_widget_is_refused(monkeypatch: pytest.MonkeyPatch, fake: Athena) -> None:
    use(monkeypatch, fake)
    if fake.sql == QUERIES["waf-requests"].sql:
        monkeypatch.setenv("WORKGROUP", "mine")
    for more in ({}, {"stop": "1"}):
        assert "There is no such result" in "".join(shown(execution=EXECUTION, **more).itertext())
    assert not fake.stopped


def test_a_failed_query_says_what_athena_says_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Athena(state="CANCELLED", StateChangeReason="Bytes scanned limit was exceeded"))
    text = "".join(shown().itertext())
    assert "The query failed: Bytes scanned limit was exceeded" in text
    assert "ask for one account or region" in text


def tokens(athena: Athena, *events: dict[str, Any]) -> list[str | None]:
    """Return the token of the query that each event asks."""
    for each in events:
        shown(**each)
    return [started.get("ClientRequestToken") for started in athena.started]


def test_widgets_that_ask_the_same_share_a_query_until_it_would_be_asked_anew(
    monkeypatch: pytest.MonkeyPatch, athena: Athena
) -> None:
    moment, period = datetime(2026, 5, 1, 10, 0, tzinfo=UTC), timedelta(minutes=15)
    clock = SimpleNamespace(now=lambda _: moment)
    monkeypatch.setattr(handler, "datetime", clock)
    overview, volume = ({"widget": widget, "mode": "absolute"} for widget in ("overview", "volume"))
    assert len(set(tokens(athena, overview, volume))) == 1
    moment += period - timedelta.resolution
    assert len(set(tokens(athena, overview))) == 1
    moment += timedelta.resolution
    different: list[dict[str, Any]] = [overview, {**overview, "account": "222222222222"}, {**overview, "minutes": 59}]
    assert len(set(tokens(athena, *different, {**overview, "widget": "waf"}))) == 5
    assert all(re.fullmatch("[0-9a-f]{64}", str(token)) for token in tokens(athena))


def test_a_query_is_shared_for_an_hour_at_most_and_not_at_all_if_results_are_not_reused(
    monkeypatch: pytest.MonkeyPatch, athena: Athena
) -> None:
    moment = datetime(2026, 5, 1, 10, 59, tzinfo=UTC)
    monkeypatch.setattr(handler, "datetime", SimpleNamespace(now=lambda _: moment))
    monkeypatch.setattr(handler, "_config", lambda: {**CONFIG, "reuseMinutes": 10_080})
    tokens(athena, {"mode": "absolute"})
    moment += timedelta(minutes=1)
    assert len(set(tokens(athena, {"mode": "absolute"}))) == 2
    monkeypatch.setattr(handler, "_config", lambda: {**CONFIG, "reuseMinutes": 0})
    assert tokens(athena, {})[-1] is None


def test_a_result_that_was_there_before_costs_nothing(athena: Athena, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "read 0 bytes" in "".join(shown().itertext())
    monkeypatch.setattr(athena, "submitted", datetime(2026, 5, 1, tzinfo=UTC))
    assert "result of an earlier query, which costs nothing" in "".join(shown().itertext())


def test_what_failed_is_asked_again_only_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    athena = use(monkeypatch, Athena(state="FAILED", StateChangeReason="GENERIC_INTERNAL_ERROR"))
    again = buttons(shown(country="DE"))["Ask again"]
    assert (again["widget"], again["country"], again["again"]) == ("requests", "DE", EXECUTION)
    first, second = tokens(athena, again)
    assert first != second


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ClientError({"Error": {"Code": "AccessDeniedException", "Message": "secret"}}, "x"), "AccessDeniedException"),
        (ClientError({"Error": {"Code": "TooManyRequestsException"}}, "x"), "too many queries at once"),
        (KeyError("secret"), "The widget failed; the log of its function says why."),
    ],
)
def test_errors_are_words_and_never_a_traceback(
    monkeypatch: pytest.MonkeyPatch, athena: Athena, error: Exception, says: str
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(athena, "start_query_execution", fail)
    text = "".join(shown().itertext())
    assert says in text
    assert "secret" not in text
    assert "Traceback" not in text


def test_where_log_groups_must_be_named_they_come_from_the_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    athena = use(monkeypatch, Athena(), groups=2)
    shown()
    assert {"'aws-waf-logs-0'", "'aws-waf-logs-1'"} <= set(athena.started[0]["ExecutionParameters"])


def test_where_there_is_no_log_group_or_too_many_it_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    athena = use(monkeypatch, Athena(), groups=0)
    assert "Nothing in this time range" in "".join(shown().itertext())
    assert len(athena.started) == 1
    use(monkeypatch, Athena(), groups=1001)
    assert "There are 1,001 log groups" in "".join(shown().itertext())


def test_a_search_asks_nothing_before_there_is_a_text(athena: Athena) -> None:
    page = shown(widget="search", log_group="/aws/lambda/checkout")
    assert athena.started == []
    assert {each.get("name"): each.get("value") for each in page.iter("input")} == {
        "text": "", "log_group": "/aws/lambda/checkout",
    }  # fmt: skip


def test_the_page_has_the_theme_of_the_dashboard() -> None:
    assert shown().get("class") == "page dark"


def test_the_function_describes_every_widget() -> None:
    answer = handler.handler({"describe": True}, CONTEXT)
    assert answer == {"markdown": documentation()}
    assert all(f"| `{name}` |" in documentation() for name in WIDGETS)


# the dashboard


def body() -> dict[str, Any]:
    return dict(json.loads(dashboard_body(function_arn=ENDPOINT, accounts=["2", "1"], regions=["eu-west-1"])))


def test_every_widget_of_the_dashboard_is_one_of_the_function() -> None:
    assert {name for name, *_ in SHOWN} <= WIDGETS.keys()
    assert not [name for name, *_ in SHOWN if WIDGETS[name].popup]


def test_widgets_fill_rows_and_do_not_overlap() -> None:
    places = [(each["x"], each["y"], each["width"], each["height"]) for each in body()["widgets"]]
    cells = [(x + i, y + j) for x, y, width, height in places for i in range(width) for j in range(height)]
    assert len(cells) == len(set(cells)) == 24 * max(y + height for _, y, _, height in places)


def test_account_and_region_are_chosen_for_all_widgets() -> None:
    account, region = body()["variables"]
    assert [each["value"] for each in account["values"]] == ["all", "1", "2", "other"]
    assert {account["property"], region["property"]} <= body()["widgets"][0]["properties"]["params"].keys()


def test_the_name_of_a_dashboard_has_characters_that_cloudwatch_allows() -> None:
    assert dashboard_name("Log.archive/1") == "archive-events-Log-archive-1"
