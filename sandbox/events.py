"""Realistic log events for the demo. The fields are those of AWS WAF (AWS WAF Developer Guide, "Log fields")."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from uuid import UUID

_COUNTRIES = ("BR", "CN", "DE", "FR", "GB", "IN", "RU", "US")
_RULES = ("AWS-AWSManagedRulesCommonRuleSet", "AWS-AWSManagedRulesSQLiRuleSet", "geo-block", "rate-limit")
_PATHS = ("/", "/api/cart", "/api/checkout", "/login", "/search", "/wp-login.php")
_WAF_EVENTS = 200
_APPLICATION_EVENTS = 40


def waf_events(account: str, region: str, group: str, chance: random.Random) -> Iterator[str]:
    """Yield requests that a web ACL allowed or blocked, as AWS WAF logs them."""
    name = group.removeprefix("aws-waf-logs-")
    for _ in range(_WAF_EVENTS):
        blocked = chance.random() < 0.3  # noqa: PLR2004 - a realistic share on a bad day
        rule = chance.choice(_RULES) if blocked else "Default_Action"
        yield json.dumps(
            {
                "timestamp": int(time.time() * 1000),
                "formatVersion": 1,
                "webaclId": f"arn:aws:wafv2:{region}:{account}:regional/webacl/{name}/{UUID(int=1)}",
                "terminatingRuleId": rule,
                "terminatingRuleType": "MANAGED_RULE_GROUP" if rule.startswith("AWS-") else "REGULAR",
                "action": "BLOCK" if blocked else "ALLOW",
                "httpSourceName": "ALB",
                "httpSourceId": f"{account}-app/{name}",
                "ruleGroupList": [],
                "rateBasedRuleList": [],
                "nonTerminatingMatchingRules": [],
                "labels": [],
                "httpRequest": {
                    "clientIp": f"203.0.113.{chance.randrange(256)}",  # TEST-NET-3, reserved for documentation
                    "country": chance.choice(_COUNTRIES),
                    "uri": chance.choice(_PATHS),
                    "args": "",
                    "httpMethod": chance.choice(("GET", "POST")),
                    "httpVersion": "HTTP/2.0",
                    "requestId": f"1-{chance.getrandbits(32):08x}-{chance.getrandbits(96):024x}",
                    "headers": [{"name": "host", "value": f"{name}.example.com"}],
                },
            }
        )


def application_events(account: str, region: str, group: str, chance: random.Random) -> Iterator[str]:
    """Yield log lines of an application."""
    for number in range(_APPLICATION_EVENTS):
        level = chance.choice(("INFO", "INFO", "WARN", "ERROR"))
        yield f"{level} {group} order {number} of account {account} in {region} took {chance.randrange(5, 900)} ms"
