"""From accounts to an organization and back, in a stack with archive and applications. The tests run in their order."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.prepare import prepare
from tests.sandbox.checkout import copy_project
from tests.sandbox.existing_archive import eventually
from tests.sandbox.stacks import Stacks, archived
from topology.roles import FILTER_ROLE

STACK = "together"
SHOP = "222222222222"
SOURCES = (
    ("eu-west-1", "aws-waf-logs-shop"),  # a filter of Pulumi
    ("eu-west-1", "/aws/lambda/sandbox-1"),  # a filter of the function
    ("us-east-1", "/sandbox/sandbox-1"),  # the account policy
)
REGIONS = {
    "eu-west-1": {"logGroups": ["aws-waf-logs-shop", "/aws/lambda/*"], "autoSubscribe": True},
    "us-east-1": {"all": True},
}


def config(*, organization: bool, roles: bool) -> dict[str, Any]:
    """Return the config of the stack: who may send, and whether it sets ``filterRoles``."""
    archive = {"account": "111111111111", "region": "eu-west-1"}
    senders = {"senders": {"organization": "o-exampleorg1"}} if organization else {}
    application = {"account": SHOP, "alias": "shop", "regions": REGIONS}
    return {"archive": archive | senders, "applications": [application], "filterRoles": roles}


@pytest.fixture(scope="module")
def deployed(stacks: Stacks) -> Iterator[Stacks]:
    """Deploy the stack for accounts, with bootstrap templates that permit filter roles."""
    prepare([stacks.write(config(organization=True, roles=True))], stacks.instance.environment())
    stacks.up(STACK, config(organization=False, roles=False))
    yield stacks
    stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", STACK, config=config(organization=False, roles=False))


@contextlib.contextmanager
def nothing_is_lost(stacks: Stacks) -> Iterator[None]:
    """Write to each source every 200 ms meanwhile; all of it has to arrive."""
    over, written = threading.Event(), set[str]()
    clients = {region: stacks.client("logs", account=SHOP, region=region) for region, _ in SOURCES}
    for region, group in SOURCES:
        with contextlib.suppress(clients[region].exceptions.ResourceAlreadyExistsException):
            clients[region].create_log_stream(logGroupName=group, logStreamName="s")

    def go_on() -> None:
        while not over.wait(0.2):
            now = time.time_ns()
            for region, group in SOURCES:
                message = f"{group} {now}"
                event = {"timestamp": now // 10**6, "message": message}
                clients[region].put_log_events(logGroupName=group, logStreamName="s", logEvents=[event])
                written.add(message)

    def missing() -> set[str]:
        records = archived(stacks, stacks.outputs(STACK)["bucket"])
        return written - {event["message"] for record in records for event in record["logEvents"]}

    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()
    assert eventually(lambda: stacks.ask("idle")["idle"])
    lost = missing()
    assert not lost, f"{len(lost)} of {len(written)} events are lost: {sorted(lost)[:3]}"


def refused(stacks: Stacks, given: dict[str, Any], remedy: str) -> None:
    """Preview and update: both have to fail with the remedy, for each region, and nothing may stop."""
    with nothing_is_lost(stacks):
        for printed in (
            stacks.pulumi("preview", "-s", STACK, config=given, ok=False),
            stacks.up(STACK, given, ok=False),
        ):
            assert [region for region in REGIONS if f"account {SHOP}, region {region}: subscription" in printed] == [
                *REGIONS
            ]
            assert remedy in printed
            assert "Traceback" not in printed


def test_an_organization_is_refused_while_filters_have_no_role(deployed: Stacks) -> None:
    refused(
        deployed,
        config(organization=True, roles=True),
        "set filterRoles: true and remove archive.senders.organization, run pulumi up, then add it again",
    )


def test_nothing_is_lost_if_filters_get_their_roles_before_the_archive_admits_the_organization(
    deployed: Stacks,
) -> None:
    with nothing_is_lost(deployed):
        deployed.up(STACK, config(organization=False, roles=True))
        deployed.up(STACK, config(organization=True, roles=False))  # an organization in the same stack implies roles
    deployed.pulumi("preview", "--expect-no-changes", "-s", STACK, config=config(organization=True, roles=False))


def test_roles_may_not_be_taken_away_on_the_way_back_to_accounts(deployed: Stacks) -> None:
    refused(deployed, config(organization=False, roles=False), "set filterRoles: true")


def test_nothing_is_lost_on_the_way_back_to_accounts_if_filters_keep_their_roles(deployed: Stacks) -> None:
    with nothing_is_lost(deployed):
        deployed.up(STACK, config(organization=False, roles=True))
    refused(deployed, config(organization=False, roles=False), "set filterRoles: true")


FORMER = "archive-filters-shop"
# The component of version 0.1.0 created the role of its filters, and whatever used it waited for it.
CREATES_ROLE = """
        own = self._scope(next(iter(args.application.regions))).child()
        trust = {"Effect": "Allow", "Principal": {"Service": "logs.amazonaws.com"}, "Action": "sts:AssumeRole"}
        put = {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}
        role = aws.iam.Role(f"{name}-filter-role", name=f"archive-filters-{name}", opts=own,
                            assume_role_policy=json.dumps({"Statement": [trust]}))
        policy = aws.iam.RolePolicy(f"{name}-filter-policy", role=role.name, opts=own,
                                    policy=json.dumps({"Statement": [put]}))
        destinations = {region: pulumi.Output.all(arn, role.id, policy.id).apply(lambda known: known[0])
                        for region, arn in args.archive.destinations.items()}
        self._args = args = replace(args, archive=replace(args.archive, destinations=destinations))
"""
ALLOWED_BY_FORMER_TEMPLATE = {
    "Effect": "Allow",
    "Action": ["iam:CreateRole", "iam:PassRole", "iam:PutRolePolicy", "iam:TagRole"],
    "Resource": f"arn:aws:iam::{SHOP}:role/archive-filters-*",
}


def former_version(folder: Path) -> None:
    """Write the program into a folder, with the filters' role as version 0.1.0 created it."""
    copy_project(folder)
    for name, old, new in (
        ("topology/roles.py", f'"{FILTER_ROLE}"', f'"{FORMER}"'),
        ("components/app_account_subscription/component.py", "import dataclass\n", "import dataclass, replace\n"),
        ("components/app_account_subscription/component.py", "import pulumi\n", "import json\n\nimport pulumi\n"),
        (
            "components/app_account_subscription/component.py",
            "self._name, self._args = name, args\n",
            f"self._name, self._args = name, args{CREATES_ROLE}",
        ),
    ):
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")


def roles_of_filters(stacks: Stacks) -> set[str]:
    """Return the names of the roles of all filters and policies of the application account."""
    arns = set()
    for region in REGIONS:
        logs = stacks.client("logs", account=SHOP, region=region)
        for group in logs.describe_log_groups()["logGroups"]:
            found = logs.describe_subscription_filters(logGroupName=group["logGroupName"])["subscriptionFilters"]
            arns |= {each["roleArn"] for each in found}
        for policy in logs.describe_account_policies(policyType="SUBSCRIPTION_FILTER_POLICY")["accountPolicies"]:
            arns.add(json.loads(policy["policyDocument"])["RoleArn"])
    return {arn.rpartition("/")[2] for arn in arns}


def test_nothing_is_lost_while_filters_turn_from_the_role_of_version_0_1_0_to_that_of_the_template(
    deployed: Stacks, tmp_path: Path
) -> None:
    given, iam = config(organization=True, roles=True), deployed.client("iam", account=SHOP)
    former_version(tmp_path / "former")
    deployer = {"RoleName": "central-log-archive-deployer", "PolicyName": "former"}
    iam.put_role_policy(**deployer, PolicyDocument=json.dumps({"Statement": [ALLOWED_BY_FORMER_TEMPLATE]}))
    file = str(deployed.write(given))
    deployed.pulumi("-C", str(tmp_path / "former"), "up", "--yes", "--skip-preview", "-s", STACK, "--config-file", file)
    iam.delete_role_policy(**deployer)
    assert roles_of_filters(deployed) == {FORMER}
    with nothing_is_lost(deployed):
        deployed.up(STACK, given)
    assert roles_of_filters(deployed) == {FILTER_ROLE}
    assert FORMER not in [role["RoleName"] for role in iam.list_roles()["Roles"]]
    deployed.pulumi("preview", "--expect-no-changes", "-s", STACK, config=given)
    deployed.up(STACK, config(organization=False, roles=True))
