"""What an update would change, read from what ``pulumi preview --json --show-sames`` printed.

Nothing is asked of Pulumi or AWS. What stays the same is needed too: it says which account and region a resource is in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from topology.patterns import CANARY

Op = Literal["create", "update", "replace", "delete", "same"]

# A replacement comes as several steps of one resource; the first of these words that is among them tells all.
_WORDS: dict[str, Op] = {
    "replace": "replace", "create-replacement": "replace", "delete-replaced": "replace", "create": "create",
    "import": "create", "delete": "delete", "update": "update", "same": "same",
}  # fmt: skip
_PROVIDER = "pulumi:providers:aws"
_FILTER = "aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter"
_ACCOUNT_POLICY = "aws:cloudwatch/logAccountPolicy:LogAccountPolicy"
ALL = "all"
"""Stands for every log group of an account and region."""
_SUBSCRIPTION = "central-log-archive:index:AppAccountSubscription"


class PreviewError(Exception):
    """The text is no preview. It says why."""


@dataclass(frozen=True)
class Resource:
    """A resource as it is, or as it would be.

    Attributes:
        urn: its URN.
        inputs: what the program gives.
        parent: URN of its parent, or empty.
        provider: URN of its provider, or empty.
        retained: whether it stays in its account when it leaves the stack.
    """

    urn: str
    inputs: Mapping[str, Any]
    parent: str
    provider: str
    retained: bool

    @property
    def type(self) -> str:
        """Its type token, without those of its parents."""
        return self.urn.split("::")[2].rpartition("$")[2]

    @property
    def name(self) -> str:
        """Its logical name."""
        return self.urn.split("::", 3)[3]


@dataclass(frozen=True)
class Change:
    """What would become of a resource: ``before`` is None where it would be made, ``after`` where it would go."""

    op: Op
    before: Resource | None
    after: Resource | None

    @property
    def resource(self) -> Resource:
        """The resource, as it would be, or else as it was."""
        found = self.after or self.before
        assert found is not None  # noqa: S101 - a step has one of them
        return found


@dataclass(frozen=True)
class Preview:
    """What an update of a stack would do.

    Attributes:
        stack: name of the stack.
        changes: a change for each resource, those that stay the same too.
        errors: why the preview failed; empty: it did not.
        warnings: what it warns of.
    """

    stack: str
    changes: list[Change]
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def resources(self, when: Literal["before", "after"]) -> list[Resource]:
        """Return all resources of the stack as they are, or as they would be."""
        return [each for change in self.changes if (each := getattr(change, when)) is not None]

    def links(self, when: Literal["before", "after"]) -> set[tuple[str, str, str]]:
        """Return account, region and log group (or ALL) of everything that is archived by this stack.

        The canaries are not among them: they are there for ``ops verify``, and hold nothing of their account.
        """
        resources = self.resources(when)
        places = {each.urn: _place(each) for each in resources if each.type == _PROVIDER}
        return {
            (*places[each.provider], each.inputs["logGroup"] if each.type == _FILTER else ALL)
            for each in resources
            if each.type in (_FILTER, _ACCOUNT_POLICY)
            and f"{_SUBSCRIPTION}::" in each.parent
            and each.inputs.get("logGroup") != CANARY
        }


def read(file: Path, stack: str = "") -> Preview:
    """Read a file with what ``pulumi preview --json --show-sames`` printed; as ``parse``.

    Raises:
        PreviewError: as ``parse``, or it cannot be read.
    """
    try:
        printed = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise PreviewError(f"{file} cannot be read: {error}") from None
    return parse(printed, str(file), stack)


def parse(printed: str, source: str, stack: str = "") -> Preview:
    """Understand what ``pulumi preview --json --show-sames`` printed.

    Args:
        printed: the JSON, and whatever else was printed before it.
        source: where it comes from; errors name it.
        stack: name of the stack, for a preview that failed before it came to any resource.

    Raises:
        PreviewError: there is no preview in it, or only a part of one.
    """
    try:
        document = json.loads(printed[printed.index("{") :])
        steps, diagnostics = document.get("steps", []), document.get("diagnostics") or []
    except (ValueError, AttributeError) as error:
        raise PreviewError(f"{source} has no output of pulumi preview --json: {error}") from None
    same = (document.get("changeSummary") or {}).get("same", 0)
    if same > sum(step["op"] == "same" for step in steps):
        raise PreviewError(f"{source} leaves out what stays the same; run pulumi preview --json --show-sames")
    by_urn: dict[str, list[dict[str, Any]]] = {}
    for step in steps:
        if step["op"] in _WORDS:
            by_urn.setdefault(step["urn"], []).append(step)
    said: dict[str, list[str]] = {"error": [], "warning": []}
    for diagnostic in diagnostics:
        severity, _, text = diagnostic["message"].strip().partition(": ")
        if severity in said and diagnostic.get("severity", severity) == severity:
            said[severity].append(text)
    named = next((urn.split("::")[0].rpartition(":")[2] for urn in by_urn), stack)
    return Preview(named, [_change(each) for each in by_urn.values()], said["error"], said["warning"])


def _change(steps: list[dict[str, Any]]) -> Change:
    words = {step["op"] for step in steps}
    op = next(_WORDS[word] for word in _WORDS if word in words)
    before = next((_resource(step["oldState"]) for step in steps if step.get("oldState")), None)
    after = next((_resource(step["newState"]) for step in reversed(steps) if step.get("newState")), None)
    return Change(op, None if op == "create" else before, None if op == "delete" else after or before)


def _resource(state: Mapping[str, Any]) -> Resource:
    return Resource(
        urn=state["urn"],
        inputs=state.get("inputs") or {},
        parent=state.get("parent", ""),
        provider=state.get("provider", "").rpartition("::")[0],
        retained=state.get("retainOnDelete", False),
    )


def _place(provider: Resource) -> tuple[str, str]:
    accounts = provider.inputs["allowedAccountIds"]
    (account,) = json.loads(accounts) if isinstance(accounts, str) else accounts
    return account, provider.inputs["region"]
