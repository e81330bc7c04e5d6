"""What an update would lose, shorten or blind. Each such risk has a name, by which ``--allow`` accepts it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.review.preview import ALL, Change, Link, Preview, Resource
from topology.patterns import CANARIES
from topology.policies import allowing, condition_values, principals

STATEFUL = (
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream",
    "aws:kms/key:Key",
    "aws:s3/bucket:Bucket",
)
"""Types of resources that hold data: archived or buffered events, and the keys that decrypt them."""

_DERIVED = ("archive-results", "archive-dashboard-logs")
"""Beginnings of logical names of what analysis lets expire: results, which another query returns, and a log without
events."""

GUARDED = {
    ".github": "it decides what is checked before a change is applied",
    "bootstrap": "it decides what roles may do",
    "ops": "it decides what the gate rejects",
    "policy": "it decides which rules a preview must not violate",
}
"""Folders of the repository whose files protect the archive, and why a change of one is a risk."""

_LOCK_MODES = ("", "GOVERNANCE", "COMPLIANCE")  # from weak to strong


@dataclass(frozen=True)
class Risk:
    """Something that an update would lose, shorten or blind.

    Attributes:
        allow: the name that accepts it: of a resource that holds data, of a safeguard, or of a folder.
        text: what would happen.
    """

    allow: str
    text: str


@dataclass(frozen=True)
class _Safeguard:
    """What protects the archive, as read from the inputs of a resource.

    Attributes:
        allow: the name that accepts that it is weakened.
        type: of the resource.
        value: reads it from a resource.
        absent: what holds without a resource.
        weaker: whether it is weaker after the update, given the values before and after it.
        text: what happens then, given the same.
    """

    allow: str
    type: str
    value: Callable[[Resource], Any]
    absent: Any
    weaker: Callable[[Any, Any], bool]
    text: Callable[[Any, Any], str]


def risks(preview: Preview) -> list[Risk]:
    """Return what an update would lose, shorten or blind, in the order of its resources."""
    existing = {resource.urn for resource in preview.resources("before")}
    found = list(_losses(preview))
    for change in preview.changes:
        resource = change.resource
        # What a component starts with weakens nothing.
        if resource.parent in existing and not resource.name.startswith(_DERIVED):
            found += [Risk(allow, f"{resource.name}: {text}") for allow, text in _weakened(change)]
    found += [Risk("leaves", f"{each} leaves the archive") for each in leaving(preview)]
    return found


def of_files(files: Iterable[str]) -> list[Risk]:
    """Return the risks of changed files, given their paths in the repository."""
    changed = [(folder, file) for file in sorted(files) if (folder := file.partition("/")[0]) in GUARDED]
    return [
        Risk(folder, f"{', '.join(file for each, file in changed if each == folder)} changed: {why}")
        for folder, why in GUARDED.items()
        if any(each == folder for each, _ in changed)
    ]


def leaving(preview: Preview) -> list[str]:
    """Name the accounts, regions and log groups that would no longer be archived."""
    return differences(preview.links("before"), preview.links("after"))


def differences(here: set[Link], there: set[Link]) -> list[str]:
    """Name what is here and not there: whole accounts, whole regions, log groups; each once."""
    names = []
    for account, region, group in sorted(here - there):
        if not any(link[0] == account for link in there):
            names.append(f"account {account}")
        elif not any(link[:2] == (account, region) for link in there):
            names.append(f"region {region} of account {account}")
        else:
            groups = "every log group" if group == ALL else f"`{group}`"
            names.append(f"{groups} of account {account}, {region}")
    return list(dict.fromkeys(names))


def _losses(preview: Preview) -> Iterator[Risk]:
    """What holds data and would be deleted or replaced."""
    for change in preview.changes:
        resource = change.resource
        if (
            change.op in ("delete", "replace")
            and resource.type in STATEFUL
            and resource.inputs.get("name") not in CANARIES
            and not resource.name.startswith(_DERIVED)
        ):  # fmt: skip
            yield Risk(resource.name, f"{resource.name} ({resource.type_name}) {_outcome(change)}: it holds data")


def _outcome(change: Change) -> str:
    if change.before is None or not change.before.retained:
        return f"would be {change.op}d"
    if change.op == "delete":
        return "would be removed from the stack, and retained in its account"
    return "would be replaced, and the old one retained in its account"


def _weakened(change: Change) -> Iterator[tuple[str, str]]:
    if change.before and change.after:
        for option in ("retained", "protected"):
            if getattr(change.before, option) and not getattr(change.after, option):
                yield "retain", f"would no longer be {option}"
    for each in _SAFEGUARDS:
        if each.type == change.resource.type and change.op != "same":
            before, after = (each.absent if it is None else each.value(it) for it in (change.before, change.after))
            if each.weaker(before, after):
                yield each.allow, each.text(before, after)


def _days(resource: Resource) -> float:
    """After how many days the first objects or versions expire."""
    rules = resource.inputs.get("rules") or []
    current = [(rule.get("expiration") or {}).get("days", math.inf) for rule in rules]
    noncurrent = [(rule.get("noncurrentVersionExpiration") or {}).get("noncurrentDays", math.inf) for rule in rules]
    return min([float(days) for days in (*current, *noncurrent) if isinstance(days, int | float)], default=math.inf)


def _lock(resource: Resource) -> tuple[int, float]:
    retention = (resource.inputs.get("rule") or {}).get("defaultRetention") or {}
    days = float(retention.get("days") or 0) + 365 * float(retention.get("years") or 0)
    return _LOCK_MODES.index(retention.get("mode", "")), days


def _pattern(resource: Resource) -> str:
    return str(
        resource.inputs.get("filterPattern") or _json(resource.inputs.get("policyDocument")).get("FilterPattern") or ""
    )


def _senders(resource: Resource) -> frozenset[str] | None:
    """The accounts and organizations that a destination admits; None if they are not known yet."""
    policy = _json(resource.inputs.get("accessPolicy"))
    if not policy:
        return None
    found = set()
    for statement in allowing(policy):
        organizations = condition_values(statement, "aws:PrincipalOrgID")
        found |= {f"organization {each}" for each in organizations} or {
            f"account {each}" for each in principals(statement)
        }
    return frozenset(found)


def _functions(resource: Resource) -> frozenset[str]:
    """The functions that a stream invokes."""
    delivery = resource.inputs.get("extendedS3Configuration") or {}
    processors = (delivery.get("processingConfiguration") or {}).get("processors") or []
    return frozenset(
        parameter["parameterValue"]
        for processor in processors
        for parameter in processor.get("parameters") or []
        if parameter["parameterName"] == "LambdaArn"
    )


def _json(document: Any) -> Mapping[str, Any]:  # noqa: ANN401 - an input
    """A document in JSON; empty if it is not known yet."""
    try:
        parsed = json.loads(document) if isinstance(document, str) else document
    except ValueError:
        return {}
    return parsed if isinstance(parsed, Mapping) else {}


def _gone(before: object, after: object) -> bool:
    return before is not None and after is None


def _differs(before: object, after: object) -> bool:
    return before is not None and before != after


def _inputs_but(*names: str) -> Callable[[Resource], dict[str, Any]]:
    return lambda resource: {name: value for name, value in resource.inputs.items() if name not in names}


def _after(days: float) -> str:
    return "never" if math.isinf(days) else f"after {days:.0f} days"


_SAFEGUARDS = (
    _Safeguard(
        "expiration", "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", _days, math.inf,
        lambda before, after: after < before,
        lambda before, after: f"events would expire {_after(after)} instead of {_after(before)}",
    ),
    _Safeguard(
        "lock", "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration", _lock, (0, 0.0),
        lambda before, after: after[0] < before[0] or after[1] < before[1],
        lambda before, after: f"objects would be locked for {_locked(after)} instead of {_locked(before)}",
    ),
    _Safeguard(
        "versioning", "aws:s3/bucketVersioning:BucketVersioning",
        lambda resource: (resource.inputs.get("versioningConfiguration") or {}).get("status"), None, _differs,
        lambda _before, after: f"versioning would be {after or 'no longer managed'}",
    ),
    _Safeguard(
        "access-logs", "aws:s3/bucketLogging:BucketLogging", lambda resource: resource.inputs.get("targetBucket"), None,
        _differs, lambda before, after: f"access would be logged to {after or 'no bucket'} instead of {before}",
    ),
    _Safeguard(
        "replica", "aws:s3/bucketReplicationConfig:BucketReplicationConfig", _inputs_but("bucket"), None, _differs,
        lambda _before, after: f"would {'replicate otherwise' if after else 'no longer replicate'}",
    ),
    *(
        _Safeguard(
            "bucket-settings", f"aws:s3/{type_}", lambda _resource: True, None, _gone,
            lambda _before, _after: "would no longer be set",
        )
        for type_ in (
            "bucketOwnershipControls:BucketOwnershipControls", "bucketPolicy:BucketPolicy",
            "bucketPublicAccessBlock:BucketPublicAccessBlock",
            "bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        )
    ),
    _Safeguard(
        "alarms", "aws:cloudwatch/metricAlarm:MetricAlarm", _inputs_but("alarmDescription"), None, _differs,
        lambda _before, after: "would alarm otherwise" if after else "would no longer alarm",
    ),
    *(
        _Safeguard(
            "alarms", type_, lambda _resource: True, None, _gone, lambda _before, _after: "would no longer notify",
        )
        for type_ in ("aws:sns/topic:Topic", "aws:sns/topicPolicy:TopicPolicy")
    ),
    *(
        _Safeguard(
            "filter-pattern", type_, _pattern, None,
            # Without a pattern, every event is archived. Whether a pattern matches less than another cannot be told.
            lambda before, after: after and before is not None and before != after,
            lambda before, after: f"only events that match {after!r} would be archived, instead of "
            + (f"those that match {before!r}" if before else "all"),
        )
        for type_ in (
            "aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter",
            "aws:cloudwatch/logAccountPolicy:LogAccountPolicy",
        )
    ),
    _Safeguard(
        "senders", "aws:cloudwatch/logDestinationPolicy:LogDestinationPolicy", _senders, frozenset(),
        lambda before, after: None not in (before, after) and bool(before - after),
        lambda before, after: f"would no longer admit {', '.join(sorted(before - after))}",
    ),
    _Safeguard(
        "functions", "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream", _functions, frozenset(),
        lambda before, after: bool(after - before),
        lambda _before, after: f"{', '.join(sorted(after))} would decide what arrives",
    ),
    _Safeguard(
        "functions", "aws:lambda/function:Function", _inputs_but("tags", "description"), None,
        lambda before, after: after is not None and before != after,
        lambda before, _after: f"its code or settings would {'change' if before else 'be new'}",
    ),
)  # fmt: skip


def _locked(lock: tuple[int, float]) -> str:
    mode, days = lock
    return f"{days:.0f} days ({_LOCK_MODES[mode].lower()})" if mode else "no time"
