"""An archive that can be queried, with events of the last hours in it: what the tests of the dashboard look at."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.sandbox.stacks import Stacks
from tests.stacks import config_of
from topology.layouts import LAYOUTS

ACCOUNT = "111111111111"
SENDERS = ("222222222222", "333333333333")
SILENT = "444444444444"
"""An account of the stack file that sends nothing."""
REGION = "eu-west-1"
WAF_GROUP, APP_GROUP, QUIET_GROUP = "aws-waf-logs-shop", "/aws/lambda/checkout", "/quiet"
HOSTILE = (
    "<script>window.hacked = 1</script>",
    '<img src="http://203.0.113.9/x" onerror="window.hacked = 1">',
    "</td></table></div><h1>markup</h1>",
    '<a href="javascript:window.hacked=1">click</a><cwdb-action action="html">x</cwdb-action>',
    "\x1b[31m\u202etxt.exe &lt;b&gt; '\"`\\",
)


def config(layout: str = "partitioned", **analysis: object) -> dict[str, Any]:
    """The example archive, with analysis."""
    archive = {**config_of("archive")["archive"], "delivery": {"layout": layout}}
    return {"archive": {**archive, "analysis": analysis or True}}


def request(number: int, chance: random.Random, **more: object) -> dict[str, Any]:
    """A request as AWS WAF logs it."""
    blocked = chance.random() < 0.3
    http = {
        "clientIp": f"203.0.113.{chance.randrange(9)}",
        "country": chance.choice(("DE", "US", "BR")),
        "uri": chance.choice(("/", "/login", "/search")),
        "args": "q=1",
        "httpMethod": "GET",
        "requestId": f"request-{number}",
        "headers": [{"name": "Host", "value": "shop.example.com"}, {"name": "User-Agent", "value": "test"}],
    }
    return {
        "timestamp": 0,
        "webaclId": "arn:aws:wafv2:eu-west-1:222222222222:regional/webacl/shop/1",
        "terminatingRuleId": "block-bots" if blocked else "Default_Action",
        "terminatingRuleType": "REGULAR",
        "action": "BLOCK" if blocked else "ALLOW",
        "httpSourceName": "ALB",
        "httpRequest": {**http, **more},
        "nonTerminatingMatchingRules": [] if blocked else [{"ruleId": "watch-only", "action": "COUNT"}],
    }


@dataclass
class Events:
    """Events in the bucket of a deployed archive.

    Attributes:
        stacks: the sandbox.
        bucket: name of the bucket.
        now: the moment of the last event.
        requests: account → its requests.
        lines: text of every other event, by log group.
    """

    stacks: Stacks
    bucket: str
    layout: str = "partitioned"
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=5))
    requests: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    lines: Counter[str] = field(default_factory=Counter)
    ids: Iterator[int] = field(default_factory=lambda: iter(range(10**9)))

    def put(self, account: str, group: str, messages: list[str], *, at: datetime, twice: bool = False) -> None:
        """Write a record with events, a millisecond apart, as Firehose does."""
        moment = round(at.timestamp() * 1000)
        events = [
            {"id": f"id-{next(self.ids)}", "timestamp": moment + index, "message": message}
            for index, message in enumerate(messages)
        ]
        record = {
            "messageType": "DATA_MESSAGE", "owner": account, "logGroup": group, "logStream": "s",
            "subscriptionFilters": [f"central-log-archive.{REGION}"], "logEvents": events,
        }  # fmt: skip
        body = gzip.compress((json.dumps(record) + "\n").encode() * (2 if twice else 1))
        prefix = LAYOUTS[self.layout].prefix_at(at, account=account, region=REGION, log_group=group)
        key = f"{prefix}stream-1-{at:%Y-%m-%d-%H-%M-%S}-{moment}-{next(self.ids)}.gz"
        self.stacks.client("s3", account=ACCOUNT).put_object(Bucket=self.bucket, Key=key, Body=body)

    def put_noise(self, size: int, *, at: datetime) -> None:
        """Write an object in which nothing is an event."""
        key = LAYOUTS[self.layout].prefix_at(at, account=SENDERS[0], region=REGION, log_group=APP_GROUP) + "noise"
        self.stacks.client("s3", account=ACCOUNT).put_object(Bucket=self.bucket, Key=key, Body=bytes(size))

    def fill(self) -> None:
        """Write requests of two accounts over two hours, hostile lines, and a log group that falls silent."""
        chance = random.Random(1)  # noqa: S311 - the same events in every run
        for account in SENDERS:
            self.requests[account] = [request(number, chance) for number in range(70)]
            self.requests[account] += [request(100, chance, uri=HOSTILE[1], country=HOSTILE[0])]
            for start, minutes in ((0, 100), (25, 60), (50, 0)):
                part = self.requests[account][start : start + (25 if minutes else 99)]
                at = self.now - timedelta(minutes=minutes)
                self.put(account, WAF_GROUP, [json.dumps(each) for each in part], at=at, twice=True)
        self.put(SENDERS[0], APP_GROUP, [*HOSTILE, *(f"ERROR order {n}" for n in range(60))], at=self.now)
        self.lines[APP_GROUP] += len(HOSTILE) + 60
        self.put(SENDERS[1], QUIET_GROUP, ["the last line"], at=self.now - timedelta(minutes=170))
        self.lines[QUIET_GROUP] += 1

    @property
    def total(self) -> int:
        """How many events there are."""
        return sum(map(len, self.requests.values())) + self.lines.total()

    def count(self, **wanted: str) -> int:
        """How many requests have a value: of ``action``, or of ``account``."""
        return sum(
            all(wanted[name] == {"account": account, **each}[name] for name in wanted)
            for account, requests in self.requests.items()
            for each in requests
        )
