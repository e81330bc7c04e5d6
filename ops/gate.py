"""What keeps a preview from being applied: failures, loss of data, violations of the policies."""

from __future__ import annotations

from collections.abc import Collection

from ops.preview import Change, Preview, Resource
from policy.rules import Facts, violations
from topology.patterns import CANARY

STATEFUL = (
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream",
    "aws:kms/key:Key",
    "aws:s3/bucket:Bucket",
)
"""Types that hold data: events that are written, or gathered and not written yet, and the keys that open them."""


def stateful(preview: Preview) -> list[Change]:
    """Return the changes that would delete or replace what holds data."""
    return [
        change
        for change in preview.changes
        if change.op in ("delete", "replace")
        and change.resource.type in STATEFUL
        and change.resource.inputs.get("name") != CANARY
    ]


def fate(change: Change) -> str:
    """Say what would become of a resource that holds data."""
    old = ", and the old one stays in its account" if change.before is not None and change.before.retained else ""
    return f"would be {change.op}d{old.replace('the old one', 'it') if change.op == 'delete' else old}"


def reasons(preview: Preview, allowed: Collection[str]) -> list[str]:
    """Return why a preview must not be applied, a line each; empty: nothing is against it.

    Args:
        preview: what would be applied.
        allowed: logical names of resources that hold data and may be deleted or replaced all the same.
    """
    if preview.errors:
        # An application stack that is ahead of its archive fails like this too: the program says what is missing.
        return [f"the preview failed: {error.strip()}" for error in preview.errors]
    lost = [
        f"{name} {fate(change)}: it holds data; if that is meant, --allow {name}"
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
