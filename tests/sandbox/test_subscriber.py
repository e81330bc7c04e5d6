"""The function that subscribes new log groups really runs. The tests run in their order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.prepare import prepare
from tests.sandbox.existing_archive import eventually
from tests.sandbox.ops_command import coverage
from tests.sandbox.stacks import Stacks, archived, write
from tests.stacks import config_of

AUTO, PULUMIS = "central-log-archive.auto.eu-west-1", "central-log-archive.eu-west-1"
NAME = "central-log-archive-subscriber"


def config(*groups: Any, auto: bool = True, **region: Any) -> dict[str, Any]:  # noqa: ANN401 - as in a stack file
    wanted = {"logGroups": list(groups), **({"autoSubscribe": True} if auto else {}), **region}
    shop = {"account": "222222222222", "alias": "shop", "regions": {"eu-west-1": wanted}}
    return {"archiveStack": "archive", "alarms": True, "applications": [shop]}


APP = config("/app/*", "/named", exclude=["/app/noisy-*"])


@pytest.fixture(scope="module")
def deployed(stacks: Stacks) -> Iterator[Stacks]:
    archive = {"archive": {**config_of("archive")["archive"], "alarms": "create"}}
    prepare([stacks.write({**archive, **APP, "archiveStack": ""})], stacks.instance.environment())
    stacks.up("archive", archive)
    logs = stacks.client("logs", account="222222222222")
    for name in ("/app/before", "/app/noisy-before", "/other"):
        logs.create_log_group(logGroupName=name)
    stacks.up("app-dev", APP)
    yield stacks
    for stack in ("app-dev", "archive"):
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)


def filters(stacks: Stacks, group: str) -> list[str]:
    found = stacks.client("logs", account="222222222222").describe_subscription_filters(logGroupName=group)
    return [each["filterName"] for each in found["subscriptionFilters"]]


def create(stacks: Stacks, group: str, **more: str) -> None:
    stacks.client("logs", account="222222222222").create_log_group(logGroupName=group, **more)


SCHEDULE = {"detail-type": "Scheduled Event"}


def run(stacks: Stacks, event: dict[str, Any] = SCHEDULE) -> dict[str, int]:
    """Invoke the function, as the hourly check does; return how many filters it put and deleted."""
    function = stacks.client("lambda", account="222222222222")
    response = function.invoke(FunctionName=NAME, Payload=json.dumps(event).encode())
    counts: dict[str, int] = json.loads(response["Payload"].read())
    return counts


def test_the_first_up_subscribes_what_matches_and_pulumi_manages_names(deployed: Stacks) -> None:
    assert filters(deployed, "/app/before") == [AUTO]
    assert filters(deployed, "/named") == [PULUMIS]
    assert filters(deployed, "/app/noisy-before") == filters(deployed, "/other") == filters(deployed, NAME) == []


def test_a_preview_and_a_refresh_find_nothing_to_change(deployed: Stacks) -> None:
    deployed.pulumi("preview", "--expect-no-changes", "-s", "app-dev", config=APP)
    deployed.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "-s", "app-dev", config=APP)


def test_a_log_group_that_is_created_after_up_is_archived_without_another_up(deployed: Stacks) -> None:
    create(deployed, "/app/later")
    create(deployed, "/app/noisy-later")
    create(deployed, "/app/rare", logGroupClass="INFREQUENT_ACCESS")
    assert eventually(lambda: filters(deployed, "/app/later") == [AUTO])
    write(deployed, "of a later group", group="/app/later")
    bucket = deployed.outputs("archive")["bucket"]
    assert eventually(lambda: "of a later group" in json.dumps(archived(deployed, bucket)))
    (record,) = [each for each in archived(deployed, bucket) if each["logGroup"] == "/app/later"]
    assert record["subscriptionFilters"] == [AUTO]
    assert filters(deployed, "/app/noisy-later") == filters(deployed, "/app/rare") == []


def test_the_hourly_check_puts_missing_filters_and_changes_no_others(deployed: Stacks) -> None:
    logs = deployed.client("logs", account="222222222222")
    logs.delete_subscription_filter(logGroupName="/app/later", filterName=AUTO)
    assert run(deployed) == {"put": 1, "deleted": 0}
    assert filters(deployed, "/app/later") == [AUTO]
    assert run(deployed) == {"put": 0, "deleted": 0}


@pytest.mark.parametrize(
    "event",
    [
        {"tf": {"action": "delete"}},
        {"detail": {"eventName": "CreateLogGroup", "requestParameters": {
            "logGroupName": "/app/later", "logGroupClass": "INFREQUENT_ACCESS",
        }}},
    ],
    ids=str,
)  # fmt: skip
def test_whoever_may_invoke_the_function_cannot_make_it_take_filters_away(
    deployed: Stacks, event: dict[str, Any]
) -> None:
    assert run(deployed, event) == {"put": 0, "deleted": 0}
    assert filters(deployed, "/app/before") == filters(deployed, "/app/later") == [AUTO]


def test_coverage_includes_the_filters_of_the_function(deployed: Stacks) -> None:
    found = json.loads(coverage(deployed, "--json", config=APP))
    by_name = {each["logGroup"]: (each["status"], each["entry"]) for each in found["logGroups"]}
    assert by_name["/app/later"] == ("archived", "/app/*")
    assert by_name["/named"] == ("archived", "/named")
    assert by_name[NAME] == ("excluded", None)


def test_a_log_group_that_cannot_be_subscribed_causes_a_dead_letter(deployed: Stacks) -> None:
    iam = deployed.client("iam", account="222222222222")
    role = {"RoleName": NAME, "PolicyName": "subscribe-log-groups"}
    document = iam.get_role_policy(**role)["PolicyDocument"]
    allowed = [each for each in document["Statement"] if each["Sid"] != "SubscribeToArchive"]
    iam.put_role_policy(**role, PolicyDocument=json.dumps({**document, "Statement": allowed}))
    sqs = deployed.client("sqs", account="222222222222")
    url = sqs.get_queue_url(QueueName=NAME)["QueueUrl"]
    try:
        create(deployed, "/app/denied")
        letters: list[Any] = []

        def received() -> bool:
            letters.extend(sqs.receive_message(QueueUrl=url).get("Messages", []))
            return bool(letters)

        assert eventually(received)
    finally:
        iam.put_role_policy(**role, PolicyDocument=json.dumps(document))
    assert '"logGroupName": "/app/denied"' in letters[0]["Body"]
    assert run(deployed) == {"put": 1, "deleted": 0}


def test_a_log_group_that_no_longer_matches_loses_the_filter_of_the_function_and_no_other(deployed: Stacks) -> None:
    logs = deployed.client("logs", account="222222222222")
    destination = deployed.outputs("archive")["destinations"]["eu-west-1"]
    logs.put_subscription_filter(
        logGroupName="/app/before", filterName="siem", filterPattern="", destinationArn=destination
    )
    narrowed = config("/app/l*", "/named", {"name": "/app/denied", "filterPattern": "ERROR"})
    deployed.up("app-dev", narrowed)
    assert filters(deployed, "/app/before") == ["siem"]
    assert filters(deployed, "/app/denied") == [PULUMIS]
    assert filters(deployed, "/app/later") == [AUTO]
    deployed.up("app-dev", APP)
    assert filters(deployed, "/app/before") == [AUTO, "siem"]


OTHERS = ["siem", "siem-2", "siem-3", "siem-4"]
"""Filters of others, as many as leave room for one."""


def test_no_log_group_is_unsubscribed_while_pulumi_and_the_function_hand_over(deployed: Stacks) -> None:
    logs = deployed.client("logs", account="222222222222")
    deployed.up("app-dev", config("/app/*", "/named", auto=False, exclude=["/app/noisy-*"]))
    assert filters(deployed, "/app/later") == [PULUMIS]
    assert filters(deployed, "/app/before") == [PULUMIS, "siem"]
    functions = deployed.client("lambda", account="222222222222")
    assert NAME not in [each["FunctionName"] for each in functions.list_functions()["Functions"]]
    destination = deployed.outputs("archive")["destinations"]["eu-west-1"]
    for name in OTHERS[1:]:
        logs.put_subscription_filter(
            logGroupName="/app/before", filterName=name, filterPattern="", destinationArn=destination
        )
    deployed.up("app-dev", APP)
    assert filters(deployed, "/app/later") == [AUTO]
    # There was no room, so the function left it to the next check.
    assert filters(deployed, "/app/before") == OTHERS
    assert run(deployed) == {"put": 1, "deleted": 0}


def test_no_call_of_the_function_was_denied_but_those_that_a_test_denies(deployed: Stacks) -> None:
    mine = [call for call in deployed.ask("calls") if f":assumed-role/{NAME}/" in call["principal"]]
    assert {call["action"] for call in mine if not call["allowed"]} <= {"logs:PutSubscriptionFilter"}
    assert {call["action"] for call in mine if call["allowed"]} >= {
        "logs:DeleteSubscriptionFilter", "logs:DescribeLogGroups", "logs:DescribeSubscriptionFilters",
        "logs:PutSubscriptionFilter",
    }  # fmt: skip


def test_destroying_the_stack_deletes_every_filter_of_the_function(deployed: Stacks) -> None:
    deployed.pulumi("destroy", "--yes", "--skip-preview", "-s", "app-dev")
    groups = ("/app/before", "/app/later", "/app/denied", "/named")
    assert {group: filters(deployed, group) for group in groups} == {
        "/app/before": OTHERS, "/app/later": [], "/app/denied": [], "/named": [],
    }  # fmt: skip
    assert deployed.client("events", account="222222222222").list_rules()["Rules"] == []
    assert not deployed.client("sqs", account="222222222222").list_queues().get("QueueUrls")
