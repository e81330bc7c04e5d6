"""Each rule, on every form that AWS and Pulumi have for what it looks at."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policy.documents import JUSTIFIED, SECRET, UNKNOWN
from policy.rules import RULES, Facts, named_in, violations

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
OWN, ACCOUNT, STRANGER = "111111111111", "222222222222", "666666666666"
ORGANIZATION = "o-exampleorg1"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


def resource(
    kind: str, name: str = "one", parent: str = "urn", provider: Facts | None = PROVIDER, **props: object
) -> Facts:
    return Facts(f"aws:x/y:{kind}", name, props, parent, provider, named_in([f'["{ACCOUNT}", "{ORGANIZATION}"]']))


def provider(**props: object) -> Facts:
    return Facts(PROVIDER.type, "other", {**PROVIDER.props, **props}, "", None)


def document(*statements: dict[str, object]) -> str:
    return json.dumps({"Statement": [{"Effect": "Allow", **statement} for statement in statements]})


def problems(rule: str, *resources: Facts) -> list[str]:
    (check,) = (each.check for each in RULES if each.name == rule)
    return [f"{name} {problem}" for name, problem in check(resources)]


def carriers(document: str) -> list[dict[str, Any]]:
    """The inputs in which AWS's resource types carry a document, and some that no type has yet."""
    return [
        {"policy": document},
        {"policy": json.loads(document)},
        {"assumeRolePolicy": f"  {document}"},
        {"inlinePolicies": [{"name": "one", "policy": document}]},
        {"accessPolicy": document},
        {"policyDocument": document},
        {"resourcePolicy": {"nested": [json.dumps({"again": document})]}},
        {"templateBody": json.dumps({"Resources": {"Role": {"Properties": {"Policy": json.loads(document)}}}})},
    ]


CARRIERS = range(len(carriers("{}")))
GET: dict[str, object] = {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::one/*"}


def found(rule: str, statement: dict[str, object], carrier: int = 0) -> list[str]:
    """What a rule says of a statement, without the name of the resource."""
    lines = problems(rule, resource("Anything", **carriers(document(statement))[carrier]))
    return [line.removeprefix("one ") for line in lines]


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_document_is_judged_wherever_a_resource_carries_it(carrier: int) -> None:
    assert found("no-wildcards", GET, carrier) == []
    assert found("no-wildcards", {**GET, "Action": "s3:*"}, carrier) == ["allows s3:*"]
    assert found("no-strangers", {**GET, "Principal": {"AWS": ["*"]}}, carrier) == ["admits anyone"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"Action": ["s3:GetObject", "s3:Put*", "*"]}, ["allows s3:Put*", "allows *"]),
        ({"Action": "S3:*"}, ["allows S3:*"]),
        ({"Action": "s3:?etObject"}, ["allows s3:?etObject"]),
        ({"Resource": ["arn:aws:s3:::one", "*"]}, ["allows its actions on every resource"]),
        ({"Resource": "arn:aws:s3:::*"}, ["allows its actions on arn:aws:s3:::*"]),
        ({"Resource": "arn:aws:s3:::?*/logs"}, ["allows its actions on arn:aws:s3:::?*/logs"]),
        ({"Resource": f"arn:aws:kms:*:{OWN}:key/one"}, [f"allows its actions on arn:aws:kms:*:{OWN}:key/one"]),
        ({"Resource": f"arn:aws:iam::{OWN}:role/*"}, [f"allows its actions on arn:aws:iam::{OWN}:role/*"]),
        ({"Resource": f"arn:aws:iam::{OWN}:role/archive-*"}, []),
        ({"Resource": f"arn:aws:logs:eu-west-1:{OWN}:log-group:name:*"}, []),
        ({"Resource": f"arn:aws:glue:eu-west-1:{OWN}:table/name/*"}, []),
        ({"Effect": "Deny", "Action": "*", "Resource": "*"}, []),
        ({"Action": "s3:*", "Resource": UNKNOWN}, ["allows s3:*"]),
        ({"Action": UNKNOWN, "Resource": "*"}, ["allows its actions on every resource"]),
        ({"Action": "s3:*", "Effect": UNKNOWN}, ["allows s3:*"]),
        ({"Principal": {"AWS": OWN}, "Resource": "*"}, []),  # it is the resource that carries the document
        ({"Principal": {"AWS": OWN}, "Resource": "*", "Action": "kms:*"}, ["allows kms:*"]),
    ],
)
def test_a_policy_has_no_wildcard_in_an_action_and_is_not_for_every_resource(
    changed: dict[str, object], expected: list[str]
) -> None:
    assert found("no-wildcards", {**GET, **changed}) == expected


def test_a_policy_that_allows_everything_but_something_allows_everything() -> None:
    assert found("no-wildcards", {"NotAction": "s3:GetObject", "Resource": "arn:aws:s3:::one"}) == ["allows *"]
    assert found("no-wildcards", {"Action": "s3:GetObject", "NotResource": "arn:aws:s3:::one"}) == [
        "allows its actions on every resource"
    ]


def test_every_statement_of_a_document_is_judged_however_it_is_spelled() -> None:
    several = document({**GET, "Effect": "Deny"}, {**GET, "Action": "s3:*"}, {**GET, "Action": "sns:*"})
    assert problems("no-wildcards", resource("RolePolicy", policy=several)) == ["one allows s3:*", "one allows sns:*"]
    for one in (
        {"Statement": {"Effect": "Allow", **GET, "Action": "s3:*"}},
        {"statement": [{"effect": "Allow", "action": "s3:*", "resource": "arn:aws:s3:::one"}]},
    ):
        assert problems("no-wildcards", resource("RolePolicy", policy=json.dumps(one))) == ["one allows s3:*"]


@pytest.mark.parametrize("value", [None, UNKNOWN, "", "{", "[" * 100_000, '{"Statement": "one"}', '{"Statement": []}'])
def test_what_is_unknown_or_no_document_violates_nothing(value: object) -> None:
    assert violations([resource("RolePolicy", policy=value)]) == []


SERVICE, EVERYONE = {"Service": "logs.amazonaws.com"}, {"AWS": "*"}
OF_ACCOUNT = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": OWN}, {"AWS": [ACCOUNT, OWN]}, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/one"]}, UNKNOWN, {"AWS": UNKNOWN},
    ],
)  # fmt: skip
def test_the_accounts_of_the_stack_file_and_of_the_provider_are_admitted(principal: object) -> None:
    assert found("no-strangers", {**GET, "Principal": principal}) == []


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ("*", "admits anyone"),
        (["*"], "admits anyone"),
        ({"AWS": "*"}, "admits anyone"),
        ({"AWS": ["*"]}, "admits anyone"),
        ({"AWS": [ACCOUNT, "*"]}, "admits anyone"),
        ({"AWS": [UNKNOWN, "*"]}, "admits anyone"),
        ({"aws": "*"}, "admits anyone"),
        ({"AWS": "arn:aws:iam::*:root"}, "admits anyone"),
        ({"AWS": f"arn:aws:iam::{STRANGER}:root"}, f"admits arn:aws:iam::{STRANGER}:root, which the stack file"),
        ({"AWS": STRANGER}, f"admits {STRANGER}, which the stack file does not name"),
        ({"AWS": f"arn:aws:iam::{STRANGER}:role/{UNKNOWN}"}, f"admits arn:aws:iam::{STRANGER}:role/{UNKNOWN}, which"),
        ({"AWS": f"{ACCOUNT}3"}, f"admits {ACCOUNT}3, which the stack file does not name"),
        ({"AWS": "AIDAEXAMPLE"}, "admits AIDAEXAMPLE, which the stack file does not name"),
        ({"Federated": f"arn:aws:iam::{OWN}:oidc-provider/x"}, f"admits arn:aws:iam::{OWN}:oidc-provider/x, which"),
        ({"CanonicalUser": "79a59d"}, "admits 79a59d, which the stack file does not name"),
        (SERVICE, "admits logs.amazonaws.com on behalf of any account"),
        ({"Service": "lambda.amazonaws.com"}, "admits lambda.amazonaws.com on behalf of any account"),
    ],
)
def test_nobody_else_is_admitted(principal: object, expected: str) -> None:
    (problem,) = found("no-strangers", {**GET, "Principal": principal})
    assert problem.startswith(expected)
    assert found("no-strangers", {**GET, "Principal": principal, "Effect": "Deny"}) == []


@pytest.mark.parametrize(
    "condition",
    [
        OF_ACCOUNT, UNKNOWN, {"StringEquals": UNKNOWN}, {"StringEquals": {"aws:SourceArn": UNKNOWN}},
        {"StringEquals": {"AWS:sourceaccount": [OWN, ACCOUNT]}},
        {"StringLike": {"aws:SourceArn": f"arn:aws:logs:*:{ACCOUNT}:*"}},
        {"ArnLike": {"aws:SourceArn": [f"arn:aws:cloudwatch:eu-west-1:{ACCOUNT}:alarm:*"]}},
        {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}},
        {"StringEquals": {"aws:SourceOrgID": [ORGANIZATION]}},
        {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{ORGANIZATION}/r-ab12/*"}},
        {**OF_ACCOUNT, "Bool": {"aws:SecureTransport": "true"}},
    ],
)  # fmt: skip
@pytest.mark.parametrize("principal", ["*", EVERYONE, SERVICE])
def test_a_condition_on_an_account_or_organization_narrows(principal: object, condition: object) -> None:
    assert found("no-strangers", {**GET, "Principal": principal, "Condition": condition}) == []


@pytest.mark.parametrize(
    "condition",
    [
        {}, {"StringEquals": {}}, {"StringEquals": {"aws:SourceAccount": []}},
        {"StringLike": {"aws:PrincipalOrgID": "*"}},
        {"StringLike": {"aws:PrincipalOrgID": "o-*"}},
        {"StringLike": {"aws:SourceArn": f"*{UNKNOWN}*"}},
        {"StringLike": {"aws:SourceArn": "arn:aws:logs:*:*:*"}},
        {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::any"}},
        {"StringEquals": {"aws:SourceAccount": [ACCOUNT, STRANGER]}},
        {"StringEquals": {"aws:PrincipalOrgID": "o-someoneelse"}},
        {"StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT}},
        {"ForAllValues:StringEquals": {"aws:SourceAccount": ACCOUNT}},
        {"StringNotEquals": {"aws:SourceAccount": STRANGER}},
        {"Null": {"aws:SourceAccount": "false"}},
        {"Bool": {"aws:SecureTransport": "true"}},
        {"StringEquals": {"aws:ResourceAccount": ACCOUNT}},
        {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
    ],
)  # fmt: skip
@pytest.mark.parametrize("principal", ["*", EVERYONE, SERVICE])
def test_any_other_condition_does_not(principal: object, condition: object) -> None:
    assert len(found("no-strangers", {**GET, "Principal": principal, "Condition": condition})) == 1


@pytest.mark.parametrize("key", ["sts:ExternalId", "kms:EncryptionContext:aws:logs:arn"])
def test_what_the_caller_chooses_narrows_requests_of_services_only(key: str) -> None:
    condition = {"StringEquals": {key: OWN}}
    assert found("no-strangers", {**GET, "Principal": SERVICE, "Condition": condition}) == []
    assert found("no-strangers", {**GET, "Principal": "*", "Condition": condition}) == ["admits anyone"]


def test_anyone_but_someone_is_anyone() -> None:
    assert found("no-strangers", {**GET, "NotPrincipal": {"AWS": OWN}}) == ["admits anyone but those in NotPrincipal"]


def test_a_role_may_act_on_resources_of_the_stacks_accounts_only() -> None:
    (problem,) = found("no-strangers", {**GET, "Resource": f"arn:aws:firehose:eu-west-1:{STRANGER}:deliverystream/x"})
    assert problem.endswith("in an account that the stack file does not name")


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"principal": "events.amazonaws.com", "sourceArn": f"arn:aws:events:eu-west-1:{OWN}:rule/one"}, []),
        ({"principal": "events.amazonaws.com", "sourceArn": UNKNOWN}, []),
        ({"principal": "events.amazonaws.com"}, ["admits events.amazonaws.com on behalf of any account"]),
        ({"principal": "events.amazonaws.com", "sourceAccount": ACCOUNT}, []),
        ({"principal": "*"}, ["admits anyone"]),
        ({"principal": "*", "principalOrgId": ORGANIZATION}, []),
        ({"principal": STRANGER}, [f"admits {STRANGER}, which the stack file does not name"]),
        ({"principal": f"arn:aws:iam::{ACCOUNT}:role/one"}, []),
        ({"granteePrincipal": STRANGER}, [f"admits {STRANGER}, which the stack file does not name"]),
        ({"allowedPrincipals": [ACCOUNT, "*"]}, ["admits anyone"]),
        ({"acl": "private"}, []),
        ({"acl": "public-read"}, ["is open to anyone: acl is public-read"]),
        ({"authorizationType": "NONE"}, ["is open to anyone: authorizationType is NONE"]),
        (
            {
                "accessControlPolicy": {
                    "grants": [{"grantee": {"uri": "http://acs.amazonaws.com/groups/global/AllUsers"}}]
                }
            },
            ["is open to anyone: uri is http://acs.amazonaws.com/groups/global/AllUsers"],
        ),
    ],
)
def test_a_permission_without_a_document_is_judged_like_a_statement(
    inputs: dict[str, Any], expected: list[str]
) -> None:
    permission = resource("Permission", action="lambda:InvokeFunction", **inputs)
    assert problems("no-strangers", permission) == [f"one {each}" for each in expected]


def test_a_permission_without_a_document_has_no_wildcard() -> None:
    permission = resource("Permission", principal=OWN, action="lambda:*")
    assert problems("no-wildcards", permission) == ["one allows lambda:*"]


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"policyArn": ADMINISTRATOR}, [f"attaches a managed policy, {ADMINISTRATOR}"]),
        ({"policyArn": f"arn:aws:iam::{STRANGER}:policy/any"}, [f"attaches a managed policy, arn:aws:iam::{STRANGER}"]),
        ({"policyArn": UNKNOWN}, ["attaches a managed policy"]),
        ({"managedPolicyArns": [ADMINISTRATOR]}, [f"attaches a managed policy, {ADMINISTRATOR}"]),
        ({"managedPolicyArns": [UNKNOWN]}, ["attaches a managed policy"]),
        ({"permissionsBoundary": f"arn:aws:iam::{OWN}:policy/boundary"}, []),
        ({"policy": SECRET}, ["hides policy as a secret, which cannot be reviewed"]),
        ({"roleArn": f"arn:aws:iam::{OWN}:role/one"}, []),
    ],
)
def test_permissions_are_in_documents_that_can_be_read(inputs: dict[str, Any], expected: list[str]) -> None:
    found = problems("readable-policies", resource("Attachment", **inputs))
    assert len(found) == len(expected)
    assert all(line.startswith(f"one {start}") for line, start in zip(found, expected, strict=True))


def test_every_exception_has_a_reason_and_is_for_its_actions_only() -> None:
    assert all(each.reason and each.actions for each in JUSTIFIED)
    functions = {"Principal": {"Service": "lambda.amazonaws.com"}}
    groups = {"Resource": f"arn:aws:logs:eu-west-1:{OWN}:log-group:*"}
    assert found("no-strangers", {**functions, "Action": "sts:AssumeRole"}) == []
    assert found("no-wildcards", {**groups, "Action": "logs:PutLogEvents"}) == []
    assert len(found("no-wildcards", {**groups, "Action": ["logs:PutLogEvents", "logs:DeleteLogGroup"]})) == 1


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (f'{{"account":"{ACCOUNT}","organization":"{ORGANIZATION}"}}', {ACCOUNT, ORGANIZATION}),
        (f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-{STRANGER}", {ACCOUNT}),
        (f'"{ACCOUNT}3"', set()),
    ],
)
def test_a_stack_names_accounts_and_organizations_in_its_config(config: str, expected: set[str]) -> None:
    assert named_in([config]) == expected


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


@pytest.mark.parametrize("kind", ["Bucket", "BucketV2", "DirectoryBucket"])
def test_a_bucket_of_any_type_is_private(kind: str) -> None:
    assert len(problems("private-buckets", resource(kind))) == 3


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
    role = resource("Role", "two", assumeRolePolicy=document({"Principal": "*", "Action": "sts:AssumeRole"}))
    assert violations([stream, role]) == [
        "two: admits anyone (no-strangers)",
        "one: is not encrypted (encrypted-streams)",
    ]
