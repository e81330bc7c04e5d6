"""Reads the log groups and subscriptions of an application account through its deployer role.

The provider has no functions for log classes, subscription filters or account policies. So this calls AWS directly,
with Pulumi's credentials.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from botocore.exceptions import ClientError

from accounts.parallel import OnProgress, in_parallel
from accounts.session import AssumedRole
from topology import roles
from topology.regions import role_arn
from topology.settings import Application

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Subscription:
    """A subscription filter of a log group, or an account policy that subscribes all log groups of a region.

    Attributes:
        name: name of the filter or policy.
        destination: ARN that the events are delivered to.
        criteria: selection criteria of a policy; empty: all log groups.
        filter_pattern: its pattern; empty: all events.
        emit_system_fields: system fields that a filter adds to events.
        role: ARN of its role; empty: it has none.
    """

    name: str
    destination: str
    criteria: str = ""
    filter_pattern: str = ""
    emit_system_fields: tuple[str, ...] = ()
    role: str = ""


class Inventory:
    """Reads an application account. Every method raises session.AWS_ERRORS."""

    def __init__(self, application: Application, stack: str) -> None:
        """Assume the deployer role.

        Args:
            application: the account, and its regions.
            stack: name of the stack, for CloudTrail.
        """
        region = next(iter(application.regions))
        self._deployer_role = role_arn(region, application.account, application.deployer_role)
        self._iam_region = region
        self._access = AssumedRole(roles.role_arn(application, region), region, stack)
        self._logs = {region: self._access.client("logs", region) for region in application.regions}

    def log_groups(self, region: str) -> dict[str, str]:
        """Return log group → class, for all log groups of a region."""
        pages = self._logs[region].get_paginator("describe_log_groups").paginate()
        groups = [group for page in pages for group in page["logGroups"]]
        return {group["logGroupName"]: group.get("logGroupClass", "STANDARD") for group in groups}

    def filters(self, region: str, log_group: str) -> list[Subscription]:
        """Return all subscription filters of a log group, not only the archive's own."""
        found = self._logs[region].describe_subscription_filters(logGroupName=log_group)  # always a single page
        return [
            Subscription(
                each["filterName"],
                each["destinationArn"],
                filter_pattern=each.get("filterPattern", ""),
                emit_system_fields=tuple(each.get("emitSystemFields", ())),
                role=each.get("roleArn", ""),
            )
            for each in found["subscriptionFilters"]
        ]

    def bucket(self, region: str, stream_arn: str) -> str | None:
        """Return the ARN of the bucket that a stream of the account writes to.

        Returns:
            None if the stream does not write to a bucket, does not exist, or may not be read.
        """
        name = stream_arn.rpartition("/")[2]
        try:
            described = self._access.client("firehose", region).describe_delivery_stream(DeliveryStreamName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("AccessDeniedException", "ResourceNotFoundException"):
                return None
            raise
        delivery = described["DeliveryStreamDescription"]["Destinations"][0].get("ExtendedS3DestinationDescription")
        return str(delivery["BucketARN"]) if delivery else None

    def policies(self, region: str) -> list[Subscription]:
        """Return the account policies that subscribe log groups of a region; AWS allows one."""
        found = self._logs[region].describe_account_policies(policyType="SUBSCRIPTION_FILTER_POLICY")
        documents = [(each, json.loads(each["policyDocument"])) for each in found["accountPolicies"]]
        return [
            Subscription(
                each["policyName"],
                document["DestinationArn"],
                each.get("selectionCriteria", ""),
                filter_pattern=document.get("FilterPattern", ""),
                role=document.get("RoleArn", ""),
            )
            for each, document in documents
        ]

    def denied(self, action: str, resources: Iterable[str]) -> list[str]:
        """Return the resources on which the deployer role is not allowed an action, as IAM's policy simulator decides.

        Args:
            action: the action.
            resources: ARNs of its resources.
        """
        pages = (
            self._access.client("iam", self._iam_region)
            .get_paginator("simulate_principal_policy")
            .paginate(PolicySourceArn=self._deployer_role, ActionNames=[action], ResourceArns=list(resources))
        )
        results = [result for page in pages for result in page["EvaluationResults"]]
        return [result["EvalResourceName"] for result in results if result["EvalDecision"] != "allowed"]


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
