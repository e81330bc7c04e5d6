"""Random events of every kind that the queries know, as objects of an archive in any layout."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from functions.transform import handler as transform
from topology.layouts import LAYOUTS

CENTRAL, ACCOUNTS, REGIONS = "111111111111", ("222222222222", "333333333333"), ("eu-west-1", "us-east-1")
BEGIN, END = datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 3, 4, tzinfo=UTC)

_GROUPS = (
    "aws-waf-logs-shop", "aws-waf-logs-cdn", "/aws/lambda/checkout", "/aws/lambda/pay", "cloudtrail", "flows", "app",
)  # fmt: skip
_CLIENTS = [f"198.51.100.{number}" for number in range(12)] + ["2001:db8::1"]
_HOSTILE = (
    "it's",
    '"quoted"',
    "<script>alert(1)</script>",
    "ü😀",
    "a\nb",
    "${jndi:ldap://x}",
    "%27 or 1=1",
    "\\",
    "é\u0000",
)
_LABELS = (
    "awswaf:managed:aws:bot-control:bot:category:search_engine", "awswaf:managed:aws:bot-control:bot:name:x:y",
    "awswaf:managed:aws:bot-control:bot:verified", "awswaf:managed:aws:bot-control:signal:non_browser_user_agent",
    "awswaf:clientip:geo:country:DE",
)  # fmt: skip
_HOURS = (0, 2, 23.8, 30, 47.9, 50, 70.7)  # some end in the next day
_BROKEN = ('{"webaclId": "arn:aws:wafv2:', "", "plain text", '{"webaclId": null}', "[1, 2]", '"x"', "null", "{}")


@dataclass(frozen=True)
class Event:
    """An event, and when it arrived."""

    id: str
    account: str
    region: str
    log_group: str
    log_stream: str
    time: datetime
    arrival: datetime
    message: str


def events(seed: int, count: int) -> list[Event]:
    """Return events of three days, from two accounts and two regions."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    found = []
    for number in range(count):
        account, region, group = chance.choice(ACCOUNTS), chance.choice(REGIONS), chance.choice(_GROUPS)
        time = BEGIN + timedelta(hours=chance.choice(_HOURS), milliseconds=chance.randrange(20 * 60 * 1000))
        arrival = time + timedelta(seconds=chance.choice((1, 30, 400)))
        message = chance.choice(_HOSTILE) if chance.random() < 0.05 else _message(chance, group, account, region)
        found.append(Event(f"{seed}-{number:05}", account, region, group, f"s{number % 3}", time, arrival, message))
    return found


def delivered(of: list[Event], seed: int = 1) -> list[Event]:
    """Return the events as they arrive: some twice, an hour later."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    again = [replace(each, arrival=each.arrival + timedelta(hours=1)) for each in of if chance.random() < 0.1]
    return sorted([*of, *again], key=lambda each: each.arrival)


def objects(of: list[Event], layout: str, *, transformed: bool) -> Iterator[tuple[str, bytes]]:
    """Yield key and body of the objects in which events arrive: with a date of the oldest, as Firehose writes them."""
    parts = LAYOUTS[layout].parts

    def place(event: Event) -> tuple[str, ...]:
        return tuple(
            getattr(event, {"group": "log_group"}.get(part, part)) for part in parts if part not in ("date", "hour")
        )

    for number, (_, several) in enumerate(groupby(sorted(of, key=place), key=place)):
        waiting = sorted(several, key=lambda each: each.arrival)
        while waiting:
            first = waiting[0]
            buffered = [each for each in waiting if each.arrival < first.arrival + timedelta(minutes=15)]
            waiting = waiting[len(buffered) :]
            prefix = LAYOUTS[layout].prefix_at(
                first.arrival, account=first.account, region=first.region, log_group=first.log_group
            )
            key = f"{prefix}archive-stream-1-{first.arrival:%Y-%m-%d-%H-%M-%S}-{number:08}-0000-4000-8000-000000000000"
            yield key, b"".join(_lines(buffered, transformed=transformed))


def _lines(of: list[Event], *, transformed: bool) -> Iterator[bytes]:
    archive = transform.Archive(CENTRAL, REGIONS, ())
    for (account, region, group, stream), several in groupby(
        of, key=lambda each: (each.account, each.region, each.log_group, each.log_stream)
    ):
        listed = [
            {"id": each.id, "timestamp": round(each.time.timestamp() * 1000), "message": each.message}
            for each in several
        ]
        record = {
            "messageType": "DATA_MESSAGE", "owner": account, "logGroup": group, "logStream": stream,
            "subscriptionFilters": [f"central-log-archive.{region}"], "logEvents": listed,
        }  # fmt: skip
        yield transform.lines(record, archive) if transformed else json.dumps(record).encode() + b"\n"
    if not transformed:
        yield b'{"messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "", "logStream": "", '
        yield b'"subscriptionFilters": [], "logEvents": [{"id": "c", "timestamp": 0, "message": "CWL CONTROL"}]}\n'
    yield b'{"messageType": "DATA_MES\n'  # cut off


def _message(chance: random.Random, group: str, account: str, region: str) -> str:
    if group.startswith("aws-waf-logs-"):
        return (
            chance.choice(_BROKEN)
            if chance.random() < 0.05
            else json.dumps(
                _request(chance, group.removeprefix("aws-waf-logs-"), account, region),
                ensure_ascii=chance.random() < 0.5,
            )
        )
    return {"/": _lambda, "c": _trail, "f": _flow, "a": _line}[group[0]](chance)


def _request(chance: random.Random, name: str, account: str, region: str) -> dict[str, Any]:
    """Return a request as AWS WAF logs it (Developer Guide, "Log fields for protection pack (web ACL) traffic")."""
    request: dict[str, Any] = {
        "clientIp": chance.choice([*_CLIENTS, f"203.0.113.{chance.randrange(250)}"]),
        "country": chance.choice(["DE", "US", "-"]),
        "headers": chance.sample([
            {"name": chance.choice(["Host", "host"]), "value": chance.choice(["shop.example", "api.example"])},
            {"name": "User-Agent", "value": chance.choice(["curl/8", "Mozilla/5.0 (X11; Linux)", *_HOSTILE])},
            {"name": "X-Forwarded-For", "value": "203.0.113.7"},
        ], 3 if chance.random() < 0.8 else 1),
        "uri": chance.choice(["/", "/login", "/a/../../etc/passwd", "/?x", "/ü"]),
        "args": chance.choice(["", "q=1", "q=1 UNION SELECT 2", "q=%3Cscript%3E", "b=$%7Bjndi:x", "c=;cat /x"]),
        "httpVersion": "HTTP/2.0",
        "httpMethod": chance.choice(["GET", "POST"]),
        "requestId": f"1-{chance.randrange(10**6)}",
    }  # fmt: skip
    if chance.random() < 0.3:
        request["host"] = "given.example"
    if chance.random() < 0.1:
        request["country"] = None
    logged: dict[str, Any] = {
        "timestamp": 1,
        "formatVersion": 1,
        "webaclId": f"arn:aws:wafv2:{region}:{account}:regional/webacl/{name}/00000000-0000-0000-0000-000000000000",
        "terminatingRuleId": "Default_Action",
        "terminatingRuleType": "REGULAR",
        "action": "ALLOW",
        "terminatingRuleMatchDetails": [],
        "httpSourceName": chance.choice(["ALB", "CF"]),
        "httpSourceId": "app/shop",
        "ruleGroupList": [],
        "rateBasedRuleList": [],
        "nonTerminatingMatchingRules": [],
        "requestHeadersInserted": None,
        "responseCodeSent": chance.choice([None, 403]),
        "httpRequest": request,
    }
    _decide(chance, logged)
    _count(chance, logged)
    if chance.random() < 0.6:
        logged["labels"] = [{"name": chance.choice(_LABELS)} for _ in range(chance.randrange(4))]
    if chance.random() < 0.5:
        logged["ja3Fingerprint"] = chance.choice(["aaa", "bbb"])
    if chance.random() < 0.5:
        logged["ja4Fingerprint"] = chance.choice(["t13d", "t12d"])
    if chance.random() < 0.05:  # what no version of AWS WAF wrote so far
        logged[chance.choice(["labels", "ruleGroupList", "nonTerminatingMatchingRules", "rateBasedRuleList"])] = "x"
    return logged


def _group(chance: random.Random, **more: object) -> dict[str, Any]:
    name = chance.choice(["AWS#AWSManagedRulesCommonRuleSet", "AWS#AWSManagedRulesSQLiRuleSet", "own"])
    return {
        "ruleGroupId": name,
        "terminatingRule": None,
        "nonTerminatingMatchingRules": [],
        "excludedRules": None,
        **more,
    }


def _decide(chance: random.Random, logged: dict[str, Any]) -> None:
    """Let a rule, or one of a rule group, or one with a rate, decide."""
    stopping = chance.choice(["BLOCK", "BLOCK", "CAPTCHA", "CHALLENGE", "ALLOW"])
    match chance.choice(["default", "rule", "group", "rate"]):
        case "rule":
            logged |= {"terminatingRuleId": "by-country", "action": stopping}
        case "group":
            rule = {
                "ruleId": chance.choice(["SQLi_BODY", "SizeRestrictions"]),
                "action": stopping,
                "ruleMatchDetails": None,
            }
            logged["ruleGroupList"] = [_group(chance), _group(chance, terminatingRule=rule)]
            logged |= {
                "terminatingRuleId": "a-group", "action": stopping,
                "terminatingRuleType": chance.choice(["GROUP", "MANAGED_RULE_GROUP"]),
            }  # fmt: skip
        case "rate":
            logged |= {"terminatingRuleId": "rate", "terminatingRuleType": "RATE_BASED", "action": "BLOCK"}
            logged["rateBasedRuleList"] = [_rate("rate")]
    if logged["action"] == "CAPTCHA":
        logged["captchaResponse"] = {"responseCode": 405, "failureReason": "TOKEN_MISSING"}


def _rate(name: str) -> dict[str, Any]:
    return {"rateBasedRuleId": f"arn:{name}", "rateBasedRuleName": name, "limitKey": "IP", "maxRateAllowed": 100}


def _count(chance: random.Random, logged: dict[str, Any]) -> None:
    """Let rules count, in every place where AWS WAF writes them."""
    if chance.random() < 0.3:
        logged["nonTerminatingMatchingRules"] = [
            {"ruleId": chance.choice(["new-rule", "geo"]), "action": chance.choice(["COUNT", "COUNT", "CAPTCHA"])},
            *([{"ruleId": "let-in", "action": "COUNT", "overriddenAction": "ALLOW"}] if chance.random() < 0.3 else []),
        ]
    if chance.random() < 0.3:
        rule = {"ruleId": "NoUserAgent", "action": "COUNT", "overriddenAction": "BLOCK", "ruleMatchDetails": []}
        logged["ruleGroupList"].insert(0, _group(chance, nonTerminatingMatchingRules=[rule]))
    if chance.random() < 0.2:
        excluded = [{"exclusionType": "EXCLUDED_AS_COUNT", "ruleId": "NoUserAgent"}]
        logged["ruleGroupList"].insert(0, _group(chance, excludedRules=excluded))
    if chance.random() < 0.2:  # a group that as a whole only counts
        rule = {"ruleId": "XSS", "action": chance.choice(["BLOCK", "ALLOW"])}
        logged["ruleGroupList"].insert(0, _group(chance, terminatingRule=rule))
        logged["nonTerminatingMatchingRules"].append({"ruleId": "whole-group", "action": "COUNT"})
    if chance.random() < 0.1:
        logged["rateBasedRuleList"].append(_rate("counted-rate"))
        logged["nonTerminatingMatchingRules"].append({"ruleId": "counted-rate", "action": "COUNT"})


def _lambda(chance: random.Random) -> str:
    milliseconds, megabytes = chance.randrange(1, 90_000) / 100, chance.randrange(40, 128)
    return chance.choice([
        "START RequestId: 1 Version: $LATEST\n",
        f"REPORT RequestId: 1\tDuration: {milliseconds} ms\tBilled Duration: 9 ms\tMemory Size: 128 MB\t"
        f"Max Memory Used: {megabytes} MB\t\n",
        "2025-03-01T00:00:00Z 1 Task timed out after 3.00 seconds\n\n",
        "[ERROR] KeyError: 'x'\nTraceback (most recent call last):",
        json.dumps({"type": "platform.report", "record": {
            "status": chance.choice(["success", "timeout"]),
            "metrics": {"durationMs": milliseconds, "maxMemoryUsedMB": megabytes},
        }}),
        json.dumps({"level": chance.choice(["INFO", "ERROR"]), "message": "Duration: 5 ms"}),
    ])  # fmt: skip


def _trail(chance: random.Random) -> str:
    name, kind, error = (
        chance.choice(["ListBuckets", "StopLogging", "DeleteLogGroup"]), chance.choice(["Root", "AssumedRole"]),
        chance.choice([None, "AccessDenied", "Client.UnauthorizedOperation", "ThrottlingException"]),
    )  # fmt: skip
    user = {"type": kind, "arn": "arn:aws:iam::1:root"}
    found = {"eventSource": "s3.amazonaws.com", "eventName": name, "userIdentity": user, "sourceIPAddress": "192.0.2.1"}
    return json.dumps(found | ({"errorCode": error} if error else {}))


def _flow(chance: random.Random) -> str:
    source, target = chance.sample(["10.0.0.1", "10.0.0.2", "198.51.100.9"], 2)
    action, packets, size = chance.choice(["ACCEPT", "REJECT"]), chance.randrange(99), chance.randrange(9999)
    return chance.choice([
        f"2 123456789010 eni-0abc {source} {target} 40000 443 6 {packets} {size} 1 2 {action} OK",
        "2 123456789010 eni-0abc - - - - - - - 1 2 - NODATA",
    ])  # fmt: skip


def _line(chance: random.Random) -> str:
    return chance.choice(["all is well", "a fatal Error occurred", "no terrors here", "PANIC: x", *_HOSTILE])
