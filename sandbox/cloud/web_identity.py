"""What STS reads in tokens of GitHub Actions, whose claims trust policies can check since January 2026.

The emulator knows ``aud`` and ``sub``. It does not verify signatures: on the sandbox, anybody can issue a token.
Source: AWS, "AWS STS supports validation of select identity provider specific claims" (January 2026).
"""

from __future__ import annotations

from typing import Any

from ministack.services import sts
from ministack.services.cognito import _decode_id_token_unverified

from sandbox.cloud.patch import replace

_GITHUB = "token.actions.githubusercontent.com"
_CLAIMS = (
    "actor", "actor_id", "enterprise_id", "environment", "job_workflow_ref", "ref", "repository", "repository_id",
    "workflow",
)  # fmt: skip


def install() -> None:
    """Replace functions of the emulator."""

    def principal(token: str, provider_id: str, role_arn: str) -> tuple[str, dict[str, Any]]:
        named, keys = known(token, provider_id, role_arn)
        if named.endswith(f"/{_GITHUB}"):
            claims = _decode_id_token_unverified(token)
            keys |= {f"{_GITHUB}:{claim}": claims[claim] for claim in _CLAIMS if claim in claims}
        return named, keys

    known = replace(sts, "_web_identity_principal", "token provider_id role_arn", principal)
