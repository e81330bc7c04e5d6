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
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.policy import _PolicyAnalyzerServicer
from pulumi_policy.proxy import UnknownValueError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the engine runs this folder as a program

from policy.documents import UNKNOWN
from policy.rules import RULES, Facts, Rule, named_in

_config: dict[str, str] = {}


def _configure(servicer: _PolicyAnalyzerServicer, request: Any, context: Any) -> Any:  # noqa: ANN401 - protobuf
    """Keep the config of the stack, which the SDK passes over. The engine sends it before it checks a resource."""
    _config.update(request.config)
    return _of_sdk(servicer, request, context)


_of_sdk = _PolicyAnalyzerServicer.ConfigureStack
_PolicyAnalyzerServicer.ConfigureStack = _configure  # type: ignore[assignment, method-assign]


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


def _facts(resource: PolicyResource | ResourceValidationArgs, parent: str) -> Facts:
    given = resource.provider
    provider = None if given is None else Facts(given.resource_type, given.name, _known(given.props), "", None)
    return Facts(
        resource.resource_type, resource.name, _known(resource.props), parent, provider, named_in(_config.values())
    )


def _each(rule: Rule) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    """Check each resource before it is created or changed."""

    def check(resource: ResourceValidationArgs, report: ReportViolation) -> None:
        for name, problem in rule.check([_facts(resource, "")]):
            report(f"{name}: {problem}", None)

    return check


def _all(rule: Rule) -> Callable[[StackValidationArgs, ReportViolation], None]:
    """Check all resources together, at the end."""

    def check(stack: StackValidationArgs, report: ReportViolation) -> None:
        urns = {resource.name: resource.urn for resource in stack.resources}
        facts = [_facts(each, each.parent.urn if each.parent else "") for each in stack.resources]
        for name, problem in rule.check(facts):
            report(f"{name}: {problem}", urns.get(name))

    return check


PolicyPack(
    name="central-log-archive",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[
        ResourceValidationPolicy(rule.name, rule.description, _each(rule))
        if rule.alone
        else StackValidationPolicy(rule.name, rule.description, _all(rule))
        for rule in RULES
    ],
)
