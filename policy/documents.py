"""Policy documents, wherever a resource carries them, and whom and what they allow.

A document is known by its shape, not by the resource or the input that carries it: so a type of resource that the
program does not use yet cannot slip through. What is unknown until the update, a whole document or a part of one,
passes, and what is known beside it is judged.

Sources: IAM User Guide, "IAM JSON policy element reference", "AWS global condition context keys".
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from topology.policies import as_list

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Placeholder in a preview for a value that is unknown until the update. What only contains it is somebody's name."""

SECRET = "[secret]"  # noqa: S105 - what stands for one
"""Placeholder in a preview for a value that is a secret."""


@dataclass(frozen=True)
class Justified:
    """A finding that is none: an element of statements, its value, the only actions it is for, and why.

    Attributes:
        element: ``Principal`` or ``Resource``.
        pattern: a regular expression that matches the whole value.
        actions: the actions that a statement may have, in lower case.
        reason: why AWS leaves no narrower choice.
    """

    element: str
    pattern: str
    actions: frozenset[str]
    reason: str


JUSTIFIED = (
    Justified(
        "Principal",
        r"lambda\.amazonaws\.com(\.cn)?",
        frozenset({"sts:assumerole"}),
        "Lambda passes no source that a condition could check; only who may pass the role in its account can use it.",
    ),
    Justified(
        "Principal",
        r"(delivery\.logs|events)\.amazonaws\.com",
        frozenset({"logs:createlogstream"}),
        "EventBridge passes the rule with the events, and nothing when it creates the log stream for them.",
    ),
    Justified(
        "Resource",
        r"arn:[a-z-]+:logs:[a-z0-9-]+:\d{12}:log-group:\*",
        frozenset({"logs:putlogevents"}),
        "The filter role of an account: hundreds of log groups do not fit into a policy, and only CloudWatch Logs can "
        "assume the role.",
    ),
)
"""Every exception from the rules on documents."""

Leaf = tuple[str, Any]
"""Name of an input, at any depth, and its value: a policy document, or a plain value."""

_NARROWING = {"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike"}
"""Operators that deny a request without the key. Negated ones, ``…IfExists`` and ``ForAllValues:…`` match it."""
_WHOSE = {
    "aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:principalorgpaths", "aws:sourceaccount",
    "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths", "kms:calleraccount",
}  # fmt: skip
"""Condition keys that AWS sets to whose request it is."""
_WHOSE_OF_SERVICES = {*_WHOSE, "kms:encryptioncontext:aws:logs:arn", "sts:externalid"}
"""Those of requests by a service. In other requests, the caller chooses the last two."""
_ARN = re.compile(r"arn:[^:]*(:[^:]*){3}:.*", re.DOTALL)
_MANAGED_POLICY = re.compile(r"arn:[^:]+:iam::[^:]*:policy/.+")
_GROUPS_OF_S3 = "acs.amazonaws.com/groups/global/"
_PUBLIC = {
    ("acl", "public-read"), ("acl", "public-read-write"), ("acl", "authenticated-read"),
    ("authorizationType", "NONE"),
}  # fmt: skip
"""Inputs that are open to anyone without a document: canned ACLs, and URLs of functions."""


def leaves(value: object, name: str = "") -> Iterator[Leaf]:
    """Yield every plain value and every policy document in the inputs of a resource, also within JSON."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            yield from leaves(json.loads(value), name)
        except (ValueError, RecursionError):
            yield name, value
    elif isinstance(value, Mapping):
        if _is_document(value):
            yield name, value
        else:
            for key in value:
                yield from leaves(value[key], str(key))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from leaves(each, name)
    else:
        yield name, value


def _is_document(value: Mapping[str, Any]) -> bool:
    found = _lower(value).get("statement")
    return any(isinstance(each, Mapping) and "effect" in _lower(each) for each in as_list(found))


def _lower(value: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key).lower(): value[key] for key in value}


def allowing(inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the Allow statements of a resource, with names of elements in lower case.

    A permission that is given as inputs, like that of a Lambda function, is a statement, too.
    """
    documents = [_lower(value) for _, value in leaves(inputs) if isinstance(value, Mapping)]
    statements = [_lower(each) for document in documents for each in as_list(document["statement"])]
    return [each for each in statements if str(each.get("effect")).lower() != "deny"] + _permissions(inputs)


def _permissions(inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    given = _lower(inputs)
    equal = {
        "aws:SourceAccount": given.get("sourceaccount"),
        "aws:SourceArn": given.get("sourcearn"),
        "aws:PrincipalOrgID": given.get("principalorgid"),
    }
    condition = {"StringEquals": {key: value for key, value in equal.items() if value is not None}}
    return [
        {
            "principal": {"Service" if str(each).endswith((".amazonaws.com", ".amazonaws.com.cn")) else "AWS": each},
            "action": given.get("action", []),
            "condition": condition,
        }
        for key, value in given.items()
        if re.search("principals?$", key) and not isinstance(value, Mapping)
        for each in as_list(value)
        if isinstance(each, str)
    ]


def wildcards(statement: Mapping[str, Any]) -> Iterator[str]:
    """Yield the wildcards in what an Allow statement allows: in actions, and in what identities may act on.

    The resource of a statement with a principal is the one that carries the document.
    """
    actions = _texts(statement, "action")
    yield from (f"allows {each}" for each in actions if re.search("[*?]", each))
    if not {"principal", "notprincipal"} & statement.keys():
        for resource in _texts(statement, "resource"):
            if _is_every(resource) and not _is_justified("Resource", resource, actions):
                yield "allows its actions on " + ("every resource" if resource == "*" else resource)


def _texts(statement: Mapping[str, Any], element: str) -> list[str]:
    """Return the values of an element; without it, there is its negation, which allows nearly everything."""
    return [each for each in as_list(statement.get(element, "*")) if isinstance(each, str)]


def _is_every(resource: str) -> bool:
    """Whether an ARN means all services, regions or accounts, or all resources of a kind in an account."""
    if not _ARN.fullmatch(resource):
        return "*" in resource or "?" in resource
    *place, name = resource.split(":", 5)
    kind = r"([a-z-]+[:/])?" if place[4] else ""  # ARNs of buckets have no account, and a name without a kind
    return bool(re.search("[*?]", "".join(place)) or re.fullmatch(rf"{kind}[*?].*", name, re.DOTALL))


def strangers(statement: Mapping[str, Any], known: Collection[str]) -> Iterator[str]:
    """Yield whom an Allow statement lets in, or whose resources it is for, that the stack does not know.

    Args:
        statement: the statement.
        known: IDs of the accounts and organizations that the stack is about.
    """
    if "notprincipal" in statement:
        yield "admits anyone but those in NotPrincipal"
    principal = statement.get("principal", {})
    named = principal if isinstance(principal, Mapping) else {"AWS": principal}
    for kind in named:
        yield from _admitted(str(kind).lower(), map(str, as_list(named[kind])), statement, known)
    if not named:
        for resource in _texts(statement, "resource"):
            if re.fullmatch(r"\d{12}", account := _account(resource)) and account not in known:
                yield f"allows its actions on {resource}, in an account that the stack file does not name"


def _admitted(
    kind: str, principals: Iterable[str], statement: Mapping[str, Any], known: Collection[str]
) -> Iterator[str]:
    """Yield which principals of a kind, like ``aws`` or ``service``, a statement should not admit."""
    service = kind == "service"
    if _is_narrowed(statement.get("condition"), _WHOSE_OF_SERVICES if service else _WHOSE, known):
        return
    for each in principals:
        if each == UNKNOWN or (service and _is_justified("Principal", each, _texts(statement, "action"))):
            continue
        if "*" in each or "?" in each:
            yield "admits anyone"
        elif service:
            yield f"admits {each} on behalf of any account"
        elif kind != "aws" or _account(each) not in known:
            yield f"admits {each}, which the stack file does not name"


def _is_narrowed(condition: object, keys: Collection[str], known: Collection[str]) -> bool:
    """Whether a condition admits only requests of accounts and organizations that the stack knows."""
    if not isinstance(condition, Mapping):
        return condition == UNKNOWN
    compared = [
        condition[operator]
        for operator in condition
        if str(operator).lower().removeprefix("foranyvalue:") in _NARROWING
    ]
    return UNKNOWN in compared or any(
        key in keys and values != [] and all(_is_known(str(value), known) for value in as_list(values))
        for each in compared
        for key, values in _lower(each).items()
    )


def _is_known(value: str, known: Collection[str]) -> bool:
    return value == UNKNOWN or _account(value) in known


def _account(name: str) -> str:
    """Return the account or organization of an ARN, an ID, or a path in an organization."""
    return name.split(":")[4] if _ARN.fullmatch(name) else name.partition("/")[0]


def _is_justified(element: str, value: str, actions: list[str]) -> bool:
    return any(
        each.element == element
        and re.fullmatch(each.pattern, value)
        and {action.lower() for action in actions} <= each.actions
        for each in JUSTIFIED
    )


def unreadable(inputs: Mapping[str, Any]) -> Iterator[str]:
    """Yield permissions that are in no document here: managed policies, and values hidden as secrets."""
    for name, value in leaves(inputs):
        if value == SECRET:
            yield f"hides {name} as a secret, which cannot be reviewed"
        elif name == "permissionsBoundary":
            continue
        elif (isinstance(value, str) and _MANAGED_POLICY.fullmatch(value)) or (
            value == UNKNOWN and re.search("policyarns?$", name.lower())
        ):
            yield "attaches a managed policy" + ("" if value == UNKNOWN else f", {value}")


def public(inputs: Mapping[str, Any]) -> Iterator[str]:
    """Yield what opens a resource to anyone without a document."""
    for name, value in leaves(inputs):
        if isinstance(value, str) and ((name, value) in _PUBLIC or _GROUPS_OF_S3 in value):
            yield f"is open to anyone: {name} is {value}"
