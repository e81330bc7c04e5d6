"""The rules of ``rules.py`` as Pulumi's policy pack: ``pulumi preview --policy-pack policy``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the engine runs this folder as a program

from policy.rules import RULES, UNKNOWN, Facts, Rule


def _known(value: Any) -> Any:  # noqa: ANN401 - an input of a resource
    """Return a value with plain collections, and UNKNOWN for values that are unknown until the update."""
    if isinstance(value, Mapping):
        return {key: _item(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_item(value, index) for index in range(len(value))]
    return value


def _item(container: Any, key: Any) -> Any:  # noqa: ANN401 - as above
    try:
        return _known(container[key])
    except UnknownValueError:  # the SDK raises it on access
        return UNKNOWN


def _facts(resource: PolicyResource) -> Facts:
    given = resource.provider
    provider = None if given is None else Facts(given.resource_type, given.name, _known(given.props), "", None)
    parent = resource.parent.urn if resource.parent else ""
    return Facts(resource.resource_type, resource.name, _known(resource.props), parent, provider)


def _checks(rule: Rule) -> Callable[[StackValidationArgs, ReportViolation], None]:
    def check(stack: StackValidationArgs, report: ReportViolation) -> None:
        urns = {resource.name: resource.urn for resource in stack.resources}
        for name, problem in rule.check([_facts(resource) for resource in stack.resources]):
            report(f"{name}: {problem}", urns.get(name))

    return check


PolicyPack(
    name="central-log-archive",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[StackValidationPolicy(rule.name, rule.description, _checks(rule)) for rule in RULES],
)
