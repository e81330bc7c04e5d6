"""What an update would change, read from the output of ``pulumi preview --json --show-sames``.

Neither Pulumi nor AWS is called. Unchanged resources are needed to tell which account and region a resource is in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ops.errors import OperatorError
from policy.rules import named_in
from topology.patterns import CANARIES

Op = Literal["create", "update", "replace", "delete", "same"]

# A replacement consists of several steps of one resource; the first of these operations among them is the outcome.
_OUTCOMES: dict[str, Op] = {
    "replace": "replace", "create-replacement": "replace", "delete-replaced": "replace", "create": "create",
    "import": "create", "delete": "delete", "update": "update", "same": "same",
}  # fmt: skip
_PROVIDER = "pulumi:providers:aws"
_FILTER = "aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter"
_ACCOUNT_POLICY = "aws:cloudwatch/logAccountPolicy:LogAccountPolicy"
ALL = "all"
"""Every log group of an account and region."""
Link = tuple[str, str, str]
"""Account, region and log group, or ALL, of something that is archived."""
_SUBSCRIPTION = "central-log-archive:index:AppAccountSubscription"


@dataclass(frozen=True)
class Resource:
    """A resource before or after the update.

    Attributes:
        urn: its URN.
        inputs: its inputs.
        parent: URN of its parent, or empty.
        provider: URN of its provider, or empty.
        retained: whether it is retained when it is deleted from the stack.
        protected: whether it cannot be deleted.
    """

    urn: str
    inputs: Mapping[str, Any]
    parent: str
    provider: str
    retained: bool
    protected: bool

    @property
    def type(self) -> str:
        """Its type token, without its parents' types."""
        return self.urn.split("::")[2].rpartition("$")[2]

    @property
    def type_name(self) -> str:
        """The last part of its type token, such as Bucket."""
        return self.type.rpartition(":")[2]

    @property
    def name(self) -> str:
        """Its logical name."""
        return self.urn.split("::", 3)[3]


@dataclass(frozen=True)
class Change:
    """What would happen to a resource: ``before`` is None if it is created, ``after`` if it is deleted."""

    op: Op
    before: Resource | None
    after: Resource | None

    @property
    def resource(self) -> Resource:
        """The resource after the update, or before it if it is deleted."""
        found = self.after or self.before
        assert found is not None  # noqa: S101 - a step has one of them
        return found


@dataclass(frozen=True)
class Preview:
    """What an update of a stack would do.

    Attributes:
        stack: name of the stack.
        changes: a change for each resource, unchanged ones included.
        errors: why the preview failed; empty if it did not.
        warnings: its warnings.
        named: IDs of the accounts and organizations in the config of the stack.
    """

    stack: str
    changes: list[Change]
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    named: frozenset[str] = frozenset()

    def resources(self, when: Literal["before", "after"]) -> list[Resource]:
        """Return all resources of the stack before or after the update."""
        return [each for change in self.changes if (each := getattr(change, when)) is not None]

    def links(self, when: Literal["before", "after"]) -> set[Link]:
        """Return account, region and log group (or ALL) of everything that this stack archives.

        Canaries are left out: they only show that an account and region sends.
        """
        resources = self.resources(when)
        places = {each.urn: _place(each) for each in resources if each.type == _PROVIDER}
        return {
            (*places[each.provider], each.inputs["logGroup"] if each.type == _FILTER else ALL)
            for each in resources
            if each.type in (_FILTER, _ACCOUNT_POLICY)
            and f"{_SUBSCRIPTION}::" in each.parent
            and each.inputs.get("logGroup") not in CANARIES
        }


def read(file: Path) -> Preview:
    """Read a file with the output of ``pulumi preview --json --show-sames``.

    Raises:
        OperatorError: it cannot be read, or is not such an output.
    """
    try:
        printed = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"{file} cannot be read: {error}") from None
    return parse(printed, str(file), file.stem)


def parse(printed: str, source: str, stack: str) -> Preview:
    """Parse the output of ``pulumi preview --json --show-sames``.

    Args:
        printed: the JSON, and whatever was printed before it.
        source: where it comes from, for errors.
        stack: name of the stack, for a preview that failed before its first resource.

    Raises:
        OperatorError: it is not such an output, or not all of it.
    """
    try:
        document = json.loads(printed[printed.index("{") :])
    except ValueError as error:
        raise OperatorError(f"{source} is not the output of pulumi preview --json: {error}") from None
    steps, diagnostics = document.get("steps") or [], document.get("diagnostics") or []
    same = (document.get("changeSummary") or {}).get("same", 0)
    if same > sum(step["op"] == "same" for step in steps):
        raise OperatorError(f"{source} lacks unchanged resources; run pulumi preview --json --show-sames")
    by_urn: dict[str, list[dict[str, Any]]] = {}
    for step in steps:
        if step["op"] in _OUTCOMES:
            by_urn.setdefault(step["urn"], []).append(step)
    messages: dict[str, list[str]] = {"error": [], "warning": []}
    for diagnostic in diagnostics:
        severity, _, text = diagnostic["message"].strip().partition(": ")
        if severity in messages and diagnostic.get("severity", severity) == severity:
            messages[severity].append(text)
    named = next((urn.split("::")[0].rpartition(":")[2] for urn in by_urn), stack)
    changes = [_change(each) for each in by_urn.values()]
    config = (document.get("config") or {}).values()
    return Preview(named, changes, messages["error"], messages["warning"], named_in(map(str, config)))


def _change(steps: list[dict[str, Any]]) -> Change:
    ops = {step["op"] for step in steps}
    op = next(outcome for step, outcome in _OUTCOMES.items() if step in ops)
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
        protected=state.get("protect", False),
    )


def _place(provider: Resource) -> tuple[str, str]:
    accounts = provider.inputs["allowedAccountIds"]
    (account,) = json.loads(accounts) if isinstance(accounts, str) else accounts
    return account, provider.inputs["region"]
