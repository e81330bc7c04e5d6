"""The rules of ``policy/`` on the program's own graph, and on graphs that each violate one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from policy.documents import UNKNOWN
from policy.rules import RULES, Facts, named_in, violations
from tests.graph.recorded_graphs import STACKS, graph_of
from tests.graph.recorder import Graph, record
from tests.stacks import config_of


def facts_of(graph: Graph, config: dict[str, Any]) -> list[Facts]:
    providers = {p.urn: Facts(p.type, p.name, p.inputs, p.parent, None) for p in graph.of_type("aws")}
    named = named_in([json.dumps(config)])
    return [
        providers.get(each.urn)
        or Facts(each.type, each.name, each.inputs, each.parent, providers.get(each.provider), named)
        for each in graph.resources
    ]


@pytest.fixture(scope="module")
def sound() -> list[Facts]:
    """Return a graph with everything that the program can create."""
    archive = {**config_of("archive")["archive"], "key": "create", "alarms": "create", "transform": "bundled"}
    organization = {**archive["senders"], "organization": "o-exampleorg1"}
    applications = config_of("app-dev")["applications"]
    config = {"archive": {**archive, "senders": organization}, "applications": applications}
    return facts_of(record(config), config)


Change = Callable[[Facts], Facts | None]


def changed(facts: list[Facts], kind: str, change: Change) -> list[Facts]:
    """Return the graph with a change of the first resource of a kind; a change to None removes it."""
    first = next(each for each in facts if each.type.endswith(f":{kind}"))
    return [new for each in facts if (new := change(each) if each is first else each) is not None]


def with_props(**props: Any) -> Change:  # noqa: ANN401 - values of inputs
    return lambda each: replace(each, props={**each.props, **props})


def with_statement(key: str, **changes: Any) -> Change:  # noqa: ANN401 - parts of a policy document
    def change(each: Facts) -> Facts:
        document = json.loads(each.props[key])
        document["Statement"][0] |= changes
        return with_props(**{key: json.dumps(document)})(each) or each

    return change


def with_provider(**props: Any) -> Change:  # noqa: ANN401 - as above
    def change(each: Facts) -> Facts:
        assert each.provider is not None
        return replace(each, provider=replace(each.provider, name="other", props={**each.provider.props, **props}))

    return change


def gone(_: Facts) -> None:
    return None


ADMINISTRATOR, STRANGER = "arn:aws:iam::aws:policy/AdministratorAccess", "666666666666"
VIOLATIONS: list[tuple[str, str, Change, str]] = [
    ("explicit-providers", "Bucket", lambda e: replace(e, provider=None), "archive-bucket: has no explicit provider"),
    (
        "explicit-providers",
        "Bucket",
        lambda e: replace(e, provider=e.provider and replace(e.provider, name="default_7_51_1")),
        "archive-bucket: has no explicit provider",
    ),
    ("explicit-providers", "Bucket", with_provider(allowedAccountIds=None), "other: is a provider without allowedAc"),
    ("explicit-providers", "Bucket", with_provider(assumeRoles="[]"), "other: is a provider without assumeRoles"),
    (
        "owner-tags",
        "Bucket",
        with_provider(defaultTags='{"tags": {"managed-by": "x"}}'),
        "other: does not tag its resources with central-log-archive:stack",
    ),
    (
        "private-buckets",
        "BucketPublicAccessBlock",
        with_props(blockPublicPolicy=False),
        "archive-bucket: does not block all public access",
    ),
    ("private-buckets", "BucketPublicAccessBlock", gone, "archive-bucket: does not block all public access"),
    (
        "private-buckets",
        "BucketServerSideEncryptionConfiguration",
        gone,
        "archive-bucket: has no default encryption",
    ),
    ("private-buckets", "BucketPolicy", gone, "archive-bucket: has no policy that denies requests without TLS"),
    (
        "private-buckets",
        "BucketPolicy",
        with_statement("policy", Effect="Allow"),
        "archive-bucket: has no policy that denies requests without TLS",
    ),
    ("no-wildcards", "RolePolicy", with_statement("policy", Action=["s3:*"]), "allows s3:*"),
    ("no-wildcards", "RolePolicy", with_statement("policy", Resource="*"), "on every resource"),
    ("no-strangers", "Role", with_statement("assumeRolePolicy", Principal={"AWS": "*"}), "admits anyone"),
    ("readable-policies", "Role", with_props(managedPolicyArns=[ADMINISTRATOR]), f"a managed policy, {ADMINISTRATOR}"),
    ("encrypted-streams", "FirehoseDeliveryStream", with_props(serverSideEncryption=None), "is not encrypted"),
    ("encrypted-streams", "FirehoseDeliveryStream", with_props(serverSideEncryption={"enabled": False}), "is not enc"),
    (
        "filters-at-home",
        "LogSubscriptionFilter",
        with_props(destinationArn="arn:aws:logs:ap-south-1:111111111111:destination:d"),
        ", but its destination is in ap-south-1",
    ),
    (
        "no-strangers",
        "LogDestinationPolicy",
        with_statement("accessPolicy", Principal={"AWS": [STRANGER]}),
        f"admits {STRANGER}, which the stack file does not name",
    ),
]


def test_the_programs_own_graph_violates_no_rule(sound: list[Facts]) -> None:
    assert violations(sound) == []


@pytest.mark.parametrize("stack", STACKS)
def test_the_graphs_of_the_tests_stacks_violate_no_rule(stack: str) -> None:
    assert violations(facts_of(graph_of(stack), config_of(stack, STACKS[stack].parent))) == []


@pytest.mark.parametrize(("rule", "kind", "change", "problem"), VIOLATIONS)
def test_a_violation_is_reported_with_its_problem_and_rule(
    sound: list[Facts], rule: str, kind: str, change: Change, problem: str
) -> None:
    found = violations(changed(sound, kind, change))
    assert any(problem in violation and violation.endswith(f"({rule})") for violation in found)


def test_every_rule_has_a_graph_that_violates_it() -> None:
    assert {rule for rule, *_ in VIOLATIONS} == {rule.name for rule in RULES}


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("BucketPolicy", "policy"), ("RolePolicy", "policy"), ("Role", "assumeRolePolicy"),
        ("LogDestinationPolicy", "accessPolicy"), ("LogSubscriptionFilter", "destinationArn"),
    ],
)  # fmt: skip
def test_a_value_that_is_unknown_in_a_preview_violates_no_rule(sound: list[Facts], kind: str, key: str) -> None:
    assert violations(changed(sound, kind, with_props(**{key: UNKNOWN}))) == []
