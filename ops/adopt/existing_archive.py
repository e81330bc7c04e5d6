"""An existing archive, read from AWS with the deployer roles. Nothing is changed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import ValidationError

from accounts.inventory import Inventory, Subscription
from accounts.parallel import OnProgress, in_parallel
from accounts.session import AWS_ERRORS, AssumedRole
from ops.errors import OperatorError
from topology.given_keys import customer_managed
from topology.names import own_filter_names
from topology.policies import allowing, as_list, principals
from topology.regions import PARTITIONS, role_arn
from topology.settings import Application, Archive

Filters = Mapping[str, list[Subscription]]
"""Log group → its subscription filters that lead to the archive."""


@dataclass(frozen=True)
class Stream:
    """A Firehose stream that writes into S3.

    Attributes:
        name: name of the stream.
        arn: ARN of the stream.
        bucket: name of the bucket.
        role: ARN of the role that it writes with.
        prefix: prefix of its objects; empty: the default of AWS.
        compression: compression of its objects, as AWS spells it.
        buffer_mib: buffer size, in MiB.
        buffer_seconds: buffer interval, in seconds.
        processors: type → parameters of its processors.
        partitioned: whether dynamic partitioning is enabled, which cannot be changed.
        backup: whether it backs up source records, which cannot be disabled.
        converts: whether it converts records to Parquet or ORC.
        object_key: ARN of the KMS key that it encrypts objects with; None: the bucket's default encryption.
        key: ARN of the KMS key of the stream itself; None: an AWS owned key, or no encryption.
        error_log_group: log group of its errors, if any.
    """

    name: str
    arn: str
    bucket: str
    role: str
    prefix: str
    compression: str
    buffer_mib: int
    buffer_seconds: int
    processors: Mapping[str, Mapping[str, str]]
    partitioned: bool
    backup: bool
    converts: bool
    object_key: str | None
    key: str | None
    error_log_group: str | None

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Self:
        """Parse the description of a stream (API operation DescribeDeliveryStream).

        Raises:
            OperatorError: CloudWatch Logs cannot put events into it, or it does not write to S3.
        """
        name, status = described["DeliveryStreamName"], described["DeliveryStreamStatus"]
        delivery = described["Destinations"][0].get("ExtendedS3DestinationDescription")
        if described["DeliveryStreamType"] != "DirectPut" or not delivery:
            raise OperatorError(f"the stream {name} is not a Direct PUT stream that writes to S3")
        if status != "ACTIVE":
            raise OperatorError(f"the status of the stream {name} is {status}; wait until it is ACTIVE")
        objects = (delivery.get("EncryptionConfiguration") or {}).get("KMSEncryptionConfig") or {}
        at_rest = described.get("DeliveryStreamEncryptionConfiguration") or {}
        return cls(
            name=name,
            arn=described["DeliveryStreamARN"],
            bucket=delivery["BucketARN"].rpartition(":")[2],
            role=delivery["RoleARN"],
            prefix=delivery.get("Prefix", ""),
            compression=delivery["CompressionFormat"],
            buffer_mib=delivery["BufferingHints"]["SizeInMBs"],
            buffer_seconds=delivery["BufferingHints"]["IntervalInSeconds"],
            processors={
                each["Type"]: {pair["ParameterName"]: pair["ParameterValue"] for pair in each.get("Parameters", [])}
                for each in _enabled(delivery, "ProcessingConfiguration").get("Processors", [])
            },
            partitioned=bool(_enabled(delivery, "DynamicPartitioningConfiguration")),
            backup=delivery.get("S3BackupMode") == "Enabled",
            converts=bool(_enabled(delivery, "DataFormatConversionConfiguration")),
            object_key=objects.get("AWSKMSKeyARN"),
            key=at_rest.get("KeyARN"),
            error_log_group=_enabled(delivery, "CloudWatchLoggingOptions").get("LogGroupName"),
        )


def _enabled(delivery: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    """Return a part of the configuration of a stream; empty if it is disabled."""
    found: Mapping[str, Any] = delivery.get(part) or {}
    return found if found.get("Enabled") else {}


@dataclass(frozen=True)
class Destination:
    """A Logs destination.

    Attributes:
        name: name of the destination.
        arn: ARN of the destination.
        target: ARN of the stream.
        role: ARN of the role that CloudWatch Logs assumes to put events into the stream.
        policy: access policy, or empty.
    """

    name: str
    arn: str
    target: str
    role: str
    policy: str


@dataclass(frozen=True)
class Senders:
    """Whom the policies of destinations admit.

    Attributes:
        accounts: IDs of admitted accounts.
        organizations: IDs of organizations whose accounts are all admitted.
        everyone: whether a statement admits every AWS account.
    """

    accounts: frozenset[str]
    organizations: frozenset[str]
    everyone: bool


@dataclass(frozen=True)
class ExistingArchive:
    """An archive, and what is subscribed to it.

    Attributes:
        account: ID of the central account.
        region: home region.
        deployer_role: name of the role it was read with, in every account.
        stream: the stream.
        destinations: region → destination that leads to the stream.
        role_policies: names of the policies of the role that CloudWatch Logs assumes.
        bucket_key: the KMS key of the bucket's default encryption, as the bucket names it; None: a key that AWS owns or
            manages, or unknown.
        bucket_problem: why the bucket's default encryption could not be read, if so.
        own_filters: filters of the central account's log groups, in the home region.
        filters: account → region → filters of its log groups.
        account_policies: account-level subscription policies that lead to the archive, a line each.
        unread: accounts and regions that cannot be read, since they are not enabled or access is denied.
    """

    account: str
    region: str
    deployer_role: str
    stream: Stream
    destinations: Mapping[str, Destination]
    role_policies: tuple[str, ...]
    own_filters: Filters
    filters: Mapping[str, Mapping[str, Filters]]
    bucket_key: str | None = None
    bucket_problem: str | None = None
    account_policies: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def senders(self) -> Senders:
        """Whom the destinations admit, other than the central account itself."""
        return admitted(self.destinations.values(), self.account)

    @property
    def sending(self) -> frozenset[str]:
        """IDs of the accounts that have filters which lead to the archive."""
        return frozenset(account for account, regions in self.filters.items() if regions)

    @property
    def role(self) -> str:
        """ARN of the role of the destinations; if there are several, of the home region's, or else of the first."""
        return _role(self.destinations, self.region)


def read(
    account: str,
    region: str,
    *,
    stream: str | None,
    applications: Collection[str],
    deployer_role: str,
    stack: str,
    on_progress: OnProgress,
) -> ExistingArchive:
    """Read the central account and the application accounts.

    Args:
        account: ID of the central account.
        region: home region.
        stream: name of the stream; required if destinations lead to several streams.
        applications: IDs of the application accounts; empty: those that the destinations admit by ID.
        deployer_role: name of the role to assume in every account.
        stack: the stack the accounts are read for; CloudTrail shows its name.
        on_progress: called as application accounts are done.

    Raises:
        OperatorError: an argument is not valid, an account cannot be read, or there is no such archive.
    """
    own, *_ = [_validated(each, region, deployer_role) for each in (account, *applications)]
    arn = role_arn(region, account, deployer_role)
    try:
        home = AssumedRole(arn, region, stack)
        found, unread = _destinations(home, region)
        destinations = _one_per_region(found, region, stream)
        inventory = Inventory(own, stack)
    except AWS_ERRORS as error:
        raise OperatorError(f"{account} cannot be read with its deployer role {arn}: {error}") from None
    role = _role(destinations, region)
    target = next(iter(destinations.values())).target
    try:
        described = home.client("firehose", region).describe_delivery_stream(
            DeliveryStreamName=target.rpartition("/")[2]
        )["DeliveryStreamDescription"]
        # A role with a path is not used by the program, and the bootstrap already names the one that is.
        name = role.rpartition("/")[2]
        is_used = role == role_arn(region, account, name)
        role_policies = _policies_of(home.client("iam", region), name) if is_used else ()
        own_filters = _filters(inventory, region, {target})
    except AWS_ERRORS as error:
        raise OperatorError(_missing_permissions(error, arn, target, role, destinations)) from None
    accounts = sorted(set(applications) or admitted(destinations.values(), account).accounts)
    senders = _read_senders(accounts, destinations, deployer_role, stack, on_progress)
    archived = Stream.of(described)
    bucket_key, bucket_problem = _default_key(home, region, archived.bucket)
    return ExistingArchive(
        account=account,
        region=region,
        deployer_role=deployer_role,
        stream=archived,
        bucket_key=bucket_key,
        bucket_problem=bucket_problem,
        destinations=destinations,
        role_policies=role_policies,
        own_filters=own_filters,
        filters={each.account: each.filters for each in senders},
        account_policies=tuple(line for each in senders for line in each.policies),
        unread=(*unread, *(place for each in senders for place in each.unread)),
    )


def _validated(account: str, region: str, deployer_role: str) -> Application:
    try:
        return whole_account(account, [region], deployer_role)
    except ValidationError as error:
        raise OperatorError("; ".join(detail["msg"] for detail in error.errors())) from None


def parameters(values: Mapping[str, str]) -> str:
    """Format the parameters of a bootstrap template for the AWS CLI."""
    return " ".join(f"{key}={value}" for key, value in values.items() if value)


def _destinations(home: AssumedRole, region: str) -> tuple[dict[str, list[Destination]], tuple[str, ...]]:
    """Return region → destinations that lead to a stream of the home region, and the regions that cannot be read."""
    partition = PARTITIONS[region]
    regions = [each for each in PARTITIONS if PARTITIONS[each] == partition]

    def read_region(each: str) -> list[Destination] | None:
        try:
            pages = home.client("logs", each).get_paginator("describe_destinations").paginate()
            return [
                Destination(
                    found["destinationName"], found["arn"], found["targetArn"], found["roleArn"],
                    found.get("accessPolicy", ""),
                )
                for page in pages
                for found in page["destinations"]
                if found["targetArn"].startswith(f"arn:{partition}:firehose:{region}:")
            ]  # fmt: skip
        except AWS_ERRORS:
            if each == region:
                raise
            return None

    results = dict(zip(regions, in_parallel(read_region, regions), strict=True))
    return (
        {each: found for each, found in results.items() if found},
        tuple(f"{each} of the central account" for each, found in results.items() if found is None),
    )


def _one_per_region(found: Mapping[str, list[Destination]], region: str, stream: str | None) -> dict[str, Destination]:
    """Return region → the destination there that leads to the stream."""
    streams = sorted({destination.target.rpartition("/")[2] for each in found.values() for destination in each})
    if stream is None and len(streams) > 1:
        raise OperatorError(
            f"destinations lead to several streams in {region}: {', '.join(streams)}; choose one with --stream"
        )
    wanted = stream or next(iter(streams), None)
    if wanted not in streams:
        target = f"the stream {stream}" if stream else "a stream"
        raise OperatorError(
            f"there is nothing to adopt: no Logs destination of the account leads to {target} in {region}"
        )
    chosen = {}
    for each, destinations in sorted(found.items()):
        here = [destination for destination in destinations if destination.target.endswith(f"/{wanted}")]
        if len(here) > 1:
            raise OperatorError(
                f"{each} has {len(here)} destinations that lead to {wanted}, and the program supports one per region: "
                f"{', '.join(sorted(destination.name for destination in here))}; point all filters at one of them and "
                "delete the others"
            )
        if here:
            chosen[each] = here[0]
    return chosen


def _role(destinations: Mapping[str, Destination], region: str) -> str:
    return destinations.get(region, next(iter(destinations.values()))).role


def _missing_permissions(
    error: Exception, arn: str, target: str, role: str, destinations: Mapping[str, Destination]
) -> str:
    names = Archive.model_construct(
        sender_role_name=role.rpartition("/")[2],
        stream_name=target.rpartition("/")[2],
        destination_names={region: destination.name for region, destination in destinations.items()},
    )
    return (
        f"the stream {names.stream_name} and the role {names.sender_role_name} cannot be read with {arn}: {error}\n"
        f"Deploy bootstrap/archive-account.yaml with {parameters(names.bootstrap_parameters)}, and "
        f"bootstrap/application-account.yaml with {parameters(names.bootstrap_parameters_of_senders)}; then run this "
        "command again"
    )


def _default_key(home: AssumedRole, region: str, bucket: str) -> tuple[str | None, str | None]:
    """Return the key of a bucket's default encryption, unless AWS owns or manages it, and why it cannot be read."""
    try:
        answer = home.client("s3", region).get_bucket_encryption(Bucket=bucket)
    except AWS_ERRORS as error:
        return None, str(error)
    (rule,) = answer["ServerSideEncryptionConfiguration"]["Rules"]  # S3 supports one
    return customer_managed(rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID")), None


def _policies_of(iam: Any, role: str) -> tuple[str, ...]:  # noqa: ANN401 - boto3 has no types
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    return (*iam.list_role_policies(RoleName=role)["PolicyNames"], *(each["PolicyName"] for each in attached))


def admitted(destinations: Iterable[Destination], account: str) -> Senders:
    """Return everyone whom the policies of destinations admit, other than the account they are in."""
    accounts, organizations, everyone = set[str](), set[str](), False
    for destination in destinations:
        for statement in allowing(destination.policy):
            named = principals(statement)
            accounts |= {each for each in named if re.fullmatch(r"\d{12}", each)}
            if "*" in named:
                within = (statement.get("Condition") or {}).get("StringEquals", {}).get("aws:PrincipalOrgID", [])
                organizations |= set(as_list(within))
                everyone |= not within
    return Senders(frozenset(accounts - {account}), frozenset(organizations), everyone)


@dataclass
class _Sender:
    """An application account, and what was read there."""

    account: str
    filters: dict[str, Filters] = field(default_factory=dict)
    policies: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    problem: str | None = None


def _read_senders(
    accounts: Iterable[str],
    destinations: Mapping[str, Destination],
    deployer_role: str,
    stack: str,
    on_progress: OnProgress,
) -> list[_Sender]:
    arns = {destination.arn for destination in destinations.values()}

    def read_one(account: str) -> _Sender:
        sender = _Sender(account)
        try:
            inventory = Inventory(whole_account(account, destinations, deployer_role), stack)
        except AWS_ERRORS as error:
            sender.problem = f"account {account}: {error}"
        else:
            for region in destinations:
                _read_region(sender, inventory, region, arns)
        return sender

    senders = in_parallel(read_one, accounts, on_progress)
    if problems := [sender.problem for sender in senders if sender.problem]:
        raise OperatorError(
            "some sending accounts cannot be read; deploy bootstrap/application-account.yaml there, or name the "
            "accounts to read with --application:",
            *problems,
        )
    return senders


def _read_region(sender: _Sender, inventory: Inventory, region: str, arns: Collection[str]) -> None:
    try:
        filters = _filters(inventory, region, arns)
        policies = [policy.name for policy in inventory.policies(region) if policy.destination in arns]
    except AWS_ERRORS:
        sender.unread.append(f"{region} of account {sender.account}")
        return
    if filters:
        sender.filters[region] = filters
    sender.policies += [f"account {sender.account}, region {region}: the policy {name}" for name in policies]


def _filters(inventory: Inventory, region: str, arns: Collection[str]) -> dict[str, list[Subscription]]:
    """Return log group → its filters that lead to one of the ARNs and are not the program's own."""
    own = own_filter_names(region)
    found = {
        name: [each for each in inventory.filters(region, name) if each.destination in arns and each.name not in own]
        for name in sorted(inventory.log_groups(region))
    }
    return {name: filters for name, filters in found.items() if filters}


def whole_account(account: str, regions: Iterable[str], deployer_role: str) -> Application:
    """Return an account that archives all log groups of some regions, so that an inventory reads all of them."""
    everything = {region: {"all": True} for region in regions}
    return Application.model_validate({"account": account, "deployerRole": deployer_role, "regions": everything})
