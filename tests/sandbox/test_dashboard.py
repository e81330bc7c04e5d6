"""The function behind the dashboard, deployed: what its widgets show, ask and refuse. Tests run in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from queries import QUERIES
from sandbox.prepare import prepare
from tests.sandbox import archive_of_events as archive
from tests.sandbox.archive_of_events import ACCOUNT, HOSTILE, SENDERS, Events, config
from tests.sandbox.stacks import Stacks
from tests.sandbox.test_permissions import without
from topology.dashboard import WIDGETS


class Dashboard:
    """Calls the function as CloudWatch does, for who looks at the dashboard."""

    def __init__(self, stacks: Stacks, events: Events) -> None:
        self.stacks, self.events = stacks, events
        self.output = stacks.outputs("archive")["analysis"]
        cloudwatch = stacks.client("cloudwatch", account=ACCOUNT)
        body = json.loads(cloudwatch.get_dashboard(DashboardName=self.output["dashboard"])["DashboardBody"])
        self.endpoint = body["widgets"][0]["properties"]["endpoint"]
        self.athena = stacks.client("athena", account=ACCOUNT)

    def call(self, widget: str, *, forms: object = None, **event: object) -> Page:
        now = self.events.now.timestamp() * 1000
        event = {"widget": widget, **event}
        context = {
            "theme": "light",
            "timeRange": {"mode": "relative", "start": now - 3 * 3600_000, "end": now, "relativeStart": 3 * 3600_000},
            "params": {"widget": widget, "account": "all", "region": "all"},
            "forms": {"all": forms or {}},
        }
        return Page(self.invoke({**event, "widgetContext": context}))

    def press(self, button: dict[str, Any]) -> Page:
        return self.call(**button)

    def invoke(self, event: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        functions = self.stacks.client("lambda", account=ACCOUNT)
        answer = functions.invoke(FunctionName=self.endpoint, Payload=json.dumps(event).encode())
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def queries(self) -> int:
        return len(self.executions())

    def executions(self) -> list[dict[str, Any]]:
        ids = self.athena.list_query_executions(WorkGroup=self.output["workgroup"])["QueryExecutionIds"]
        return [self.athena.get_query_execution(QueryExecutionId=each)["QueryExecution"] for each in ids]

    def scanned(self) -> int:
        return sum(each["Statistics"]["DataScannedInBytes"] for each in self.executions())

    @contextmanager
    def limit(self, scanned: int) -> Iterator[None]:
        before = self.athena.get_work_group(WorkGroup=self.output["workgroup"])["WorkGroup"]["Configuration"]
        for each in (scanned, before["BytesScannedCutoffPerQuery"]):
            updates = {"BytesScannedCutoffPerQuery": each}
            self.athena.update_work_group(WorkGroup=self.output["workgroup"], ConfigurationUpdates=updates)
            if each == scanned:
                yield


class Page:
    """What a widget returned."""

    def __init__(self, html: str) -> None:
        self.root = fromstring(html)  # noqa: S314 - what the function wrote
        self.buttons = list(self._buttons(self.root))
        for unseen in (*self.root.iter("style"), *self.root.iter("cwdb-action")):
            unseen.text = ""
        self.text = " ".join("".join(self.root.itertext()).split())

    @staticmethod
    def _buttons(root: Element) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for holder in root.iter("span"):
            pressed, action = holder.find("button"), holder.find("cwdb-action")
            if pressed is not None and action is not None:
                yield pressed.text or "", pressed.get("title") or "", json.loads(action.text or "")

    def button(self, label: str) -> dict[str, Any]:
        """What the first button with a label, or a title that begins with it, says when it is pressed."""
        return next(event for text, title, event in self.buttons if text == label or title.startswith(label))

    def rows(self, caption: str) -> list[list[str]]:
        (table,) = (each for each in self.root.iter("table") if each.get("aria-label") == caption)
        return [["".join(cell.itertext()) for cell in row] for row in table.findall("tbody/tr")]


@pytest.fixture(scope="module")
def dashboard(stacks: Stacks) -> Dashboard:
    prepare([stacks.write(config())], stacks.instance.environment())
    stacks.up("archive", config())
    events = Events(stacks, stacks.outputs("archive")["bucket"])
    events.fill()
    return Dashboard(stacks, events)


def test_a_first_load_of_all_widgets_at_once_starts_one_query_for_one_question(dashboard: Dashboard) -> None:
    with ThreadPoolExecutor() as pool:
        pages = list(pool.map(dashboard.call, [name for name, *_ in WIDGETS]))
    assert not [page.text for page in pages if "failed" in page.text or "Nothing in this time range" in page.text]
    asked = [
        (each["Query"], *each["ExecutionParameters"], period_of(each, dashboard.output["reuseMinutes"]))
        for each in dashboard.executions()
    ]
    assert len(asked) == len(set(asked))
    assert {sql for sql, *_ in asked} == {
        QUERIES[name].sql for name in ("overview", "waf-over-time", "waf-overview", "waf-would-have-blocked")
    }


def period_of(execution: dict[str, Any], minutes: int) -> float:
    return float(execution["Status"]["SubmissionDateTime"].timestamp() // (60 * minutes))


def test_the_overview_counts_every_event_once_and_names_who_is_silent(dashboard: Dashboard) -> None:
    page, events = dashboard.call("overview"), dashboard.events
    assert f"{events.count()}requests in AWS WAF" in page.text
    assert page.button(f"{events.count(action='BLOCK')}: blocked")
    assert page.button(f"{events.total}: events")
    assert "2 of 3accounts send" in page.text
    assert f"No event from: {archive.SILENT}" in page.text
    assert [row[0] for row in page.rows("Log groups that fell silent")] == [archive.QUIET_GROUP]


def test_a_second_load_asks_nothing_again(dashboard: Dashboard) -> None:
    first, before = dashboard.call("overview"), dashboard.scanned()
    second = dashboard.call("overview")
    assert dashboard.scanned() == before
    assert "result of an earlier query, which costs nothing" in second.text
    assert first.rows("Events by account and region") == second.rows("Events by account and region")


def test_each_number_of_the_panels_of_aws_waf_lists_its_requests(dashboard: Dashboard) -> None:
    page = dashboard.call("waf")
    blocked = dashboard.events.count(action="BLOCK", account=SENDERS[0])
    (row,) = [row for row in page.rows("Account") if row[0] == SENDERS[0]]
    assert row[1:] == [str(dashboard.events.count(account=SENDERS[0])), str(blocked)]
    listed = dashboard.press(page.button(f"{blocked}: blocked, Account {SENDERS[0]}"))
    rows = listed.rows("Requests; the latest first")
    assert {(row[1], row[3]) for row in rows} == {(SENDERS[0], "BLOCK")}
    assert len(rows) == blocked


def test_columns_over_time_add_up(dashboard: Dashboard) -> None:
    rows = dashboard.call("waf-over-time").rows("Requests over time")
    assert sum(int(row[1]) for row in rows) == dashboard.events.count()
    assert sum(int(row[3]) for row in rows) == dashboard.events.count(action="BLOCK")


def test_what_rules_would_have_blocked_leads_to_the_requests_that_were_allowed(dashboard: Dashboard) -> None:
    page, allowed = dashboard.call("would-have-blocked"), dashboard.events.count(action="ALLOW")
    assert [row[:2] for row in page.rows("Rules that would have blocked")] == [["watch-only", str(allowed)]]
    requests = dashboard.press(page.button(f"{allowed}: allowed"))
    assert {row[3] for row in requests.rows("Requests; the latest first")} == {"ALLOW"}


@pytest.mark.parametrize(
    ("widget", "caption", "row"),
    [
        ("overview", "Errors by log group", [SENDERS[0], archive.REGION, archive.APP_GROUP]),
        ("waf", "AWS WAF by rule", ["Default_Action"]),
        ("waf", "Clients across accounts", []),
    ],
)
def test_a_widget_leads_to_the_queries_beside_it(
    dashboard: Dashboard, widget: str, caption: str, row: list[str]
) -> None:
    page = dashboard.press(dashboard.call(widget).button(caption))
    assert page.rows(caption)[0][: len(row)] == row


def test_a_client_has_a_story(dashboard: Dashboard) -> None:
    narrow = dashboard.press(dashboard.call("requests").button("only client_ip 203.0.113.3"))
    story = dashboard.press(narrow.button("The story of one client"))
    assert story.rows("The story of one client")


def test_a_list_is_narrowed_and_widened_again(dashboard: Dashboard) -> None:
    page = dashboard.call("requests")
    narrow = dashboard.press(page.button("only country DE"))
    assert {row[6] for row in narrow.rows("Requests; the latest first")} == {"DE"}
    wide = dashboard.press(narrow.button("without country DE"))
    assert wide.rows("Requests; the latest first") == page.rows("Requests; the latest first")


def test_a_search_pages_through_one_result_and_leads_to_an_event_whole(dashboard: Dashboard) -> None:
    page = dashboard.call("search", forms={"text": "error ORDER", "log_group": ""})
    assert "Page 1 of 2" in page.text
    before = dashboard.queries()
    following = dashboard.press(page.button("Next page"))
    assert dashboard.queries() == before
    rows = page.rows("Events; the latest first") + following.rows("Events; the latest first")
    assert sorted(row[4] for row in rows) == sorted(f"ERROR order {number}" for number in range(60))
    event = dashboard.press(page.button("the event of"))
    assert rows[0][4] in event.text
    assert ["account", SENDERS[0]] in event.rows("Where and when")


def test_what_came_in_a_log_line_is_never_markup(dashboard: Dashboard) -> None:
    pages = [dashboard.call(each) for each in ("waf", "requests", "would-have-blocked")]
    pages += [dashboard.call("events", log_group=archive.APP_GROUP, page=page) for page in (0, 1)]
    pages += [dashboard.call("search", forms={"text": HOSTILE[0]})]
    seen = "".join(page.text for page in pages)
    for line in HOSTILE[:4]:
        assert line in seen
    assert "\\x1b[31m\\u202etxt.exe &lt;b&gt; '\"`\\" in seen
    for page in pages:
        tags = {each.tag for each in page.root.iter()}
        assert not tags & {"script", "img", "h1", "a", "iframe"}
        assert not [each for each in page.root.iter() if any(name.startswith("on") for name in each.keys())]  # noqa: SIM118


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"account": "12"}, "account is “12”; allowed is an ID of 12 digits, or all."),
        ({"account": "' OR 1=1 --"}, "account is “' OR 1=1 --”"),
        ({"region": "eu west"}, "region is “eu west”"),
        ({"widget": "nothing"}, "There is no widget “nothing”; there are overview, waf"),
        ({"execution": "x"}, "execution is “x”"),
        ({"execution": "0" * 8 + "-0000" * 3 + "-" + "0" * 12}, "There is no such result"),
        ({"page": "-1"}, "page is “-1”"),
        ({"from": "5", "to": "4"}, "The time range ends before it begins"),
        ({"widget": "search", "text": "x" * 1001}, "text has 1,001 characters"),
        ({"widget": "search", "text": "'" * 600}, "Athena takes 1024"),
        ({"account": "999999999999", "widget": "waf"}, "Nothing in this time range"),
    ],
)
def test_what_cannot_be_shown_is_said_in_words(dashboard: Dashboard, event: dict[str, Any], says: str) -> None:
    assert says in dashboard.call(**{"widget": "waf", **event}).text


def test_a_result_of_another_query_is_refused(dashboard: Dashboard) -> None:
    other = dashboard.call("search", forms={"text": "order"}).button("Next page")["execution"]
    assert "There is no such result" in dashboard.call("waf", execution=other).text


def test_a_query_over_the_limit_is_refused_in_words(dashboard: Dashboard) -> None:
    long_ago = datetime(2025, 2, 1, tzinfo=UTC)
    dashboard.events.put_noise(11_000_000, at=long_ago)
    day = {"from": round(long_ago.timestamp() * 1000), "to": round(long_ago.timestamp() * 1000) + 1}
    with dashboard.limit(10_000_000):
        page = dashboard.call("search", forms={"text": "order"}, **day)
    assert "Bytes scanned limit was exceeded" in page.text
    assert "ask for one account or region, or for less time" in page.text
    assert "Nothing in this time range" in dashboard.press(page.button("Ask again")).text


def test_it_describes_itself(dashboard: Dashboard) -> None:
    assert "| `overview` |" in dashboard.invoke({"describe": True})["markdown"]


@pytest.mark.parametrize(
    "action",
    [
        "athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults", "glue:GetTable",
        "glue:GetDatabase", "s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation", "s3:PutObject",
    ],
)  # fmt: skip
def test_the_function_has_no_permission_that_it_could_do_without(dashboard: Dashboard, action: str) -> None:
    iam = dashboard.stacks.client("iam", account=ACCOUNT)
    (role,) = (each["RoleName"] for each in iam.list_roles()["Roles"] if "dashboard-role" in each["RoleName"])
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(without(document, action)))
    try:
        page = dashboard.call("search", forms={"text": action})
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))
    assert "AWS rejected a call" in page.text or "The query failed" in page.text


def test_an_update_changes_nothing(dashboard: Dashboard) -> None:
    dashboard.stacks.pulumi("preview", "--expect-no-changes", "-s", "archive", config=config())


def test_where_queries_must_name_log_groups_the_bucket_says_which(dashboard: Dashboard) -> None:
    dashboard.stacks.up("archive", config("partitioned-by-group"))
    empty = Dashboard(dashboard.stacks, dashboard.events)
    assert "Nothing in this time range" in empty.call("waf", account=archive.SILENT).text
    events = Events(dashboard.stacks, dashboard.events.bucket, layout="partitioned-by-group")
    events.fill()
    grouped = Dashboard(dashboard.stacks, events)
    assert grouped.call("overview").button(f"{events.total}: events")
    assert (
        grouped.call("events", log_group=archive.QUIET_GROUP).rows("Events; the latest first")[0][4] == "the last line"
    )
