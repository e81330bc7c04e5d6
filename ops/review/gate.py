"""Why a preview must not be applied: errors, data loss, policy violations."""

from __future__ import annotations

from collections.abc import Collection

from ops.review.preview import Change, Preview, Resource
from policy.rules import Facts, violations
from topology.patterns import CANARY

STATEFUL = (
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream",
    "aws:kms/key:Key",
    "aws:s3/bucket:Bucket",
)
"""Types of resources that hold data: archived or buffered events, and the keys that decrypt them."""

_DERIVED = ("archive-results", "archive-dashboard-logs")
"""Logical names of what analysis lets expire: results, which another query returns, and a log without events."""


def stateful(preview: Preview) -> list[Change]:
    """Return the changes that would delete or replace a resource that holds data."""
    return [
        change
        for change in preview.changes
        if change.op in ("delete", "replace")
        and change.resource.type in STATEFUL
        and change.resource.inputs.get("name") != CANARY
        and change.resource.name not in _DERIVED
    ]


def outcome(change: Change) -> str:
    """Describe what would happen to a resource that holds data."""
    if change.before is None or not change.before.retained:
        return f"would be {change.op}d"
    if change.op == "delete":
        return "would be removed from the stack, and retained in its account"
    return "would be replaced, and the old one retained in its account"


def reasons(preview: Preview, allowed: Collection[str]) -> list[str]:
    """Return why a preview must not be applied; empty if it may be.

    Args:
        preview: the preview.
        allowed: logical names of resources that hold data and may be deleted or replaced.
    """
    if preview.errors:
        # This includes an application stack that the archive does not serve: the program reports what is missing.
        return [f"the preview failed: {error.strip()}" for error in preview.errors]
    lost = [
        f"{name} {outcome(change)}: it holds data; if this is intended, pass --allow {name}"
        for change in stateful(preview)
        if (name := change.resource.name) not in allowed
    ]
    return lost + violations(_facts(preview))


def _facts(preview: Preview) -> list[Facts]:
    resources = preview.resources("after")
    by_urn = {each.urn: each for each in resources}

    def facts(resource: Resource) -> Facts:
        provider = by_urn.get(resource.provider)
        of_provider = None if provider is None else facts(provider)
        return Facts(resource.type, resource.name, resource.inputs, resource.parent, of_provider)

    return [facts(each) for each in resources]
