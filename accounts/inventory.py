"""What there is in an application account, read through its deployer role.

The provider has no function for the class of a log group, the filters of others or the policies of an account. So this
asks AWS itself, with the credentials that Pulumi has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from accounts.parallel import OnProgress, in_parallel
from accounts.session import AssumedRole
from topology import roles
from topology.settings import Application

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Subscription:
    """A subscription filter of a log group, or a policy that subscribes all of an account and region.

    Attributes:
        name: of the filter or the policy.
        destination: ARN of what takes the events.
        criteria: which log groups a policy leaves out, in the words of AWS; empty: none.
        filter_pattern: which events a filter passes on; empty: all of them.
        emit_system_fields: what a filter adds to them.
    """

    name: str
    destination: str
    criteria: str = ""
    filter_pattern: str = ""
    emit_system_fields: tuple[str, ...] = ()


class Inventory:
    """Reads an application account. All of it raises session.AWS_ERRORS."""

    def __init__(self, application: Application, stack: str) -> None:
        """Assume the deployer role.

        Args:
            application: the account, and its regions.
            stack: for which stack it is read; CloudTrail names it.
        """
        region = next(iter(application.regions))
        access = AssumedRole(roles.role_arn(application, region), region, stack)
        self._logs = {region: access.client("logs", region) for region in application.regions}

    def log_groups(self, region: str) -> dict[str, str]:
        """Return log group → class, for all of a region."""
        pages = self._logs[region].get_paginator("describe_log_groups").paginate()
        groups = [group for page in pages for group in page["logGroups"]]
        return {group["logGroupName"]: group.get("logGroupClass", "STANDARD") for group in groups}

    def filters(self, region: str, log_group: str) -> list[Subscription]:
        """Return the subscription filters of a log group, those of others too."""
        found = self._logs[region].describe_subscription_filters(logGroupName=log_group)  # never more than a page
        return [
            Subscription(
                each["filterName"],
                each["destinationArn"],
                filter_pattern=each.get("filterPattern", ""),
                emit_system_fields=tuple(each.get("emitSystemFields", ())),
            )
            for each in found["subscriptionFilters"]
        ]

    def policies(self, region: str) -> list[Subscription]:
        """Return the policies that subscribe all log groups of a region; AWS takes one."""
        found = self._logs[region].describe_account_policies(policyType="SUBSCRIPTION_FILTER_POLICY")
        return [
            Subscription(
                each["policyName"],
                json.loads(each["policyDocument"])["DestinationArn"],
                each.get("selectionCriteria", ""),
            )
            for each in found["accountPolicies"]
        ]


def read_accounts(
    applications: Iterable[Application],
    stack: str,
    read: Callable[[Application, Inventory], Iterable[_Found]],
    on_progress: OnProgress,
) -> list[_Found]:
    """Read accounts in parallel; return what is found in them, in their order.

    Args:
        applications: the accounts.
        stack: the stack they are read for.
        read: returns what is found in an account.
        on_progress: called as accounts are done.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: an account cannot be read.
    """

    def read_one(application: Application) -> list[_Found]:
        return list(read(application, Inventory(application, stack)))

    return [each for found in in_parallel(read_one, applications, on_progress) for each in found]
