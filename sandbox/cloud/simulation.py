"""Simulates the policies of a role with the context that the caller passes, which the emulator ignores.

Source: API operation SimulatePrincipalPolicy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

from ministack.services import iam

from sandbox.cloud import permissions
from sandbox.cloud.patch import replace

_OPERATION = "SimulatePrincipalPolicy"


def install() -> None:
    """Replace functions of the emulator."""
    original = replace(iam, "_simulate_principal_policy", "p", lambda parameters: _simulate(parameters, original))
    iam._IAM_HANDLERS[_OPERATION] = iam._simulate_principal_policy


def _simulate(parameters: dict[str, Any], original: Any) -> Any:  # noqa: ANN401 - the emulator's
    role = iam._p(parameters, "PolicySourceArn")
    if ":role/" not in role:
        return original(parameters)
    actions, _ = iam._extract_simulate_params(parameters)
    context = dict(_context(parameters))
    resources = list(_members(parameters, "ResourceArns.member.{}")) or ["*"]
    results = "".join(
        f"<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalDecision>{permissions.simulated(role, action, resource, context)}</EvalDecision></member>"
        for action in actions
        for resource in resources
    )
    result = f"<EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated>"
    return iam._xml(200, f"{_OPERATION}Response", f"<{_OPERATION}Result>{result}</{_OPERATION}Result>")


def _context(parameters: dict[str, Any]) -> Iterator[tuple[str, str]]:
    return zip(
        _members(parameters, "ContextEntries.member.{}.ContextKeyName"),
        _members(parameters, "ContextEntries.member.{}.ContextKeyValues.member.1"),
        strict=True,
    )


def _members(parameters: dict[str, Any], name: str) -> Iterator[str]:
    """Yield the members of a list in a form."""
    index = 1
    while value := iam._p(parameters, name.format(index)):
        yield value
        index += 1
