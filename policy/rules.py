"""The rules for every stack, whatever its stack file says. They run in the policy pack and on previews.

A rule depends neither on Pulumi nor on the format of previews: it takes the resources of a stack and yields violations.
A value that is unknown until the update passes; the policy pack checks it again during the update, before a resource is
created or changed. What policy documents may say is in ``documents.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policy import documents
from policy.documents import UNKNOWN
from topology import policies

_PROVIDER = "pulumi:providers:aws"
_TAGS = {"managed-by", "central-log-archive:stack"}


@dataclass(frozen=True)
class Facts:
    """A resource as rules see it.

    Attributes:
        type: its type token.
        name: its logical name.
        props: its inputs.
        parent: URN of its parent.
        provider: its provider, if any.
        named: IDs of the accounts and organizations in the config of its stack.
    """

    type: str
    name: str
    props: Mapping[str, Any]
    parent: str
    provider: Facts | None
    named: frozenset[str] = frozenset()

    @property
    def known(self) -> frozenset[str]:
        """The accounts and organizations that its policy documents may name."""
        own = _parsed(self.provider.props.get("allowedAccountIds")) if self.provider else None
        return self.named.union(own if isinstance(own, list) else [])


def named_in(config: Iterable[str]) -> frozenset[str]:
    """Return the IDs of accounts and organizations in the values of a stack's config."""
    return frozenset(
        found for value in config for found in re.findall(r"(?<![\w-])(?:\d{12}|o-[a-z0-9]{10,32})(?![\w-])", value)
    )


Violation = tuple[str, str]
"""Logical name of a resource, and how it violates a rule."""


@dataclass(frozen=True)
class Rule:
    """A rule.

    Attributes:
        name: its name.
        description: what holds.
        check: yields the violations among resources.
        alone: whether it judges each resource alone, and so before it is created or changed.
    """

    name: str
    description: str
    check: Callable[[Sequence[Facts]], Iterator[Violation]]
    alone: bool = True


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
    for bucket in (each for each in resources if re.search(r":\w*Bucket(V2)?$", each.type)):
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


def _no_wildcards(resources: Sequence[Facts]) -> Iterator[Violation]:
    for each in resources:
        for statement in documents.allowing(each.props):
            yield from ((each.name, problem) for problem in documents.wildcards(statement))


def _no_strangers(resources: Sequence[Facts]) -> Iterator[Violation]:
    for each in resources:
        for statement in documents.allowing(each.props):
            yield from ((each.name, problem) for problem in documents.strangers(statement, each.known))
        yield from ((each.name, problem) for problem in documents.public(each.props))


def _readable(resources: Sequence[Facts]) -> Iterator[Violation]:
    for each in resources:
        yield from ((each.name, problem) for problem in documents.unreadable(each.props))


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


RULES = (
    Rule(
        "explicit-providers",
        "Every AWS resource has an explicit provider with its account and role.",
        _explicit_providers,
    ),
    Rule("owner-tags", "Every provider tags its resources with their owner and stack.", _owner_tags),
    Rule("private-buckets", "Buckets are private, encrypted, and require TLS.", _private_buckets, alone=False),
    Rule("no-wildcards", "Policies have no wildcard in actions, and are not for every resource.", _no_wildcards),
    Rule(
        "no-strangers",
        "Policies admit accounts and organizations that the stack file names, and no others.",
        _no_strangers,
    ),
    Rule("readable-policies", "Permissions are in documents of the stack, where they are reviewed.", _readable),
    Rule("encrypted-streams", "Streams are encrypted.", _encrypted_streams),
    Rule("filters-at-home", "Subscription filters are in the region of their destination.", _filters_at_home),
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
