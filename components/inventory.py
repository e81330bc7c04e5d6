"""What there is in an application account, read through its deployer role.

The provider has no function for the class of a log group, the filters of others or the policies of an account. So this
asks AWS itself, with the credentials that Pulumi has.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from components import deployer
from components.settings import Application

READ_ERRORS = (BotoCoreError, ClientError)
"""What any reading raises where AWS, or the way to it, does not let it."""

# AWS takes few of these calls a second ("CloudWatch Logs quotas"). Adaptive retries slow down when it says so.
_CONFIG = Config(retries={"mode": "adaptive", "max_attempts": 10})
_session = boto3.Session()
_making = threading.Lock()  # a session makes one client at a time


@dataclass(frozen=True)
class Subscription:
    """A subscription filter of a log group, or a policy that subscribes all of an account and region.

    Attributes:
        name: of the filter or the policy.
        destination: ARN of what takes the events.
        criteria: which log groups a policy leaves out, in the words of AWS; empty: none.
    """

    name: str
    destination: str
    criteria: str = ""


class Inventory:
    """Reads an application account. All of it raises READ_ERRORS."""

    def __init__(self, application: Application, stack: str) -> None:
        """Assume the deployer role.

        Args:
            application: the account, and its regions.
            stack: for which stack it is read; CloudTrail names it.
        """
        region = next(iter(application.regions))
        given = _client("sts", region).assume_role(
            RoleArn=deployer.role_arn(application, region), RoleSessionName=deployer.session_name(stack)
        )["Credentials"]
        self._logs = {region: _client("logs", region, given) for region in application.regions}

    def log_groups(self, region: str) -> dict[str, str]:
        """Return log group → class, for all of a region."""
        pages = self._logs[region].get_paginator("describe_log_groups").paginate()
        groups = [group for page in pages for group in page["logGroups"]]
        return {group["logGroupName"]: group.get("logGroupClass", "STANDARD") for group in groups}

    def filters(self, region: str, log_group: str) -> list[Subscription]:
        """Return the subscription filters of a log group, those of others too."""
        found = self._logs[region].describe_subscription_filters(logGroupName=log_group)  # never more than a page
        return [Subscription(each["filterName"], each["destinationArn"]) for each in found["subscriptionFilters"]]

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


def _client(service: str, region: str, credentials: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - boto3
    keys = {} if credentials is None else {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }  # fmt: skip
    with _making:
        return _session.client(service, region_name=region, config=_CONFIG, **keys)
