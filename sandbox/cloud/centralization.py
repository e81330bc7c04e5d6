"""Centralized log groups: events of an account, copied into log groups of the same name in a central account.

On AWS, centralization rules of an organization do this (CloudWatch Logs User Guide, "Cross-account cross-Region log
centralization"). Here, ``/_sandbox/centralize/ACCOUNT/CENTRAL_ACCOUNT/CENTRAL_REGION`` does, for all log groups of an
account. System fields of a copied event say which account and region it was written in.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import cloudwatch_logs as logs

_rules: dict[str, tuple[str, str]] = {}
_source: ContextVar[tuple[str, str] | None] = ContextVar("source", default=None)


def centralize(account: str, central_account: str, central_region: str) -> dict[str, str]:
    """Copy new events of an account, from every region, to a central account and region."""
    _rules[account] = (central_account, central_region)
    return {"centralized": account}


def source() -> tuple[str, str]:
    """Return account and region that the events being delivered were written in."""
    return _source.get() or (get_account_id(), get_region())


def copy(group_name: str, stream_name: str, events: list[dict[str, Any]]) -> None:
    """Copy events of a log group of the current account, if the account is centralized."""
    if get_account_id() not in _rules:
        return
    token = _source.set(source())
    try:
        with request_scope(*_rules[get_account_id()]):
            name = {"logGroupName": group_name, "logStreamName": stream_name}
            logs._create_log_group({"logGroupName": group_name})  # which both report it if there is one
            logs._create_log_stream(name)
            logs._put_log_events({**name, "logEvents": events})
    finally:
        _source.reset(token)
