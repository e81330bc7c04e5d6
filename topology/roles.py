"""How the role of an account is assumed, by Pulumi's provider and by code that calls AWS directly."""

from __future__ import annotations

import re

from topology import regions
from topology.settings import Application, Archive


def role_arn(account: Archive | Application, region: str) -> str:
    """Return the ARN of the role to assume in an account, in the partition of ``region``."""
    return regions.role_arn(region, account.account, account.assumed_role)


def session_name(stack: str) -> str:
    """Return the session name that identifies a stack in CloudTrail, within AssumeRole's limit of 64 characters."""
    return re.sub(r"[^\w+=,.@-]", "-", f"central-log-archive-{stack}", flags=re.ASCII)[:64]
