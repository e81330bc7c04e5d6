"""What has to hold of every stack, whatever its file says. The rules run in Pulumi's policy pack and on previews alike.

They know neither Pulumi nor a preview's form: a rule gets the resources of a stack, and yields what is wrong with them.
A value that is not known before the update passes; the update itself checks it again in the policy pack.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What stands in a preview for a value that AWS has yet to compute."""

_PROVIDER = "pulumi:providers:aws"
_TAGS = {"managed-by", "central-log-archive:stack"}


@dataclass(frozen=True)
class Facts:
    """What a rule knows of a resource: type, logical name, inputs, URN of its parent, provider (None: it has none)."""

    type: str
    name: str
    props: Mapping[str, Any]
    parent: str
    provider: Facts | None


Violation = tuple[str, str]
"""Logical name of a resource, and what is wrong with it."""


@dataclass(frozen=True)
class Rule:
    """A rule: its name, what it demands, and what it finds wrong."""

    name: str
    description: str
    check: Callable[[Sequence[Facts]], Iterator[Violation]]


def _of(resources: Sequence[Facts], kind: str) -> list[Facts]:
    return [each for each in resources if each.type.endswith(f":{kind}")]


def _explicit_providers(resources: Sequence[Facts]) -> Iterator[Violation]:
    for each in resources:
        if each.type.startswith("aws:") and (each.provider is None or each.provider.name.startswith("default")):
            yield each.name, "has no explicit provider, so it would land in whatever account the credentials are of"
    for provider in _providers(resources):
        for argument in ("allowedAccountIds", "assumeRoles"):
            if not _parsed(provider.props.get(argument)):
                yield provider.name, f"is a provider without {argument}"


def _owner_tags(resources: Sequence[Facts]) -> Iterator[Violation]:
    for provider in _providers(resources):
        tags = (_parsed(provider.props.get("defaultTags")) or {}).get("tags") or {}
        if missing := sorted(_TAGS - tags.keys()):
            yield provider.name, f"gives its resources no tag {' and no tag '.join(missing)}"


def _private_buckets(resources: Sequence[Facts]) -> Iterator[Violation]:
    flags = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    for bucket in _of(resources, "Bucket"):
        beside = [each for each in resources if each.parent == bucket.parent]
        blocks = _of(beside, "BucketPublicAccessBlock")
        if not any(all(block.props.get(flag) is True for flag in flags) for block in blocks):
            yield bucket.name, "does not block all public access"
        if not _of(beside, "BucketServerSideEncryptionConfiguration"):
            yield bucket.name, "has no default encryption"
        if not any(_demands_tls(policy.props.get("policy")) for policy in _of(beside, "BucketPolicy")):
            yield bucket.name, "has no policy that denies requests without TLS"


def _demands_tls(policy: object) -> bool:
    return policy == UNKNOWN or any(
        statement["Effect"] == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"})
        and statement.get("Action") in ("*", "s3:*")
        and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in _statements(policy)
    )


def _roles_without_wildcards(resources: Sequence[Facts]) -> Iterator[Violation]:
    for policy in _of(resources, "RolePolicy"):
        for statement in _statements(policy.props.get("policy")):
            if statement["Effect"] != "Allow":
                continue
            for action in _listed(statement.get("Action", "*")):
                if "*" in action:
                    yield policy.name, f"allows {action}"
            if "*" in _listed(statement.get("Resource", "*")):
                yield policy.name, "allows its actions on every resource"
    for role in _of(resources, "Role"):
        for statement in _statements(role.props.get("assumeRolePolicy")):
            if statement.get("Principal") in ("*", {"AWS": "*"}):
                yield role.name, "can be assumed by everyone"


def _encrypted_streams(resources: Sequence[Facts]) -> Iterator[Violation]:
    for stream in _of(resources, "FirehoseDeliveryStream"):
        if (stream.props.get("serverSideEncryption") or {}).get("enabled") is not True:
            yield stream.name, "is not encrypted"


def _filters_at_home(resources: Sequence[Facts]) -> Iterator[Violation]:
    for each in _of(resources, "LogSubscriptionFilter"):
        region = each.provider.props.get("region") if each.provider else None
        arn = each.props.get("destinationArn")
        if isinstance(arn, str) and ":destination:" in arn and arn.split(":")[3] != region:
            yield each.name, f"is in {region}, and its destination is in {arn.split(':')[3]}"


def _known_senders(resources: Sequence[Facts]) -> Iterator[Violation]:
    for policy in _of(resources, "LogDestinationPolicy"):
        for statement in _statements(policy.props.get("accessPolicy")):
            principals = _listed((statement.get("Principal") or {}).get("AWS", "*"))
            condition = (statement.get("Condition") or {}).get("StringEquals") or {}
            for principal in principals:
                if not re.fullmatch(r"[0-9]{12}", principal) and not condition.get("aws:PrincipalOrgID"):
                    yield policy.name, f"admits {principal}, which is neither an account nor held to an organization"


RULES = (
    Rule(
        "explicit-providers",
        "Every resource of AWS has a provider that names its account and role.",
        _explicit_providers,
    ),
    Rule("owner-tags", "Every provider tags what it makes with its owner and stack.", _owner_tags),
    Rule("private-buckets", "Buckets are private, encrypted, and take TLS only.", _private_buckets),
    Rule(
        "roles-without-wildcards",
        "Roles allow no action and no resource by a wildcard alone.",
        _roles_without_wildcards,
    ),
    Rule("encrypted-streams", "Streams are encrypted.", _encrypted_streams),
    Rule("filters-at-home", "A subscription filter is in the region of its destination.", _filters_at_home),
    Rule("known-senders", "Destinations admit accounts, or one organization, and nobody else.", _known_senders),
)


def violations(resources: Sequence[Facts]) -> list[str]:
    """Return what the rules find wrong, a line each: resource, what, rule."""
    return [f"{name}: {what} ({rule.name})" for rule in RULES for name, what in rule.check(resources)]


def _providers(resources: Sequence[Facts]) -> list[Facts]:
    """The providers in use, each once."""
    return list({each.provider.name: each.provider for each in resources if each.provider is not None}.values())


def _parsed(value: object) -> Any:  # noqa: ANN401 - JSON
    """Nested arguments of a provider are JSON texts in its inputs."""
    return json.loads(value) if isinstance(value, str) and value != UNKNOWN else value


def _statements(policy: object) -> list[dict[str, Any]]:
    if not isinstance(policy, str) or UNKNOWN in policy:
        return []
    return _listed(json.loads(policy)["Statement"])


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - one or many
    return value if isinstance(value, list) else [value]
