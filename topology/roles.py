"""How the deployer role of an account is assumed: by the provider of Pulumi, and by what reads an account beside it."""

from __future__ import annotations

import re

from topology import regions
from topology.settings import Application, Archive


def role_arn(account: Archive | Application, region: str) -> str:
    """Return the ARN of an account's deployer role, in the partition of AWS that ``region`` is in."""
    return regions.role_arn(region, account.account, account.deployer_role)


def session_name(stack: str) -> str:
    """Name the stack in CloudTrail, within the 64 characters that AssumeRole allows."""
    return re.sub(r"[^\w+=,.@-]", "-", f"central-log-archive-{stack}", flags=re.ASCII)[:64]
