"""What analysts need to query the archive with Amazon Athena."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, Field

from topology.settings.types import AccountId, Distinct, PrincipalArn, Section, problem


def _day(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise problem(f'"{value}" is not a date; allowed: a day in quotes, like "2025-01-31"')


class Analysis(Section):
    """A table over the archive, views, a workgroup and a role to query them with. ``true`` stands for ``{}``."""

    since: Annotated[date, BeforeValidator(_day)] = Field(
        default=date(2025, 1, 1), description="the first day to query, in quotes; earlier events are in no answer"
    )
    accounts: Distinct[AccountId] = Field(
        default=(),
        description="IDs of more accounts to query, in quotes, where the archive admits an organization or centralizes "
        "log groups and its layout is partitioned; those of `senders` and `applications` are included",
    )
    scan_limit_gib: int = Field(
        default=100,
        ge=1,
        le=1_000_000,
        alias="scanLimitGiB",
        description="GiB that a query may read before Athena cancels it",
    )
    keep_results_days: int = Field(
        default=7, ge=1, le=3650, description="days after which the results of queries are deleted"
    )
    reuse_minutes: int = Field(
        default=15,
        ge=0,
        le=10_080,
        description="minutes for which the result of a query answers the same query again, 0 to 10,080",
    )
    readers: Distinct[PrincipalArn] = Field(
        default=(),
        description="ARNs of principals that may assume the analyst role; default: those that the IAM policies of the "
        "central account let assume it",
    )
