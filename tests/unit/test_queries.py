"""Every query against a plain answer of Python over the same random events, by the sandbox's Athena in this process."""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from ministack.core.responses import request_scope
from ministack.services import glue, s3

from queries import ALL, LATE, MAX_PARAMETER_CHARACTERS, NONE, QUERIES, SCOPE, Query, Scope
from sandbox.cloud import athena, trino_sql
from tests.archived_events import ACCOUNTS, BEGIN, CENTRAL, END, REGIONS, Event, delivered, events, objects
from topology.layouts import LAYOUTS
from topology.tables import SERDE, SERDE_PARAMETERS, events_view, records_table, waf_view

Row = tuple[Any, ...]
HOME = "eu-west-1"
EVENTS = events(seed=15, count=1200)
FEW = EVENTS[:200]
SCOPE_OF_ALL = Scope(since=BEGIN + timedelta(hours=1), until=END - timedelta(hours=1))


@dataclass(frozen=True)
class Answered:
    columns: list[tuple[str, str]]
    rows: list[Row]
    scanned: int


class Archive:
    """An archive in the memory of the sandbox's cloud."""

    def __init__(self, layout: str, *, transformed: bool, of: Sequence[Event]) -> None:
        self.layout, self.sizes = layout, dict[str, int]()
        self.bucket, self.database = f"archive-{uuid.uuid4()}", f"archive_{uuid.uuid4().hex}"
        with request_scope(CENTRAL, HOME):
            made, *_ = s3._create_bucket(
                self.bucket,
                f"<CreateBucketConfiguration><LocationConstraint>{HOME}</LocationConstraint>"
                "</CreateBucketConfiguration>".encode(),
                {},
            )
            assert made == 200
            for key, body in objects(delivered(list(of)), layout, transformed=transformed):
                self.sizes[key] = len(body)
                for each in (key, f"errors/{key}", f"originals/{key}"):
                    s3._put_object(self.bucket, each, body, {})
            self._define()

    def _define(self) -> None:
        table = records_table(layout=self.layout, accounts=ACCOUNTS, regions=REGIONS, since=date(2025, 1, 1))
        glue._databases[self.database] = {"Name": self.database}
        glue._tables[f"{self.database}/{table.name}"] = {
            "Name": table.name,
            "DatabaseName": self.database,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": table.parameters(self.bucket),
            "PartitionKeys": [{"Name": key.name, "Type": key.type} for key in table.partition_keys],
            "StorageDescriptor": {
                "Columns": [{"Name": column.name, "Type": column.type} for column in table.columns],
                "Location": table.location(self.bucket),
                "SerdeInfo": {"SerializationLibrary": SERDE, "Parameters": dict(SERDE_PARAMETERS)},
            },
        }
        for view in (events_view(layout=self.layout, account=CENTRAL, regions=REGIONS), waf_view()):
            glue._tables[f"{self.database}/{view.name}"] = {
                "Name": view.name,
                "DatabaseName": self.database,
                "TableType": "VIRTUAL_VIEW",
                "ViewOriginalText": view.original_text(self.database),
            }

    def places(self) -> dict[str, dict[str, str]]:
        """Return the objects with the parts of their prefixes."""
        return {key: dict(re.findall(r"(\w+)=([^/]*)/", key)) for key in self.sizes}

    def ask(self, query: Query, scope: Scope, own: Mapping[str, str] | None = None) -> Answered:
        statement = query.bind(scope, own)
        return self.run(statement.sql, *statement.parameters)

    def run(self, sql: str, *parameters: str) -> Answered:
        execution: dict[str, Any] = {
            "QueryExecutionContext": {"Database": self.database},
            "Statistics": {"DataScannedInBytes": 0},
        }
        with request_scope(CENTRAL, HOME):
            result = athena._Query(execution, None).answer(trino_sql.parsed(sql, parameters))
        read = [CONVERSIONS.get(kind, str) for _, kind in result.columns]
        rows = [
            tuple(None if value is None else convert(value) for convert, value in zip(read, row, strict=True))
            for row in result.rows
        ]
        return Answered(result.columns, rows, execution["Statistics"]["DataScannedInBytes"])


CONVERSIONS: dict[str, Callable[[str], object]] = {
    "bigint": int, "double": float, "timestamp(3)": lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC),
}  # fmt: skip


@pytest.fixture(scope="module")
def archive() -> Archive:
    return Archive("partitioned", transformed=False, of=EVENTS)


def document(message: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(message)
    except ValueError:
        return None


def scalar(value: Any, *path: str) -> str | None:  # noqa: ANN401 - JSON
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None or isinstance(value, dict | list) else str(value)


def items(value: Any, name: str) -> list[Any]:  # noqa: ANN401 - JSON
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


class Request:
    """A request, as the view ``waf`` has it."""

    def __init__(self, event: Event, logged: Any) -> None:  # noqa: ANN401 - JSON
        self.id, self.time, self.account, self.region = event.id, event.time, event.account, event.region
        self.log_group, self.message, self.logged = event.log_group, event.message, logged
        headers = [
            (scalar(each, "name"), scalar(each, "value")) for each in items(logged.get("httpRequest"), "headers")
        ]

        def header(name: str) -> str | None:
            return next((value for key, value in headers if key and key.lower() == name), None)

        self.action, self.rule_type = scalar(logged, "action"), scalar(logged, "terminatingRuleType")
        groups = items(logged, "ruleGroupList")
        stopping = [group for group in groups if scalar(group, "terminatingRule", "ruleId")]
        decider = stopping.pop() if stopping and str(self.rule_type).endswith("GROUP") else None
        self.rule = scalar(decider, "terminatingRule", "ruleId") or scalar(logged, "terminatingRuleId")
        self.rule_group = scalar(decider, "ruleGroupId")
        counted = [scalar(rule, "ruleId") for rule in self._counting(logged)]
        for group in groups:
            rules = [*self._counting(group), *items(group, "excludedRules")]
            counted += [f"{scalar(group, 'ruleGroupId')} / {scalar(rule, 'ruleId')}" for rule in rules]
        counted += [
            f"{scalar(group, 'ruleGroupId')} / {scalar(group, 'terminatingRule', 'ruleId')}"
            for group in stopping
            if scalar(group, "terminatingRule", "action") != "ALLOW"
        ]
        self.counted = sorted(set(map(str, counted)))
        self.web_acl, self.source = str(scalar(logged, "webaclId")).split("/")[2], scalar(logged, "httpSourceName")
        self.client_ip, self.country = (scalar(logged, "httpRequest", each) for each in ("clientIp", "country"))
        self.method, self.uri = (scalar(logged, "httpRequest", each) for each in ("httpMethod", "uri"))
        self.args, self.request_id = (scalar(logged, "httpRequest", each) for each in ("args", "requestId"))
        self.host, self.user_agent = scalar(logged, "httpRequest", "host") or header("host"), header("user-agent")
        self.forwarded_for = header("x-forwarded-for")
        self.ja3, self.ja4 = scalar(logged, "ja3Fingerprint"), scalar(logged, "ja4Fingerprint")
        self.response_code = None if logged["responseCodeSent"] is None else int(logged["responseCodeSent"])
        self.labels = [scalar(label, "name") for label in items(logged, "labels")]

    @staticmethod
    def _counting(of: Any) -> list[Any]:  # noqa: ANN401 - JSON
        rules = items(of, "nonTerminatingMatchingRules")
        return [r for r in rules if r["action"] == "COUNT" and r.get("overriddenAction") != "ALLOW"]


def in_scope(scope: Scope, of: Iterable[Event] = EVENTS) -> list[Event]:
    return [
        each
        for each in of
        if scope.since <= each.time < scope.until
        and scope.account in {ALL, each.account}
        and scope.region in {ALL, each.region}
        and each.arrival < scope.until + LATE
    ]


def requests_of(of: Iterable[Event]) -> list[Request]:
    found = [(each, document(each.message)) for each in of if each.log_group.startswith("aws-waf-logs-")]
    return [Request(event, logged) for event, logged in found if scalar(logged, "webaclId") is not None]


ALL_EVENTS = in_scope(SCOPE_OF_ALL)
REQUESTS = requests_of(ALL_EVENTS)


def grouped(of: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    found = defaultdict(list)
    for each in of:
        found[key(each)].append(each)
    return found


def actions(of: list[Request]) -> Row:
    """Return the number of requests, and how many were allowed, blocked and challenged."""
    counts = Counter(each.action for each in of)
    return len(of), counts["ALLOW"], counts["BLOCK"], counts["CAPTCHA"] + counts["CHALLENGE"]


def several(of: Iterable[Any], *names: str) -> Row:
    """Return how many different values there are."""
    of = list(of)
    return tuple(len({getattr(each, name) for each in of} - {None}) for name in names)


def seen(of: Iterable[Any]) -> tuple[datetime, datetime]:
    times = [each.time for each in of]
    return min(times), max(times)


def named(each: object, *names: str) -> Row:
    return tuple(getattr(each, name) for name in names)


def latest(of: Iterable[Any]) -> list[Any]:
    """Return in the order of lists: the latest first, then by ID."""
    return sorted(sorted(of, key=lambda each: each.id), key=lambda each: each.time, reverse=True)


def floor(moment: datetime, minutes: int) -> datetime:
    seconds = moment.timestamp() // (60 * minutes) * (60 * minutes)
    return datetime.fromtimestamp(seconds, UTC)


# What each query returns, as Python finds it: name → (values of its own, rows in their order).
PANELS = (
    "account", "region", "source", "web_acl", "rule", "rule_type", "country", "host", "uri", "method", "client_ip",
    "user_agent",
)  # fmt: skip


def waf_overview() -> Iterator[Row]:
    for panel in sorted(("all", *PANELS)):
        values = grouped(REQUESTS, partial(value_of, name=panel))
        rows = [(panel, value, *actions(of), *several(of, "client_ip", "account")) for value, of in values.items()]
        yield from sorted(rows, key=lambda row: (-row[2], row[1]))[:25]


def value_of(each: Request, *, name: str) -> str:
    value = ALL if name == ALL else getattr(each, name)
    return NONE if value is None else value


def waf_over_time() -> list[Row]:
    steps = grouped(REQUESTS, lambda each: floor(each.time, 15))
    return sorted((step, *actions(of)) for step, of in steps.items())


def waf_by_rule() -> list[Row]:
    found = grouped(
        REQUESTS, lambda each: tuple(value or NONE for value in named(each, "rule", "rule_group", "rule_type"))
    )
    rows = [
        (*key, *actions(of), *several(of, "client_ip", "account", "web_acl"), *seen(of)) for key, of in found.items()
    ]
    return sorted(rows, key=lambda row: (-row[3], row[:3]))


def waf_would_have_blocked() -> list[Row]:
    pairs = [(rule, each) for each in REQUESTS if each.action == "ALLOW" for rule in each.counted]
    rows = []
    for rule, of in grouped(pairs, lambda pair: pair[0]).items():
        own = [each for _, each in of]
        last = max(own, key=lambda each: each.time).uri
        rows.append((rule, len(own), *several(own, "client_ip", "account", "host"), *seen(own), last))
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def waf_rate_based() -> list[Row]:
    pairs = [
        ((rule["rateBasedRuleName"], rule["limitKey"], str(rule["maxRateAllowed"]), each.client_ip or NONE,
          each.country or NONE), each)
        for each in REQUESTS for rule in items(each.logged, "rateBasedRuleList")
    ]  # fmt: skip
    rows = []
    for key, of in grouped(pairs, lambda pair: pair[0]).items():
        own = [each for _, each in of]
        stopped = sum(each.action != "ALLOW" for each in own)
        rows.append((*key, len(own), stopped, *several(own, "account"), *seen(own)))
    return sorted(rows, key=lambda row: (-row[5], row[0], row[3], row[1], row[2], row[4]))


CLIENT = "198.51.100.3"


def waf_client() -> list[Row]:
    names = ("account", "region", "country", "host", "method", "uri", "action", "rule")
    found = grouped((each for each in REQUESTS if each.client_ip == CLIENT), lambda each: named(each, *names))
    rows = [(*key, len(of), *several(of, "user_agent"), *seen(of)) for key, of in found.items()]
    return sorted(rows, key=lambda row: row[-2:])


NEW_SINCE = BEGIN + timedelta(hours=2, minutes=30)


def waf_new_clients() -> list[Row]:
    rows = []
    for client, of in grouped(REQUESTS, lambda each: each.client_ip).items():
        country, blocked = max(each.country or "" for each in of), sum(each.action == "BLOCK" for each in of)
        if client and seen(of)[0] >= NEW_SINCE:
            rows.append((client, country or None, *seen(of), len(of), blocked, *several(of, "account", "uri")))
    return sorted(rows, key=lambda row: (-row[5], -row[4], row[0]))


def waf_across_accounts() -> list[Row]:
    rows = []
    for client, of in grouped(REQUESTS, lambda each: each.client_ip).items():
        accounts = sorted({each.account for each in of})
        country, blocked = max(each.country or "" for each in of), sum(each.action == "BLOCK" for each in of)
        if client and len(accounts) > 1:
            rows.append((client, country or None, len(accounts), ", ".join(accounts), len(of), blocked, *seen(of)))
    return sorted(rows, key=lambda row: (-row[5], -row[2], -row[4], row[0]))


def labelled() -> dict[str, list[Request]]:
    pairs = [(label, each) for each in REQUESTS for label in set(each.labels)]
    return {label: [each for _, each in of] for label, of in grouped(pairs, lambda pair: pair[0]).items()}


def waf_labels() -> list[Row]:
    rows = [(label, *actions(of), *several(of, "client_ip", "account")) for label, of in labelled().items()]
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def waf_bots() -> list[Row]:
    rows = []
    for label, of in labelled().items():
        if label.startswith("awswaf:managed:aws:bot-control:"):
            part, kind, *value = label.split(":")[4:]
            rows.append((label, part, kind, ":".join(value), *actions(of), *several(of, "client_ip", "account")))
    return [row[1:] for row in sorted(rows, key=lambda row: (-row[4], row[0]))]


def waf_fingerprints() -> list[Row]:
    found = grouped(
        (each for each in REQUESTS if each.ja3 or each.ja4), lambda each: (each.ja4 or NONE, each.ja3 or NONE)
    )
    rows = [
        (*key, *actions(of)[:3], *several(of, "client_ip", "user_agent", "account"), *seen(of))
        for key, of in found.items()
    ]
    return sorted(rows, key=lambda row: (-row[4], -row[2], row[:2]))


SIGNS = {
    "SQL": ("union select", "or 1=1"), "script": ("<script", "%3cscript"), "path": ("../../", "/etc/passwd"),
    "JNDI": ("${jndi", "$%7bjndi"), "shell": (";cat /",),
}  # fmt: skip


def waf_injection_signs() -> list[Row]:
    rows = []
    for each in latest(REQUESTS):
        request = json.dumps(each.logged["httpRequest"], ensure_ascii=False).lower().replace("%27 or", " or")
        signs = ", ".join(name for name, texts in SIGNS.items() if any(text in request for text in texts))
        if signs:
            rows.append((*named(each, "time", "account", "region"), signs, *named(
                each, "action", "rule", "client_ip", "method", "host", "uri", "args", "request_id", "id"
            )))  # fmt: skip
    return rows


LISTED = (
    "time", "account", "region", "web_acl", "source", "action", "rule", "rule_type", "client_ip", "country", "method",
    "host", "uri", "args", "user_agent", "ja4", "response_code", "request_id", "id",
)  # fmt: skip


def waf_requests() -> list[Row]:
    chosen = [each for each in REQUESTS if each.action == "ALLOW" and each.host is None and "new-rule" in each.counted]
    return [named(each, *LISTED) for each in latest(chosen)]


ONE = REQUESTS[7]


def waf_request() -> list[Row]:
    return [
        (
            *named(each, "time", "account", "region", "log_group"), scalar(each.logged, "webaclId"), each.source,
            "app/shop", *named(each, "action", "rule", "rule_group", "rule_type"), ", ".join(each.counted),
            ", ".join(label for label in each.labels if label), each.client_ip, None, each.forwarded_for,
            *named(each, "country", "method", "host", "uri", "args", "user_agent", "ja3", "ja4", "response_code",
                   "request_id", "id"),
            each.message,
        )
        for each in sorted(REQUESTS, key=lambda each: (each.time, each.id))
        if each.request_id == ONE.request_id
    ]  # fmt: skip


def line(each: Event) -> Row:
    return named(each, "time", "account", "region", "log_group", "log_stream", "id", "message")


def by_place(of: Iterable[Event]) -> dict[Any, list[Event]]:
    return grouped(of, lambda each: named(each, "account", "region", "log_group"))


def overview() -> list[Row]:
    rows = []
    for key, of in by_place(ALL_EVENTS).items():
        actions = [_action(each.message) for each in of] if key[2].startswith("aws-waf-logs-") else []
        requests = [action for action in actions if action is not None]
        characters = sum(len(each.message) for each in of)
        rows.append((*key, len(of), len(requests), requests.count("BLOCK"), characters, *seen(of)))
    return sorted(rows, key=lambda row: (-row[3], row[:3]))


def _action(message: str) -> object:
    try:
        document = json.loads(message)
    except ValueError:
        return None
    return document.get("action") if isinstance(document, dict) else None


def volume() -> list[Row]:
    rows = [
        (*key, len(of), sum(len(each.message) for each in of), *seen(of)) for key, of in by_place(ALL_EVENTS).items()
    ]
    return sorted(rows, key=lambda row: (-row[3], row[:3]))


def volume_over_time() -> list[Row]:
    found = grouped(ALL_EVENTS, lambda each: (floor(each.time, 1440), each.account, each.region))
    return sorted((*key, len(of), sum(len(each.message) for each in of)) for key, of in found.items())


def silence() -> list[Row]:
    rows = [(*key, len(of), seen(of)[1]) for key, of in by_place(ALL_EVENTS).items()]
    return sorted(rows, key=lambda row: (row[4], row[:3]))


def errors() -> list[Row]:
    rows = []
    for key, of in by_place(each for each in ALL_EVENTS if not each.log_group.startswith("aws-waf-logs-")).items():
        word = r"(?<![A-Za-z0-9_])(errors?|exception|fatal|panic|traceback|critical)(?![A-Za-z0-9_])"
        failing = [each.time for each in of if re.search(word, each.message, re.IGNORECASE)]
        rows.append((*key, len(of), len(failing), max(failing, default=None)))
    return sorted(rows, key=lambda row: (-row[4], row[:3]))


def lambda_() -> list[Row]:
    rows = []
    for key, of in by_place(each for each in ALL_EVENTS if each.log_group.startswith("/aws/lambda/")).items():
        runs = failed = timeouts = 0
        longest, most = [], []
        for each in of:
            found = document(each.message)
            failed += "[ERROR]" in each.message or scalar(found, "level") == "ERROR"
            timeouts += "Task timed out after 3" in each.message or scalar(found, "record", "status") == "timeout"
            if report := re.match(r"REPORT RequestId:.*\tDuration: (\S+) ms.*Used: (\d+) MB", each.message):
                longest.append(float(report[1]))
                most.append(int(report[2]))
            elif scalar(found, "type") == "platform.report":
                longest.append(found["record"]["metrics"]["durationMs"])
                most.append(found["record"]["metrics"]["maxMemoryUsedMB"])
        runs = len(longest)
        rows.append((*key, runs, failed, timeouts, max(longest, default=None), max(most, default=None)))
    return sorted(rows, key=lambda row: (-row[4], -row[5], -row[3], row[:3]))


def cloudtrail() -> list[Row]:
    rows = []
    for each in latest(ALL_EVENTS):
        found = document(each.message)
        code = scalar(found, "errorCode")
        if each.log_group == "cloudtrail" and scalar(found, "eventSource") and (
            scalar(found, "userIdentity", "type") == "Root" or re.search("Denied|Unauthorized", code or "")
            or scalar(found, "eventName") in {"StopLogging", "DeleteLogGroup"}
        ):  # fmt: skip
            rows.append((
                each.time, each.account, each.region, "s3.amazonaws.com", scalar(found, "eventName"),
                scalar(found, "userIdentity", "type"), "arn:aws:iam::1:root", "192.0.2.1", code, each.id,
            ))  # fmt: skip
    return rows


def vpc_flow() -> list[Row]:
    flows = [(each, each.message.split(" ")) for each in ALL_EVENTS if each.log_group == "flows"]
    kept = [
        (each, fields)
        for each, fields in flows
        if fields[-1] == "OK" and fields[12] == "REJECT" and "10.0.0.1" in fields
    ]
    found = grouped(kept, lambda pair: (pair[0].account, pair[0].region, *(pair[1][i] for i in (3, 4, 6, 7, 12))))
    rows = [
        (*key, len(of), sum(int(fields[8]) for _, fields in of), sum(int(fields[9]) for _, fields in of))
        for key, of in found.items()
    ]
    return sorted(rows, key=lambda row: (-row[9], -row[7], row[:7]))


def containing(text: str) -> list[Row]:
    return [line(each) for each in latest(each for each in ALL_EVENTS if text.lower() in each.message.lower())]


FIRST = ALL_EVENTS[3]
MODELS: dict[str, tuple[dict[str, str], Callable[[], Iterable[Row]]]] = {
    "cloudtrail": ({}, cloudtrail),
    "errors": ({}, errors),
    "event": ({"id": FIRST.id}, lambda: [line(FIRST)]),
    "events": ({"log_group": "app"}, lambda: [line(e) for e in latest(e for e in ALL_EVENTS if e.log_group == "app")]),
    "lambda": ({}, lambda_),
    "overview": ({}, overview),
    "search": ({"text": "IT'S"}, lambda: containing("it's")),
    "silence": ({}, silence),
    "volume": ({}, volume),
    "volume-over-time": ({"minutes": "1440"}, volume_over_time),
    "vpc-flow": ({"action": "REJECT", "address": "10.0.0.1"}, vpc_flow),
    "waf-across-accounts": ({}, waf_across_accounts),
    "waf-bots": ({}, waf_bots),
    "waf-by-rule": ({}, waf_by_rule),
    "waf-client": ({"client_ip": CLIENT}, waf_client),
    "waf-fingerprints": ({}, waf_fingerprints),
    "waf-injection-signs": ({}, waf_injection_signs),
    "waf-labels": ({}, waf_labels),
    "waf-new-clients": ({"new_since": f"{NEW_SINCE:%Y-%m-%d %H:%M:%S}"}, waf_new_clients),
    "waf-over-time": ({"minutes": "15"}, waf_over_time),
    "waf-overview": ({}, waf_overview),
    "waf-rate-based": ({}, waf_rate_based),
    "waf-request": ({"request_id": str(ONE.request_id)}, waf_request),
    "waf-requests": ({"action": "ALLOW", "host": NONE, "counted": "new-rule"}, waf_requests),
    "waf-would-have-blocked": ({}, waf_would_have_blocked),
}


def test_every_query_has_a_plain_answer() -> None:
    assert MODELS.keys() == QUERIES.keys()


@pytest.mark.parametrize("name", MODELS)
def test_a_query_returns_what_python_finds_in_the_same_events(archive: Archive, name: str) -> None:
    own, model = MODELS[name]
    expected = list(model())
    assert expected, "the random events have nothing to find"
    answered = archive.ask(QUERIES[name], SCOPE_OF_ALL, own)
    assert answered.rows == expected[: QUERIES[name].limit]
    assert {kind for _, kind in answered.columns} <= {"varchar", "bigint", "double", "timestamp(3)"}


@pytest.mark.parametrize(
    "text", ["it's", '"', "ü😀", "\n", "\\", "\0", "'", "%", "all", "? /* text */", "' OR 1 = 1 --"]
)
def test_a_value_is_searched_for_as_it_is(archive: Archive, text: str) -> None:
    answered = archive.ask(QUERIES["search"], SCOPE_OF_ALL, {"text": text})
    assert answered.rows == containing(text)[:500]


def places_asked_for() -> Iterator[Scope]:
    hour = timedelta(hours=1)
    yield Scope(since=BEGIN, until=END, account=ACCOUNTS[0])
    yield Scope(since=BEGIN + 24 * hour, until=BEGIN + 48 * hour, region=REGIONS[1])
    yield Scope(since=BEGIN + 2 * hour, until=BEGIN + 3 * hour, account=ACCOUNTS[1], region=REGIONS[0])
    yield Scope(since=BEGIN + 24 * hour, until=BEGIN + 24.1 * hour)  # what an object of the day before has, too
    yield Scope(since=BEGIN - 48 * hour, until=BEGIN)


@pytest.mark.parametrize("transformed", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_has_the_same_events_and_no_query_reads_more_than_its_scope(
    layout: str, *, transformed: bool
) -> None:
    archive, query = Archive(layout, transformed=transformed, of=FEW), QUERIES["silence"]
    places = archive.places()
    for asked in places_asked_for():
        groups = sorted({place["group"] for place in places.values()}) if layout.endswith("group") else None
        scope = replace(asked, groups=groups)
        answered = archive.ask(query, scope)
        found = by_place(in_scope(scope, FEW)).items()
        assert sorted(answered.rows) == sorted((*key, len(of), seen(of)[1]) for key, of in found)
        assert answered.scanned == sum(archive.sizes[key] for key, place in places.items() if scope.reads(place))


def test_with_the_layout_by_group_only_the_log_groups_of_a_query_are_read() -> None:
    archive, query = Archive("partitioned-by-group", transformed=False, of=FEW), QUERIES["waf-by-rule"]
    existing = {place["group"] for place in archive.places().values()}
    scope = replace(SCOPE_OF_ALL, groups=query.groups(existing))
    assert scope.groups == ["aws-waf-logs-cdn", "aws-waf-logs-shop"]
    answered = archive.ask(query, scope)
    assert sum(row[3] for row in answered.rows) == len(requests_of(in_scope(scope, FEW)))
    read = sum(archive.sizes[key] for key, place in archive.places().items() if scope.reads(place))
    assert answered.scanned == read < sum(archive.sizes.values())
    assert archive.ask(query, replace(scope, groups=[])).rows == []
    named = query.text(1)
    assert named.count('"group" IN (? /* group */)') == named.count("FROM waf")


def test_a_log_group_is_looked_for_where_its_events_are() -> None:
    existing = ["app", "app2", "_aws_lambda_a", "aws-waf-logs-x", "g" * 400]
    assert QUERIES["events"].groups(existing, {"log_group": "app"}) == ["app"]
    assert QUERIES["events"].groups(existing, {"log_group": "/aws/lambda/a"}) == ["_aws_lambda_a"]
    assert QUERIES["events"].groups(existing, {"log_group": "g" * 512}) == ["g" * 400]
    assert QUERIES["lambda"].groups(existing) == ["_aws_lambda_a"]
    assert QUERIES["volume"].groups(existing) == sorted(existing)


@pytest.mark.parametrize("query", QUERIES.values(), ids=lambda query: query.name)
def test_a_query_is_sql_of_trino_that_reads_its_scope_and_has_question_marks_only_where_athena_takes_them(
    query: Query,
) -> None:
    (statement,) = sqlglot.parse(query.sql, read="trino")
    assert isinstance(statement, sqlglot.exp.Select)
    placeholders = list(statement.find_all(sqlglot.exp.Placeholder))
    assert all(each.find_ancestor(sqlglot.exp.Where) for each in placeholders)
    named = re.findall(r"\? /\* (\w+) \*/", query.sql)
    assert len(named) == len(placeholders) == query.sql.count("?"), "a name behind each, and none in a text"
    assert set(query.parameters) == set(named) - set(re.findall(r"/\* (\w+) \*/", SCOPE))
    readings = [table for table in statement.find_all(sqlglot.exp.Table) if table.name in {"events", "waf"}]
    unindented = re.sub(r"^ +", "", query.sql, flags=re.MULTILINE)
    assert unindented.count(re.sub(r"^ +", "", SCOPE, flags=re.MULTILINE)) == len(readings) == 1
    assert ";" not in re.sub("'[^']*'", "", query.sql)
    assert len(query.sql.encode()) < 262_144
    assert len(f"{query.title}. {query.purpose}") < 1024


@given(st.text(min_size=1, max_size=400))
@settings(max_examples=30)
def test_a_value_is_a_literal_and_never_a_part_of_the_sql(text: str) -> None:
    query = QUERIES["search"]
    statement = query.bind(SCOPE_OF_ALL, {"text": text})
    assert statement.sql == query.sql
    literal = sqlglot.parse_one(f"SELECT {statement.parameters[-1]}", read="trino").expressions[0]
    assert literal == sqlglot.exp.Literal.string(text)


@pytest.mark.parametrize(
    ("given_values", "problem"),
    [
        ({}, "search needs a value for text: text is the text"),
        ({"text": ""}, "search needs a value for text"),
        ({"text": "x", "color": "y"}, "search has no value color; it takes text, log_group"),
        ({"text": "'" * MAX_PARAMETER_CHARACTERS}, "text is too long: Athena takes 1024 characters, with quotes"),
    ],
)
def test_a_value_that_a_query_cannot_take_is_refused(given_values: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        QUERIES["search"].bind(SCOPE_OF_ALL, given_values)


def test_more_log_groups_than_athena_takes_are_refused_in_words() -> None:
    scope = replace(SCOPE_OF_ALL, groups=[str(number) for number in range(1001)])
    with pytest.raises(ValueError, match="would read 1,001 log groups, and Athena takes 1,000"):
        QUERIES["volume"].bind(scope)


def test_an_hour_of_the_layout_dated_and_a_day_of_an_account_are_all_that_a_query_of_ones_own_reads() -> None:
    for layout, place in (
        ("dated", {"date": "2025-03-01", "hour": "02"}),
        ("partitioned", {"date": "2025-03-02", "account": ACCOUNTS[0]}),
    ):
        archive = Archive(layout, transformed=False, of=FEW)
        conditions = " AND ".join(f"\"{name}\" = '{value}'" for name, value in place.items())
        scanned = archive.run(f"SELECT count(DISTINCT id) FROM waf WHERE {conditions}").scanned
        meant = sum(archive.sizes[key] for key, parts in archive.places().items() if place.items() <= parts.items())
        assert scanned == meant > 0


def test_the_days_begin_with_what_was_buffered_and_end_with_what_was_late() -> None:
    scope = Scope(since=BEGIN, until=BEGIN + timedelta(hours=1), account=ACCOUNTS[0])
    query = QUERIES["volume"]
    names = re.findall(r"\? /\* (\w+) \*/", query.sql)
    values = dict(zip(names, query.bind(scope).parameters, strict=True))
    assert values == {
        "from_date": "'2025-02-28'", "from_hour": "'23'", "to_date": "'2025-03-02'",
        "from": "'2025-03-01 00:00:00.000'", "to": "'2025-03-01 01:00:00.000'",
        "account": "'222222222222'", "region": "'all'", "group": "'all'",
    }  # fmt: skip
