"""Whether the policies of given KMS keys allow what the archive needs. In doubt they do not, which is a warning."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from topology.policies import as_list, key_uses, principals, statements
from topology.regions import PARTITIONS
from topology.settings import CREATE, PIPELINE_LOG_GROUPS, Archive

Statement = Mapping[str, Any]


def customer_managed(key: str | None) -> str | None:
    """Return a bucket's default KMS key, unless AWS manages it: the whole account may use that one through S3."""
    return None if key is None or "alias/aws/" in key else key


def needed_statements(archive: Archive) -> dict[str, list[dict[str, Any]]]:
    """Return ARN of each given key → statements that its policy needs."""
    bucket = archive.existing_bucket.name if archive.existing_bucket else "archive-bucket-*"
    buckets = [bucket, *(["archive-results-*"] if archive.analysis is not None else [])]
    errors, transform = PIPELINE_LOG_GROUPS
    has_function = archive.transform is not None and not archive.transform.is_arn
    uses = key_uses(
        home_region=archive.region,
        account=archive.account,
        deployer_role=archive.deployer_role,
        bucket_arns=[f"arn:{PARTITIONS[archive.region]}:s3:::{name}" for name in buckets],
        log_groups=[f"{name}-*" for name in (errors, *([transform] if has_function else []))],
    )
    needed: dict[str, list[dict[str, Any]]] = {}
    for encrypted, key in archive.key.choices.items():
        if key not in (None, CREATE):
            needed.setdefault(str(key), []).extend(uses[encrypted])
    return needed


def missing_statements(policy: str, needed: list[dict[str, Any]], account: str) -> list[dict[str, Any]]:
    """Return the needed statements that a key policy has no equivalent of.

    A statement for the root of an account leaves it to the policies of its roles, which the program and the bootstrap
    template provide. It never includes services (AWS KMS Developer Guide, "Default key policy").

    Args:
        policy: the policy of the key.
        needed: the statements.
        account: ID of the archive's account, whose roles use the key.
    """
    return [
        statement for statement in needed if not all(_allows(policy, *each) for each in _requests(statement, account))
    ]


def key_warning(key: str, problem: str, needed: list[dict[str, Any]]) -> str:
    """Return the warning for a key, with the statements that its policy needs."""
    return f"archive.key: the policy of {key} {problem}: {json.dumps(needed)}"


def key_warnings(archive: Archive, read: Mapping[str, str]) -> Iterator[str]:
    """Yield what the policies of given keys do not allow, or may not.

    Args:
        archive: settings of the archive.
        read: ARN of a key → its policy. Keys of other accounts cannot be read (API operation GetKeyPolicy).
    """
    for key, needed in needed_statements(archive).items():
        if key not in read:
            owner = key.split(":")[4]
            yield key_warning(
                key, f"was not checked, since account {owner} owns it. Its statements have to include", needed
            )
        elif missing := missing_statements(read[key], needed, archive.account):
            yield key_warning(key, "does not seem to allow all that the archive needs. Add these statements", missing)


Request = tuple[str, str, dict[str, str]]
"""Principal, action, and condition keys in lowercase."""


def _requests(statement: Statement, account: str) -> Iterator[Request]:
    """Yield requests that a needed statement allows, one for each action and value of its condition keys."""
    ((kind, principal),) = statement["Principal"].items()
    caller = {"aws:principalaccount": account, "kms:calleraccount": account} if kind == "AWS" else {}
    conditions = {
        key.lower(): as_list(values) for each in statement["Condition"].values() for key, values in each.items()
    }
    for action in as_list(statement["Action"]):
        for values in itertools.product(*conditions.values()):
            yield principal, action, {
                "aws:securetransport": "true", **caller, **dict(zip(conditions, values, strict=True)),
            }  # fmt: skip


def _allows(policy: str, principal: str, action: str, context: Mapping[str, str]) -> bool:
    applicable = [
        (statement["Effect"], _conditions(statement, context))
        for statement in statements(policy)
        if _names(statement, principal) and _includes(statement, action)
    ]
    return any(effect == "Allow" and all(held) for effect, held in applicable) and all(
        effect == "Allow" or False in held for effect, held in applicable
    )


def _names(statement: Statement, principal: str) -> bool:
    """Return whether a statement applies to a principal: a service, a role, or the root of an account."""
    denies, named = bool(statement["Effect"] == "Deny"), principals(statement)
    if "NotPrincipal" in statement or (denies and "*" in named):
        return denies
    if ":" not in principal:
        declared = statement.get("Principal")
        return isinstance(declared, dict) and principal in as_list(declared.get("Service", []))
    account = principal.split(":")[4]
    root = f"{principal.rpartition(':')[0]}:root"
    return not {"*", account, root, principal}.isdisjoint(named)


def _includes(statement: Statement, action: str) -> bool:
    listed = as_list(statement.get("Action", statement.get("NotAction", [])))
    matches = any(fnmatchcase(action.lower(), str(pattern).lower()) for pattern in listed)
    return matches if "Action" in statement else not matches


def _conditions(statement: Statement, context: Mapping[str, str]) -> list[bool | None]:
    """Return whether each condition of a statement holds; None: this depends on what is not known here."""
    return [
        _holds(operator, as_list(expected), context.get(key.lower()))
        for operator, keys in (statement.get("Condition") or {}).items()
        for key, expected in keys.items()
    ]


def _holds(operator: str, expected: list[Any], actual: str | None) -> bool | None:
    texts = [str(each) for each in expected]
    if actual is None:
        return None
    match operator.removesuffix("IfExists"):
        case "StringEquals":
            return actual in texts
        case "StringNotEquals":
            return actual not in texts
        case "StringLike" | "ArnLike" | "ArnEquals":
            return any(fnmatchcase(actual, pattern) for pattern in texts)
        case "StringNotLike" | "ArnNotLike" | "ArnNotEquals":
            return not any(fnmatchcase(actual, pattern) for pattern in texts)
        case "Bool":
            return actual in [text.lower() for text in texts]
        case _:
            return None
