"""``python -m ops coverage`` on accounts of the sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sandbox.prepare import prepare
from tests.sandbox.ops_command import coverage
from tests.sandbox.stacks import Stacks
from tests.stacks import EXAMPLES_FOLDER
from topology.patterns import CANARY

REGIONS = {
    "eu-west-1": {"logGroups": ["/app/*"], "exclude": ["/app/noisy"]},
    "us-east-1": {"all": True, "exclude": ["/app/noisy"]},
}
SHOP = {"account": "222222222222", "alias": "shop", "regions": REGIONS}
UNSUPPORTED = "the log class INFREQUENT_ACCESS does not support subscription filters"
CONFIG = {"archiveStack": "archive", "applications": [SHOP]}


@pytest.fixture(scope="module")
def deployed(stacks: Stacks) -> Iterator[Stacks]:
    prepare([stacks.write(CONFIG), EXAMPLES_FOLDER / "Pulumi.archive.yaml"], stacks.instance.environment())
    stacks.up("archive")
    for region in REGIONS:
        logs = stacks.client("logs", account="222222222222", region=region)
        for group in logs.describe_log_groups()["logGroups"]:
            logs.delete_log_group(logGroupName=group["logGroupName"])
        for name in ("/app/cart", "/app/noisy", "/other"):
            logs.create_log_group(logGroupName=name)
    logs.create_log_group(logGroupName="/rare", logGroupClass="INFREQUENT_ACCESS")  # in the last region
    stacks.up("app-dev", CONFIG)
    yield stacks
    for stack in ("app-dev", "archive"):
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)


def test_every_log_group_is_listed_with_the_entry_that_matches_it_and_why_it_is_missed(deployed: Stacks) -> None:
    logs = deployed.client("logs", account="222222222222")
    logs.create_log_group(logGroupName="/app/later")
    try:
        found = json.loads(coverage(deployed, "--json", config=CONFIG))
    finally:
        logs.delete_log_group(logGroupName="/app/later")
    assert found["stack"] == "app-dev"
    assert [(e["region"], e["logGroup"], e["status"], e["entry"], e["reason"]) for e in found["logGroups"]] == [
        ("eu-west-1", "/app/cart", "archived", "/app/*", ""),
        ("eu-west-1", "/app/later", "missed", "/app/*", "not subscribed: run pulumi up"),
        ("eu-west-1", "/app/noisy", "excluded", "/app/noisy", ""),
        ("eu-west-1", "/other", "missed", None, "no entry matches it"),
        ("eu-west-1", CANARY, "excluded", None, "used by the archive itself"),
        ("us-east-1", "/app/cart", "archived", "all", ""),
        ("us-east-1", "/app/noisy", "excluded", "/app/noisy", ""),
        ("us-east-1", "/other", "archived", "all", ""),
        (
            "us-east-1",
            "/rare",
            "missed",
            "all",
            UNSUPPORTED,
        ),
        ("us-east-1", CANARY, "excluded", None, "used by the archive itself"),
    ]
    assert [(each["archived"], each["missed"], each["excluded"]) for each in found["totals"]] == [(1, 2, 2), (2, 1, 2)]


def test_there_is_a_table_for_each_account_and_region_and_one_of_totals(deployed: Stacks) -> None:
    printed = coverage(deployed, config=CONFIG)
    for region in REGIONS:
        assert f"shop, {region}" in [line.strip() for line in printed.splitlines()]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if line.startswith("│")]
    assert ["/other", "missed", "", "no entry matches it"] in rows
    assert rows[-2:] == [["shop", "eu-west-1", "1", "2", "1"], ["shop", "us-east-1", "2", "2", "1"]]


def test_ci_fails_when_a_requirement_is_not_met(deployed: Stacks) -> None:
    coverage(deployed, "--require", "60%", "--require", "/app/*=100%", config=CONFIG)
    printed = coverage(deployed, "--require", "100%", status=1, config=CONFIG)
    assert "3 of 5 log groups that match * are archived, which is less than 100%" in printed


def test_a_filter_that_somebody_blinded_or_diverted_archives_nothing(deployed: Stacks) -> None:
    logs = deployed.client("logs", account="222222222222")
    (own,) = logs.describe_subscription_filters(logGroupName="/app/cart")["subscriptionFilters"]
    kept = {key: own[key] for key in ("filterName", "filterPattern", "destinationArn")} | {"logGroupName": "/app/cart"}
    logs.put_subscription_filter(**{**kept, "filterPattern": '"no event has this"'})
    try:
        printed = coverage(deployed, "--require", "/app/cart=100%", "--json", status=1, config=CONFIG)
    finally:
        logs.put_subscription_filter(**kept)
    assert f'the filter pattern of {own["filterName"]} is \\"no event has this\\" instead of none' in printed
    coverage(deployed, "--require", "/app/cart=100%", config=CONFIG)


def test_what_cannot_be_found_out_has_its_own_exit_status(deployed: Stacks) -> None:
    assert '"all" is not a valid requirement' in coverage(deployed, "--require", "all", status=2, config=CONFIG)
    stranger = {**CONFIG, "applications": [{**SHOP, "account": "777777777777"}]}
    assert "AccessDenied" in coverage(deployed, config=stranger, status=2)
    assert "has 2 problems" in coverage(deployed, config={"archiveStack": "archive", "alarms": 1}, status=2)


def test_it_needs_no_permission_that_the_deployer_role_lacks(deployed: Stacks) -> None:
    coverage(deployed, config=CONFIG)
    mine = [call for call in deployed.ask("calls") if ":222222222222:assumed-role/" in call["principal"]]
    assert {call["action"] for call in mine} >= {"logs:DescribeLogGroups", "logs:DescribeSubscriptionFilters"}
    assert [call for call in mine if not call["allowed"]] == []
