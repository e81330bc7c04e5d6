"""Each rule, on every form that AWS and Pulumi have for what it looks at."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policy.rules import RULES, UNKNOWN, Facts, violations

PROVIDER = Facts(
    "pulumi:providers:aws",
    "home",
    {
        "region": "eu-west-1",
        "allowedAccountIds": '["111111111111"]',
        "assumeRoles": '[{"roleArn":"arn"}]',
        "defaultTags": '{"tags":{"managed-by":"x","central-log-archive:stack":"y"}}',
    },
    "",
    None,
)
ACCOUNT, ORGANIZATION = "222222222222", "o-exampleorg1"


def resource(
    kind: str, name: str = "one", parent: str = "urn", provider: Facts | None = PROVIDER, **props: object
) -> Facts:
    return Facts(f"aws:x/y:{kind}", name, props, parent, provider)


def provider(**props: object) -> Facts:
    return Facts(PROVIDER.type, "other", {**PROVIDER.props, **props}, "", None)


def document(*statements: dict[str, object]) -> str:
    return json.dumps({"Statement": [{"Effect": "Allow", **statement} for statement in statements]})


def problems(rule: str, *resources: Facts) -> list[str]:
    (check,) = (each.check for each in RULES if each.name == rule)
    return [f"{name} {problem}" for name, problem in check(resources)]


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        (document({"Action": "s3:GetObject", "Resource": "arn:x/*"}), []),
        (document({"Action": ["s3:GetObject", "s3:Put*", "*"], "Resource": "arn"}), ["allows s3:Put*", "allows *"]),
        (document({"NotAction": "s3:GetObject", "Resource": "arn"}), ["allows *"]),
        (document({"Action": "s3:GetObject", "Resource": ["arn", "*"]}), ["allows its actions on every resource"]),
        (document({"Action": "s3:GetObject", "NotResource": "arn"}), ["allows its actions on every resource"]),
        (document({"Effect": "Deny", "Action": "*", "Resource": "*"}), []),
        (
            document({"Effect": "Deny", "Action": "*", "Resource": "*"}, {"Action": "s3:*", "Resource": "arn"}),
            ["allows s3:*"],
        ),
        (
            document({"Action": "s3:*", "Resource": "*"}, {"Action": "sns:*", "Resource": "arn"}),
            ["allows s3:*", "allows its actions on every resource", "allows sns:*"],
        ),
        (json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn"}}), ["allows s3:*"]),
        (None, []),
        (UNKNOWN, []),
        (document({"Action": "s3:*", "Resource": UNKNOWN}), []),
    ],
)
def test_a_role_policy_has_no_wildcard_in_an_action_and_not_every_resource(
    policy: str | None, found: list[str]
) -> None:
    assert problems("roles-without-wildcards", resource("RolePolicy", policy=policy)) == [
        f"one {each}" for each in found
    ]


SERVICE, EVERYONE = {"Service": "logs.amazonaws.com"}, {"AWS": "*"}


@pytest.mark.parametrize(
    ("statements", "open_to_all"),
    [
        ([{"Principal": SERVICE}], False),
        ([{"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}], False),
        ([{"Principal": "*"}], True),
        ([{"Principal": EVERYONE}], True),
        ([{"Principal": {"AWS": [ACCOUNT, "*"]}}], True),
        ([{"Principal": SERVICE}, {"Principal": EVERYONE}], True),
        ([{"Effect": "Deny", "Principal": "*"}], False),
        ([{}], False),
    ],
)
def test_a_role_cannot_be_assumed_by_anyone(statements: list[dict[str, object]], *, open_to_all: bool) -> None:
    role = resource("Role", assumeRolePolicy=document(*statements))
    expected = ["one can be assumed by anyone"] if open_to_all else []
    assert problems("roles-without-wildcards", role) == expected


@pytest.mark.parametrize(
    ("statement", "admitted"),
    [
        ({"Principal": {"AWS": ACCOUNT}}, []),
        ({"Principal": {"AWS": [ACCOUNT, "333333333333"]}}, []),
        ({"Principal": EVERYONE, "Condition": {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}}}, []),
        ({"Principal": EVERYONE}, ["*"]),
        ({"Principal": "*"}, ["*"]),
        ({"NotPrincipal": {"AWS": ACCOUNT}}, ["*"]),
        ({"Principal": EVERYONE, "Condition": {"StringLike": {"aws:PrincipalOrgID": "*"}}}, ["*"]),
        ({"Principal": EVERYONE, "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}}, ["*"]),
        ({"Principal": {"AWS": [ACCOUNT, "arn:x", f"{ACCOUNT}3", "*"]}}, ["arn:x", f"{ACCOUNT}3", "*"]),
    ],
)
def test_a_destination_admits_accounts_or_one_organization(statement: dict[str, object], admitted: list[str]) -> None:
    assert problems("known-senders", resource("LogDestinationPolicy", accessPolicy=document(statement))) == [
        f"one admits {each}, which is neither an account nor limited to an organization" for each in admitted
    ]


DENY_WITHOUT_TLS: dict[str, object] = {
    "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}  # fmt: skip
FLAGS: dict[str, Any] = dict.fromkeys(
    ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True
)


def bucket(*, policy: str | None = document(DENY_WITHOUT_TLS), flags: dict[str, Any] = FLAGS) -> list[str]:
    """What is wrong with a bucket."""
    return problems(
        "private-buckets",
        resource("Bucket"),
        *settings(policy=policy, flags=flags),
    )


def settings(
    *, policy: str | None = document(DENY_WITHOUT_TLS), flags: dict[str, Any] = FLAGS, parent: str = "urn"
) -> list[Facts]:
    """The settings of a bucket."""
    return [
        resource("BucketPublicAccessBlock", name="one-public-access-block", parent=parent, **flags),
        resource("BucketServerSideEncryptionConfiguration", name="one-encryption", parent=parent),
        resource("BucketPolicy", name="one-policy", parent=parent, policy=policy),
    ]


@pytest.mark.parametrize(
    "changed",
    [{}, {"Principal": EVERYONE}, {"Principal": {"AWS": ["*"]}}, {"Action": "*"}, {"Action": ["s3:*"]}],
)
def test_a_bucket_policy_denies_requests_without_tls_in_any_form(changed: dict[str, object]) -> None:
    assert bucket(policy=document({"Principal": "*"}, {**DENY_WITHOUT_TLS, **changed})) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"Effect": "Allow"}, {"Principal": {"AWS": ACCOUNT}}, {"Principal": SERVICE}, {"Action": "s3:PutObject"},
        {"Condition": {}}, {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        {"Condition": {"Bool": {"aws:SecureTransport": "false"}, "StringEquals": {"aws:SourceAccount": ACCOUNT}}},
    ],
)  # fmt: skip
def test_a_policy_that_lets_some_requests_without_tls_pass_is_none(changed: dict[str, object]) -> None:
    expected = ["one has no policy that denies requests without TLS"]
    assert bucket(policy=document({**DENY_WITHOUT_TLS, **changed})) == expected
    assert bucket(policy=None) == expected


@pytest.mark.parametrize("flag", FLAGS)
def test_all_public_access_to_a_bucket_is_blocked(flag: str) -> None:
    assert bucket(flags={**FLAGS, flag: UNKNOWN}) == []
    for value in (False, None):
        assert bucket(flags={**FLAGS, flag: value}) == ["one does not block all public access"]


def test_what_belongs_to_another_bucket_does_not_count() -> None:
    parts = settings(parent="other")
    assert len(problems("private-buckets", resource("Bucket"), *parts)) == 3
    assert problems("private-buckets", *parts) == []
    assert len(problems("private-buckets", resource("Bucket"), resource("Bucket", name="two"), *settings())) == 3


@pytest.mark.parametrize(
    ("encryption", "encrypted"),
    [
        ({"enabled": True}, True), (UNKNOWN, True), ({"enabled": UNKNOWN}, True),
        ({"enabled": False}, False), ({}, False), (None, False),
    ],
)  # fmt: skip
def test_a_stream_is_encrypted(encryption: object, *, encrypted: bool) -> None:
    found = problems("encrypted-streams", resource("FirehoseDeliveryStream", serverSideEncryption=encryption))
    assert found == ([] if encrypted else ["one is not encrypted"])


@pytest.mark.parametrize(
    ("arn", "found"),
    [
        ("arn:aws:logs:eu-west-1:1:destination:d", []),
        ("arn:aws:logs:us-east-1:1:destination:d", ["one is in eu-west-1, but its destination is in us-east-1"]),
        ("arn:aws:firehose:us-east-1:1:deliverystream/s", []),
        (UNKNOWN, []),
        (None, []),
    ],
)
def test_a_filter_is_in_the_region_of_its_destination(arn: str | None, found: list[str]) -> None:
    assert problems("filters-at-home", resource("LogSubscriptionFilter", destinationArn=arn)) == found


def test_a_filter_without_a_provider_is_in_no_region() -> None:
    stray = resource("LogSubscriptionFilter", provider=None, destinationArn="arn:aws:logs:eu-west-1:1:destination:d")
    assert problems("filters-at-home", stray) == ["one is in None, but its destination is in eu-west-1"]


@pytest.mark.parametrize(
    ("tags", "missing"),
    [
        ({"tags": {"managed-by": "x", "central-log-archive:stack": "y", "more": "z"}}, None),
        ('{"tags":{"managed-by":"x"}}', "central-log-archive:stack"),
        ({"tags": None}, "central-log-archive:stack and managed-by"),
        (None, "central-log-archive:stack and managed-by"),
        (UNKNOWN, None),
    ],
)
def test_a_provider_tags_its_resources(tags: object, missing: str | None) -> None:
    owner = provider(defaultTags=tags)
    expected = [] if missing is None else [f"other does not tag its resources with {missing}"]
    assert problems("owner-tags", resource("Bucket", provider=owner), resource("Role", provider=owner)) == expected
    assert problems("owner-tags", resource("Bucket", provider=None)) == []


@pytest.mark.parametrize("argument", ["allowedAccountIds", "assumeRoles"])
@pytest.mark.parametrize(
    ("value", "sound"), [("[]", False), ([], False), (None, False), (["x"], True), (UNKNOWN, True)]
)
def test_a_provider_has_its_account_and_role(argument: str, value: object, *, sound: bool) -> None:
    found = problems("explicit-providers", resource("Bucket", provider=provider(**{argument: value})))
    assert found == ([] if sound else [f"other is a provider without {argument}"])


def test_only_resources_of_aws_need_a_provider() -> None:
    component = Facts("central-log-archive:index:CentralLogArchive", "archive", {}, "", None)
    default = Facts(PROVIDER.type, "default_7_51_1", PROVIDER.props, "", None)
    expected = "has no explicit provider, so its account would depend on the default credentials"
    assert problems(
        "explicit-providers", component, resource("Bucket", "a", provider=None), resource("Role", "b", provider=default)
    ) == [f"a {expected}", f"b {expected}"]


def test_a_violation_names_the_resource_the_problem_and_the_rule() -> None:
    stream = resource("FirehoseDeliveryStream")
    role = resource("Role", "two", assumeRolePolicy=document({"Principal": "*"}))
    assert violations([stream, role]) == [
        "two: can be assumed by anyone (roles-without-wildcards)",
        "one: is not encrypted (encrypted-streams)",
    ]
