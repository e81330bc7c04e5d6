"""The rules for every stack, whatever its stack file says. They run in the policy pack and on previews.

A rule depends neither on Pulumi nor on the format of previews: it takes the resources of a stack and yields violations.
A value that is unknown until the update passes; the policy pack checks it again during the update.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from topology import policies
from topology.policies import as_list

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Placeholder in a preview for a value that is unknown until the update."""

_PROVIDER = "pulumi:providers:aws"
_TAGS = {"managed-by", "central-log-archive:stack"}


@dataclass(frozen=True)
class Facts:
    """A resource as rules see it: type, logical name, inputs, URN of its parent, and its provider, if any."""

    type: str
    name: str
    props: Mapping[str, Any]
    parent: str
    provider: Facts | None


Violation = tuple[str, str]
"""Logical name of a resource, and how it violates a rule."""


@dataclass(frozen=True)
class Rule:
    """A rule: its name, its description, and the function that yields violations."""

    name: str
    description: str
    check: Callable[[Sequence[Facts]], Iterator[Violation]]


def _of_type(resources: Sequence[Facts], name: str) -> list[Facts]:
    return [each for each in resources if each.type.endswith(f":{name}")]


def _explicit_providers(resources: Sequence[Facts]) -> Iterator[Violation]:
    for each in resources:
        if each.type.startswith("aws:") and (each.provider is None or each.provider.name.startswith("default")):
            yield each.name, "has no explicit provider, so its account would depend on the default credentials"
    for provider in _providers(resources):
        for argument in ("allowedAccountIds", "assumeRoles"):
            if not _parsed(provider.props.get(argument)):
                yield provider.name, f"is a provider without {argument}"


def _owner_tags(resources: Sequence[Facts]) -> Iterator[Violation]:
    for provider in _providers(resources):
        tags = _parsed(provider.props.get("defaultTags")) or {}
        if tags != UNKNOWN and (missing := sorted(_TAGS - (tags.get("tags") or {}).keys())):
            yield provider.name, f"does not tag its resources with {' and '.join(missing)}"


def _private_buckets(resources: Sequence[Facts]) -> Iterator[Violation]:
    flags = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    for bucket in _of_type(resources, "Bucket"):
        # The settings of a bucket are siblings whose name begins with its own.
        siblings = [
            each for each in resources if each.parent == bucket.parent and each.name.startswith(f"{bucket.name}-")
        ]
        blocks = _of_type(siblings, "BucketPublicAccessBlock")
        if not any(all(block.props.get(flag) in (True, UNKNOWN) for flag in flags) for block in blocks):
            yield bucket.name, "does not block all public access"
        if not _of_type(siblings, "BucketServerSideEncryptionConfiguration"):
            yield bucket.name, "has no default encryption"
        if not any(
            policy.props.get("policy") == UNKNOWN or policies.requires_tls(policy.props.get("policy"))
            for policy in _of_type(siblings, "BucketPolicy")
        ):
            yield bucket.name, "has no policy that denies requests without TLS"


def _roles_without_wildcards(resources: Sequence[Facts]) -> Iterator[Violation]:
    for policy in _of_type(resources, "RolePolicy"):
        for statement in _statements(policy.props.get("policy")):
            if statement["Effect"] != "Allow":
                continue
            for action in as_list(statement.get("Action", "*")):
                if "*" in action:
                    yield policy.name, f"allows {action}"
            if "*" in as_list(statement.get("Resource", "*")):
                yield policy.name, "allows its actions on every resource"
    for role in _of_type(resources, "Role"):
        for statement in _statements(role.props.get("assumeRolePolicy")):
            if statement["Effect"] == "Allow" and "*" in policies.principals(statement):
                yield role.name, "can be assumed by anyone"


def _encrypted_streams(resources: Sequence[Facts]) -> Iterator[Violation]:
    for stream in _of_type(resources, "FirehoseDeliveryStream"):
        encryption = stream.props.get("serverSideEncryption") or {}
        if encryption != UNKNOWN and encryption.get("enabled") not in (True, UNKNOWN):
            yield stream.name, "is not encrypted"


def _filters_at_home(resources: Sequence[Facts]) -> Iterator[Violation]:
    for each in _of_type(resources, "LogSubscriptionFilter"):
        region = each.provider.props.get("region") if each.provider else None
        arn = each.props.get("destinationArn")
        if isinstance(arn, str) and ":destination:" in arn and arn.split(":")[3] != region:
            yield each.name, f"is in {region}, but its destination is in {arn.split(':')[3]}"


def _known_senders(resources: Sequence[Facts]) -> Iterator[Violation]:
    for policy in _of_type(resources, "LogDestinationPolicy"):
        for statement in _statements(policy.props.get("accessPolicy")):
            condition = (statement.get("Condition") or {}).get("StringEquals") or {}
            for principal in policies.principals(statement) or ["*"]:
                if not re.fullmatch(r"[0-9]{12}", principal) and not condition.get("aws:PrincipalOrgID"):
                    yield policy.name, f"admits {principal}, which is neither an account nor limited to an organization"


RULES = (
    Rule(
        "explicit-providers",
        "Every AWS resource has an explicit provider with its account and role.",
        _explicit_providers,
    ),
    Rule("owner-tags", "Every provider tags its resources with their owner and stack.", _owner_tags),
    Rule("private-buckets", "Buckets are private, encrypted, and require TLS.", _private_buckets),
    Rule(
        "roles-without-wildcards",
        "Role policies use no wildcard in actions, and not * as a resource.",
        _roles_without_wildcards,
    ),
    Rule("encrypted-streams", "Streams are encrypted.", _encrypted_streams),
    Rule("filters-at-home", "Subscription filters are in the region of their destination.", _filters_at_home),
    Rule("known-senders", "Destinations admit only accounts, or one organization.", _known_senders),
)


def violations(resources: Sequence[Facts]) -> list[str]:
    """Return the violations, a line each: resource, problem, rule."""
    return [f"{name}: {problem} ({rule.name})" for rule in RULES for name, problem in rule.check(resources)]


def _providers(resources: Sequence[Facts]) -> list[Facts]:
    """The providers in use, each once."""
    return list({each.provider.name: each.provider for each in resources if each.provider is not None}.values())


def _parsed(value: object) -> Any:  # noqa: ANN401 - JSON
    """Return a nested argument of a provider, which its inputs hold as a JSON string."""
    return json.loads(value) if isinstance(value, str) and value != UNKNOWN else value


def _statements(policy: object) -> list[dict[str, Any]]:
    """Return the statements of a policy document that is known."""
    return policies.statements(policy) if isinstance(policy, str) and UNKNOWN not in policy else []
