"""Finds where an event was lost: the first stage of its delivery path that is not as the program configures it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any

from accounts.session import AWS_ERRORS, AssumedRole
from components.archive_outputs import ArchiveOutputs
from topology.names import filter_name
from topology.patterns import CANARY
from topology.policies import allowing, as_list, condition_values, principals, regional_host
from topology.regions import PARTITIONS
from topology.sender_role import trusts

_GRACE_SECONDS = 180.0
_DRIFT = "it was changed outside Pulumi: run pulumi up --refresh -s {stack}"
_APPLICATION_STAGES = ("log group", "filter")


@dataclass(frozen=True)
class Loss:
    """Where an event was lost.

    Attributes:
        stage: stage of the delivery path.
        reason: what is wrong there.
        remedy: how to fix it.
    """

    stage: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class DeliveryPath:
    """The delivery path of an event that has not arrived.

    Attributes:
        account: ID of the account.
        region: the region.
        verifier: the verifier role of the account.
        waited: seconds since the event was written.
        since: when it was written.
    """

    account: str
    region: str
    verifier: AssumedRole
    waited: float
    since: datetime


class Diagnosis:
    """Checks delivery paths stage by stage, with the permissions of the verifier roles."""

    def __init__(self, home: AssumedRole, archive: ArchiveOutputs, stack: str) -> None:
        """Diagnose losses on the way to an archive.

        Args:
            home: the verifier role of the central account.
            archive: the archive.
            stack: the stack of the applications.
        """
        self._home, self._archive, self._stack = home, archive, stack

    @property
    def timeout(self) -> float:
        """Seconds within which an event should arrive: the stream's buffer interval and three minutes."""
        return self._buffer_seconds + _GRACE_SECONDS

    def of(self, path: DeliveryPath) -> Loss:
        """Return where an event was lost."""
        for stage, check in self._stages:
            try:
                reason = check(path)
            except AWS_ERRORS as error:
                reason = f"cannot be checked: {error}"
            if reason is not None:
                return self.loss(stage, reason)
        return Loss(
            "bucket",
            f"every stage is configured correctly, but the event has not arrived after {path.waited:.0f} s",
            f"the stream buffers events for up to {self._buffer_seconds:.0f} s, and after a failed delivery CloudWatch "
            "Logs may not retry a filter for up to 10 minutes: wait, then verify again",
        )

    def loss(self, stage: str, reason: str) -> Loss:
        """Return the loss of an event at a stage, with its remedy."""
        if stage == "transform":
            remedy = (
                "see the function's log; the event is kept under errors/, from where python -m ops redrive puts it back"
            )
        elif stage == "role of the filter":
            remedy = (
                "deploy bootstrap/application-account.yaml there with FilterRoles=true, and undo changes of the role"
            )
        else:
            stack = self._stack if stage in _APPLICATION_STAGES else self._archive.stack
            remedy = _DRIFT.format(stack=stack)
        return Loss(stage, reason, remedy)

    @property
    def _stages(self) -> list[tuple[str, Callable[[DeliveryPath], str | None]]]:
        """The stages of a delivery path, in the order in which an event passes them."""
        return [
            ("filter", self._filter),
            ("role of the filter", self._filter_role),
            ("destination", self._destination),
            ("destination policy", self._destination_policy),
            ("role", self._sender_role),
            ("stream", self._stream_status),
            ("key", self._stream_key),
            ("bucket", self._delivery_role),
        ]

    def _filter(self, path: DeliveryPath) -> str | None:
        found = self._filter_of(path)
        wanted = self._archive.destinations.get(path.region)
        if found is None:
            return f"the canary has no filter {filter_name(path.region)}"
        if found["destinationArn"] != wanted:
            return f"its destination is {found['destinationArn']} instead of {wanted}"
        if found.get("filterPattern"):
            return f"it only matches events with the pattern {found['filterPattern']}"
        if self._archive.admitted_organization is not None and not found.get("roleArn"):
            return "the archive admits an organization, but the filter has no role"
        return None

    def _filter_of(self, path: DeliveryPath) -> dict[str, Any] | None:
        logs = path.verifier.client("logs", path.region)
        found = logs.describe_subscription_filters(logGroupName=CANARY)["subscriptionFilters"]
        return next((each for each in found if each["filterName"] == filter_name(path.region)), None)

    def _filter_role(self, path: DeliveryPath) -> str | None:
        """An admitted organization requires filters with a role (CloudWatch Logs User Guide)."""
        role = (self._filter_of(path) or {}).get("roleArn")
        if not role:
            return None
        group = f"arn:{PARTITIONS[path.region]}:logs:{path.region}:{path.account}:log-group:{CANARY}:*"
        return _role_problem(path.verifier, path.region, role, path.account, None, "logs:PutLogEvents", group)

    def _destination(self, path: DeliveryPath) -> str | None:
        found = self._destination_of(path)
        if found is None:
            return f"{self._archive.destinations[path.region]} does not exist"
        if found["targetArn"] != self._archive.stream_arn:
            return f"its target is {found['targetArn']} instead of {self._archive.stream_arn}"
        return None

    def _destination_of(self, path: DeliveryPath) -> dict[str, Any] | None:
        arn = self._archive.destinations[path.region]
        logs = self._home.client("logs", path.region)
        found = logs.describe_destinations(DestinationNamePrefix=arn.rpartition(":")[2])["destinations"]
        return next((each for each in found if each["arn"] == arn), None)

    def _destination_policy(self, path: DeliveryPath) -> str | None:
        policy = (self._destination_of(path) or {}).get("accessPolicy")
        for statement in allowing(policy):
            named = principals(statement)
            organizations = condition_values(statement, "aws:PrincipalOrgID")
            admits_everyone = "*" in named and (
                not organizations or self._archive.admitted_organization in organizations
            )
            if "logs:PutSubscriptionFilter" in as_list(statement["Action"]) and (
                path.account in named or admits_everyone
            ):
                return None
        return f"it does not admit account {path.account}"

    def _sender_role(self, path: DeliveryPath) -> str | None:
        archive, role = self._archive, (self._destination_of(path) or {})["roleArn"]
        return _role_problem(
            self._home,
            archive.region,
            role,
            path.account,
            archive.admitted_organization,
            "firehose:PutRecord",
            archive.stream_arn,
        )

    def _stream_key(self, path: DeliveryPath) -> str | None:
        """Whoever puts records into a stream with a customer managed key needs it too, through Firehose."""
        key = ((self._stream or {}).get("DeliveryStreamEncryptionConfiguration") or {}).get("KeyARN")
        if key is None:
            return None
        return self._key_problem((self._destination_of(path) or {})["roleArn"], key, "firehose", {})

    def _key_problem(self, role: str, key: str, service: str, context: Mapping[str, str]) -> str | None:
        """Return why a role cannot encrypt with a key through a service; None if it can."""
        via = {"kms:ViaService": regional_host(service, self._archive.region), **context}
        problems = (
            _missing_permission(self._home, self._archive.region, role, action, key, via)
            for action in ("kms:GenerateDataKey", "kms:Decrypt")
        )
        return next(filter(None, problems), None)

    @cached_property
    def _stream(self) -> dict[str, Any] | None:
        firehose = self._home.client("firehose", self._archive.region)
        name = self._archive.stream
        try:
            found: dict[str, Any] = firehose.describe_delivery_stream(DeliveryStreamName=name)
        except firehose.exceptions.ResourceNotFoundException:
            return None
        description: dict[str, Any] = found["DeliveryStreamDescription"]
        return description

    @property
    def _delivery(self) -> dict[str, Any]:
        """The S3 destination of the stream; empty if there is no stream."""
        if self._stream is None:
            return {}
        delivery: dict[str, Any] = self._stream["Destinations"][0]["ExtendedS3DestinationDescription"]
        return delivery

    @property
    def _buffer_seconds(self) -> float:
        return float((self._delivery.get("BufferingHints") or {}).get("IntervalInSeconds", 0))

    def _stream_status(self, _path: DeliveryPath) -> str | None:
        if self._stream is None:
            return f"{self._archive.stream_arn} does not exist"
        status = self._stream["DeliveryStreamStatus"]
        return None if status == "ACTIVE" else f"its status is {status}"

    def _delivery_role(self, path: DeliveryPath) -> str | None:
        role, objects = self._delivery["RoleARN"], f"{self._delivery['BucketARN']}/logs/canary"
        problem = _missing_permission(self._home, self._archive.region, role, "s3:PutObject", objects)
        encryption = self._delivery.get("EncryptionConfiguration") or {}
        if problem is None and "KMSEncryptionConfig" in encryption:
            key = encryption["KMSEncryptionConfig"]["AWSKMSKeyARN"]
            problem = self._key_problem(role, key, "s3", {"kms:EncryptionContext:aws:s3:arn": objects})
        return problem or next(self._delivery_errors(path.since), None)

    def _delivery_errors(self, since: datetime) -> Iterator[str]:
        """The errors that Firehose logged, latest first."""
        options = self._delivery.get("CloudWatchLoggingOptions") or {}
        if not options.get("Enabled"):
            return
        logs = self._home.client("logs", self._archive.region)
        events = logs.filter_log_events(
            logGroupName=options["LogGroupName"], startTime=int(since.timestamp() * 1000)
        )["events"]  # fmt: skip
        for event in reversed(events):
            entry = json.loads(event["message"])
            yield f"{entry.get('errorCode')}: {entry.get('message')}"


def _role_problem(
    verifier: AssumedRole, region: str, role: str, account: str, organization: str | None, action: str, resource: str
) -> str | None:
    """Return why CloudWatch Logs, on behalf of an account, cannot do something through a role; None if it can."""
    iam = verifier.client("iam", region)
    try:
        trust = iam.get_role(RoleName=role.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
    except iam.exceptions.NoSuchEntityException:
        return f"{role} does not exist"
    if not trusts(trust, region, account, organization):
        return f"{role} does not trust CloudWatch Logs on behalf of account {account}"
    return _missing_permission(verifier, region, role, action, resource)


def _missing_permission(
    verifier: AssumedRole,
    region: str,
    role: str,
    action: str,
    resource: str,
    context: Mapping[str, str] = MappingProxyType({}),
) -> str | None:
    """Return which permission a role lacks; None if it has it. IAM itself decides, with its policies and boundary.

    The boundary asks which role it is, and AWS does not document that SimulatePrincipalPolicy would know.
    """
    entries = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in {"aws:PrincipalArn": role, **context}.items()
    ]
    answer = verifier.client("iam", region).simulate_principal_policy(
        PolicySourceArn=role, ActionNames=[action], ResourceArns=[resource], ContextEntries=entries
    )
    decision = answer["EvaluationResults"][0]["EvalDecision"]
    return None if decision == "allowed" else f"{role} is not allowed to {action} on {resource}: {decision}"
