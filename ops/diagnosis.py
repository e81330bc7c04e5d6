"""Where an event got lost on its way: the first part of the way that is not as the program made it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from accounts.session import AWS_ERRORS, AssumedRole
from ops.outputs import Archive
from topology.names import filter_name
from topology.patterns import CANARY
from topology.policies import allowing, as_list, logs_principal, principals
from topology.regions import PARTITIONS

_PATIENCE_SECONDS = 180.0
_CHANGED = "it was changed beside Pulumi: pulumi up --refresh -s {stack}"
_OF_APPLICATION = ("log group", "filter", "role of the filter")


@dataclass(frozen=True)
class Loss:
    """Where an event was lost.

    Attributes:
        stage: the part of the way.
        reason: what is wrong there.
        remedy: what to do.
    """

    stage: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Way:
    """The way of an event that was not seen.

    Attributes:
        account: id of the account.
        region: the region.
        access: the verifier role of the account.
        failed: returns why Firehose could not process the event, if it says so.
        waited: seconds that the event has not been seen.
        since: when it was written.
    """

    account: str
    region: str
    access: AssumedRole
    failed: Callable[[], str | None]
    waited: float
    since: datetime


class Diagnosis:
    """Follows the way of events through the accounts, with the rights of the verifier roles."""

    def __init__(self, home: AssumedRole, archive: Archive, stack: str) -> None:
        """Look at an archive.

        Args:
            home: the verifier role of the central account.
            archive: the archive.
            stack: the stack of the applications.
        """
        self._home, self._archive, self._stack = home, archive, stack

    @property
    def patience(self) -> float:
        """Seconds until an event should be in the bucket: what the stream may gather, and some minutes."""
        return float((self._delivery.get("BufferingHints") or {}).get("IntervalInSeconds", 0)) + _PATIENCE_SECONDS

    def of(self, way: Way) -> Loss:
        """Say where an event was lost."""
        for stage, look in self._stages:
            try:
                reason = look(way)
            except AWS_ERRORS as error:
                reason = f"cannot be looked at: {error}"
            if reason is not None:
                return self.loss(stage, reason)
        return Loss(
            "bucket",
            f"all of the way is as it should be, but the event has not been seen for {way.waited:.0f} s",
            f"the stream may gather events for {self.patience - _PATIENCE_SECONDS:.0f} s, and CloudWatch Logs leaves a "
            "filter alone for up to 10 minutes after it was refused something: wait, and verify again",
        )

    def loss(self, stage: str, reason: str) -> Loss:
        """Return the loss of an event at a part of the way, with the remedy."""
        if stage == "transform":
            remedy = "its log says more; the event is kept under errors/, from where it can be sent again"
        else:
            stack = self._stack if stage in _OF_APPLICATION else self._archive.stack
            remedy = _CHANGED.format(stack=stack)
        return Loss(stage, reason, remedy)

    @property
    def _stages(self) -> list[tuple[str, Callable[[Way], str | None]]]:
        """The parts of the way, in the order in which an event comes by."""
        return [
            ("filter", self._filter),
            ("role of the filter", self._filter_role),
            ("destination", self._destination),
            ("destination policy", self._destination_policy),
            ("role", self._sender_role),
            ("stream", lambda _: self._stream_is_wrong),
            ("transform", lambda way: way.failed()),
            ("bucket", self._delivery_role),
        ]

    def _filter(self, way: Way) -> str | None:
        found = self._filter_of(way)
        wanted = self._archive.destinations.get(way.region)
        if found is None:
            return f"the canary has no filter {filter_name(way.region)}"
        if found["destinationArn"] != wanted:
            return f"it leads to {found['destinationArn']}, not to {wanted}"
        if found.get("filterPattern"):
            return f"it lets only events pass that match {found['filterPattern']}"
        return None

    def _filter_of(self, way: Way) -> dict[str, Any] | None:
        logs = way.access.client("logs", way.region)
        found = logs.describe_subscription_filters(logGroupName=CANARY)["subscriptionFilters"]
        return next((each for each in found if each["filterName"] == filter_name(way.region)), None)

    def _filter_role(self, way: Way) -> str | None:
        """An organization is admitted through roles of the filters (CloudWatch Logs User Guide)."""
        role = (self._filter_of(way) or {}).get("roleArn")
        if not role:
            demanded = self._archive.organization is not None
            return "the archive admits an organization, and the filter has no role" if demanded else None
        group = f"arn:{PARTITIONS[way.region]}:logs:{way.region}:{way.account}:log-group:{CANARY}:*"
        return _wrong_with_role(way.access, way.region, role, way.account, None, "logs:PutLogEvents", group)

    def _destination(self, way: Way) -> str | None:
        found = self._destination_of(way)
        if found is None:
            return f"there is no {self._archive.destinations[way.region]}"
        if found["targetArn"] != self._archive.stream:
            return f"it leads to {found['targetArn']}, not to {self._archive.stream}"
        return None

    def _destination_of(self, way: Way) -> dict[str, Any] | None:
        arn = self._archive.destinations[way.region]
        logs = self._home.client("logs", way.region)
        found = logs.describe_destinations(DestinationNamePrefix=arn.rpartition(":")[2])["destinations"]
        return next((each for each in found if each["arn"] == arn), None)

    def _destination_policy(self, way: Way) -> str | None:
        policy = (self._destination_of(way) or {}).get("accessPolicy")
        for statement in allowing(policy):
            named = principals(statement)
            organization = ((statement.get("Condition") or {}).get("StringEquals") or {}).get("aws:PrincipalOrgID")
            if "logs:PutSubscriptionFilter" in as_list(statement["Action"]) and (
                way.account in named or (organization in (self._archive.organization, None) and "*" in named)
            ):
                return None
        return f"it does not admit account {way.account}"

    def _sender_role(self, way: Way) -> str | None:
        archive, role = self._archive, (self._destination_of(way) or {})["roleArn"]
        return _wrong_with_role(
            self._home, archive.region, role, way.account, archive.organization, "firehose:PutRecord", archive.stream
        )

    @cached_property
    def _stream(self) -> dict[str, Any] | None:
        firehose = self._home.client("firehose", self._archive.region)
        name = self._archive.stream.rpartition("/")[2]
        try:
            found: dict[str, Any] = firehose.describe_delivery_stream(DeliveryStreamName=name)
        except firehose.exceptions.ResourceNotFoundException:
            return None
        description: dict[str, Any] = found["DeliveryStreamDescription"]
        return description

    @property
    def _delivery(self) -> dict[str, Any]:
        """How the stream delivers, or nothing where there is no stream."""
        if self._stream is None:
            return {}
        delivery: dict[str, Any] = self._stream["Destinations"][0]["ExtendedS3DestinationDescription"]
        return delivery

    @property
    def _stream_is_wrong(self) -> str | None:
        if self._stream is None:
            return f"there is no {self._archive.stream}"
        status = self._stream["DeliveryStreamStatus"]
        return None if status == "ACTIVE" else f"it is {status}"

    def _delivery_role(self, way: Way) -> str | None:
        objects = f"{self._delivery['BucketARN']}/logs/canary"
        wrong = _wrong_rights(self._home, self._archive.region, self._delivery["RoleARN"], "s3:PutObject", objects)
        return wrong or next(self._delivery_errors(way.since), None)

    def _delivery_errors(self, since: datetime) -> Iterator[str]:
        """What Firehose reports of itself, the latest first."""
        options = self._delivery.get("CloudWatchLoggingOptions") or {}
        logs = self._home.client("logs", self._archive.region)
        events = logs.filter_log_events(
            logGroupName=options["LogGroupName"], startTime=int(since.timestamp() * 1000)
        )["events"]  # fmt: skip
        for event in reversed(events):
            said = json.loads(event["message"])
            yield f"{said.get('errorCode')}: {said.get('message')}"


def _wrong_with_role(
    access: AssumedRole, region: str, role: str, account: str, organization: str | None, action: str, resource: str
) -> str | None:
    """Say why CloudWatch Logs, on behalf of an account, could not do something through a role."""
    iam = access.client("iam", region)
    try:
        trust = iam.get_role(RoleName=role.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
    except iam.exceptions.NoSuchEntityException:
        return f"there is no {role}"
    if not _trusts(trust, region, account, organization):
        return f"{role} does not trust CloudWatch Logs on behalf of account {account}"
    return _wrong_rights(access, region, role, action, resource)


def _trusts(trust: dict[str, Any], region: str, account: str, organization: str | None) -> bool:
    source = f"arn:{PARTITIONS[region]}:logs:{region}:{account}:log-group:{CANARY}:*"
    for statement in allowing(trust):
        if logs_principal(region) not in as_list((statement.get("Principal") or {}).get("Service", [])):
            continue
        condition = statement.get("Condition") or {}
        sources = as_list((condition.get("StringLike") or {}).get("aws:SourceArn", []))
        of_organization = (condition.get("StringEquals") or {}).get("aws:SourceOrgID")
        if (
            not condition
            or any(fnmatchcase(source, pattern) for pattern in sources)
            or (of_organization is not None and of_organization == organization)
        ):
            return True
    return False


def _wrong_rights(access: AssumedRole, region: str, role: str, action: str, resource: str) -> str | None:
    """Say that a role lacks a right. IAM itself decides, with all that holds for the role."""
    answer = access.client("iam", region).simulate_principal_policy(
        PolicySourceArn=role, ActionNames=[action], ResourceArns=[resource]
    )
    decision = answer["EvaluationResults"][0]["EvalDecision"]
    return None if decision == "allowed" else f"{role} may not {action} on {resource}: {decision}"
