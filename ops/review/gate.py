"""Why a preview must not be applied: errors, risks that nobody accepted, policy violations."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ops.review.preview import Preview, Resource
from ops.review.risks import Risk, risks
from policy.rules import Facts, violations


def reasons(preview: Preview, allowed: Collection[str]) -> list[str]:
    """Return why a preview must not be applied; empty if it may be.

    Args:
        preview: the preview.
        allowed: names of risks that are accepted.
    """
    if preview.errors:
        # This includes an application stack that the archive does not serve: the program reports what is missing.
        return [f"the preview failed: {error.strip()}" for error in preview.errors]
    return unaccepted(risks(preview), allowed) + violations(_facts(preview))


def unaccepted(found: Iterable[Risk], allowed: Collection[str]) -> list[str]:
    """Return what the gate says of risks that nobody accepted."""
    return [
        f"{risk.text}; if this is intended, pass --allow {risk.allow}" for risk in found if risk.allow not in allowed
    ]


def _facts(preview: Preview) -> list[Facts]:
    resources = preview.resources("after")
    by_urn = {each.urn: each for each in resources}

    def facts(resource: Resource) -> Facts:
        provider = by_urn.get(resource.provider)
        of_provider = None if provider is None else facts(provider)
        return Facts(resource.type, resource.name, resource.inputs, resource.parent, of_provider, preview.named)

    return [facts(each) for each in resources]
