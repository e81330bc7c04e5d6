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
    actions, resource = iam._extract_simulate_params(parameters)
    context = dict(_context(parameters))
    results = "".join(
        f"<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalDecision>{permissions.simulated(role, action, resource, context)}</EvalDecision></member>"
        for action in actions
    )
    result = f"<EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated>"
    return iam._xml(200, f"{_OPERATION}Response", f"<{_OPERATION}Result>{result}</{_OPERATION}Result>")


def _context(parameters: dict[str, Any]) -> Iterator[tuple[str, str]]:
    index = 1
    while key := iam._p(parameters, f"ContextEntries.member.{index}.ContextKeyName"):
        yield key, iam._p(parameters, f"ContextEntries.member.{index}.ContextKeyValues.member.1")
        index += 1
