"""Clients of a run's accounts, as one of their roles."""

from __future__ import annotations

import functools
import time
from typing import Any

from accounts.session import AssumedRole
from topology.regions import role_arn

_RENEWED_AFTER_SECONDS = 1200  # a role that another role assumes has an hour, and a run takes about as long


def client(service: str, *, account: str, region: str, role: str, session: str) -> Any:  # noqa: ANN401 - boto3
    """Return a client that is good for the next half hour.

    Args:
        service: the service.
        account: ID of the account.
        region: the region.
        role: name of the role.
        session: name of the run or of the sweeper, for CloudTrail.
    """
    return _assumed(role_arn(region, account, role), region, session, int(time.time() / _RENEWED_AFTER_SECONDS)).client(
        service, region
    )


@functools.cache
def _assumed(arn: str, region: str, session: str, _period: int) -> AssumedRole:
    return AssumedRole(arn, region, session)
