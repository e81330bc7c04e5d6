"""An archive that was made by hand, as AWS has it. Nothing is changed, and the deployer roles are enough to read it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

from accounts.inventory import Inventory, Subscription
from accounts.session import AWS_ERRORS, AssumedRole
from topology.names import own_filter_names
from topology.policies import allowing, as_list, principals
from topology.regions import PARTITIONS, role_arn
from topology.settings import Application, Archive

_READERS = 8

Filters = Mapping[str, list[Subscription]]
"""Log group → its subscription filters that lead to the archive."""


class ByHandError(Exception):
    """What is there cannot be read, or is no archive. The text says why, and what to do."""


@dataclass(frozen=True)
class Stream:
    """A Firehose stream that writes into S3.

    Attributes:
        name: of the stream.
        arn: of the stream.
        bucket: name of the bucket.
        role: ARN of the role that it writes with.
        prefix: of its objects; empty: one of AWS.
        compression: of its objects, in the words of AWS.
        buffer_mib: MiB that it gathers before it writes an object.
        buffer_seconds: seconds after which it writes what it has.
        processors: type → parameters, of what it does with events.
        partitioned: whether it is dynamically partitioned, as it was made.
        backup: whether it keeps events as they came too, which AWS never ends.
        converts: whether it writes Parquet or ORC.
        key: ARN of the KMS key of its objects, or else of what it holds; None: keys of AWS, or none.
        error_log_group: log group that it reports its errors in, if any.
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
    key: str | None
    error_log_group: str | None

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Self:
        """Read what Firehose says of a stream (API operation DescribeDeliveryStream).

        Raises:
            ByHandError: CloudWatch Logs cannot put events into it, or it does not write into S3.
        """
        name, status = described["DeliveryStreamName"], described["DeliveryStreamStatus"]
        delivery = described["Destinations"][0].get("ExtendedS3DestinationDescription")
        if described["DeliveryStreamType"] != "DirectPut" or not delivery:
            raise ByHandError(f"the stream {name} does not take direct puts, or does not write into S3")
        if status != "ACTIVE":
            raise ByHandError(f"the stream {name} is {status}; wait until it is ACTIVE")
        of_objects = (delivery.get("EncryptionConfiguration") or {}).get("KMSEncryptionConfig") or {}
        of_stream = described.get("DeliveryStreamEncryptionConfiguration") or {}
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
                each["Type"]: {given["ParameterName"]: given["ParameterValue"] for given in each.get("Parameters", [])}
                for each in _enabled(delivery, "ProcessingConfiguration").get("Processors", [])
            },
            partitioned=bool(_enabled(delivery, "DynamicPartitioningConfiguration")),
            backup=delivery.get("S3BackupMode") == "Enabled",
            converts=bool(_enabled(delivery, "DataFormatConversionConfiguration")),
            key=of_objects.get("AWSKMSKeyARN") or of_stream.get("KeyARN"),
            error_log_group=_enabled(delivery, "CloudWatchLoggingOptions").get("LogGroupName"),
        )


def _enabled(delivery: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    """Return a part of how a stream delivers, or nothing where it is off."""
    found: Mapping[str, Any] = delivery.get(part) or {}
    return found if found.get("Enabled") else {}


@dataclass(frozen=True)
class Destination:
    """A Logs destination.

    Attributes:
        name: of the destination.
        arn: of the destination.
        target: ARN of the stream.
        role: ARN of the role that CloudWatch Logs assumes to put events into it.
        policy: policy document, or empty.
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
        accounts: their ids.
        organizations: ids of organizations, all of whose accounts are admitted.
        everyone: whether a statement admits every account of AWS.
    """

    accounts: frozenset[str]
    organizations: frozenset[str]
    everyone: bool


@dataclass(frozen=True)
class ByHand:
    """An archive, and what is subscribed to it.

    Attributes:
        account: id of the central account.
        region: home region.
        deployer_role: name of the role that it was read with, in every account.
        stream: what the destinations lead to.
        destinations: region → destination.
        role_policies: names of the policies of the role that CloudWatch Logs assumes.
        own_filters: those of the central account's log groups, in the home region.
        filters: account → region → those of its log groups.
        account_policies: what subscribes whole accounts and regions, a line each.
        unseen: accounts and regions that could not be looked at, since they are not enabled or forbidden.
    """

    account: str
    region: str
    deployer_role: str
    stream: Stream
    destinations: Mapping[str, Destination]
    role_policies: tuple[str, ...]
    own_filters: Filters
    filters: Mapping[str, Mapping[str, Filters]]
    account_policies: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def senders(self) -> Senders:
        """Whom the destinations admit, beside the central account itself."""
        return admitted(self.destinations.values(), self.account)

    @property
    def sending(self) -> frozenset[str]:
        """Ids of the accounts that have filters which lead to the archive."""
        return frozenset(account for account, regions in self.filters.items() if regions)

    @property
    def role(self) -> str:
        """ARN of the role of the destinations: where there are several, that of the home region, or of the first."""
        return _role(self.destinations, self.region)


def read(
    account: str,
    region: str,
    *,
    stream: str | None,
    applications: Collection[str],
    deployer_role: str,
    stack: str,
    told: Callable[[int, int], object],
) -> ByHand:
    """Read the central account and the application accounts.

    Args:
        account: id of the central account.
        region: home region.
        stream: name of the stream, where destinations lead to several.
        applications: ids of the application accounts; empty: those that the destinations admit by their ids.
        deployer_role: name of the role to assume in every account.
        stack: for which stack it is read; CloudTrail names it.
        told: called with the number of accounts that have been read, and that of all.

    Raises:
        ByHandError: an account cannot be read, or there is no such archive.
    """
    if region not in PARTITIONS:
        raise ByHandError(f"{region} is not a region of AWS")
    if wrong := [each for each in (account, *applications) if not re.fullmatch(r"[0-9]{12}", each)]:
        raise ByHandError(f"{', '.join(wrong)} is not the id of an account, which has 12 digits")
    arn = role_arn(region, account, deployer_role)
    try:
        home = AssumedRole(arn, region, stack)
        found, unseen = _destinations(home, region)
        destinations = _of_one_stream(found, region, stream)
        own = Inventory(all_of(account, [region], deployer_role), stack)
    except AWS_ERRORS as error:
        raise ByHandError(f"{account} cannot be read through its deployer role {arn}: {error}") from None
    role = _role(destinations, region)
    target = next(iter(destinations.values())).target
    try:
        described = home.client("firehose", region).describe_delivery_stream(
            DeliveryStreamName=target.rpartition("/")[2]
        )["DeliveryStreamDescription"]
        role_policies = _policies_of(home.client("iam", region), role.rpartition("/")[2])
        own_filters = _filters(own, region, {target})
    except AWS_ERRORS as error:
        raise ByHandError(_lacks_rights(error, arn, target, role, destinations)) from None
    accounts = sorted(set(applications) or admitted(destinations.values(), account).accounts)
    ends = {destination.arn for destination in destinations.values()}
    senders = _read_accounts(accounts, destinations, ends, deployer_role, stack, told)
    return ByHand(
        account=account,
        region=region,
        deployer_role=deployer_role,
        stream=Stream.of(described),
        destinations=destinations,
        role_policies=role_policies,
        own_filters=own_filters,
        filters={each.account: each.filters for each in senders},
        account_policies=tuple(line for each in senders for line in each.policies),
        unseen=(*unseen, *(place for each in senders for place in each.unseen)),
    )


def parameters(values: Mapping[str, str]) -> str:
    """Write parameters of a bootstrap template as its command takes them."""
    return " ".join(f"{key}={value}" for key, value in values.items() if value)


def _destinations(home: AssumedRole, region: str) -> tuple[dict[str, list[Destination]], tuple[str, ...]]:
    """Return region → destinations that lead into the home region, and what could not be looked at."""
    partition = PARTITIONS[region]
    regions = [each for each in PARTITIONS if PARTITIONS[each] == partition]

    def look(each: str) -> list[Destination] | None:
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

    with ThreadPoolExecutor(_READERS) as readers:
        looked = dict(zip(regions, readers.map(look, regions), strict=True))
    return (
        {each: found for each, found in looked.items() if found},
        tuple(f"{each} of the central account" for each, found in looked.items() if found is None),
    )


def _of_one_stream(found: Mapping[str, list[Destination]], region: str, stream: str | None) -> dict[str, Destination]:
    """Return region → the one destination there that leads to the stream."""
    streams = sorted({destination.target.rpartition("/")[2] for each in found.values() for destination in each})
    if stream is None and len(streams) > 1:
        raise ByHandError(
            f"destinations lead to several streams of {region}: {', '.join(streams)}; say which: --stream"
        )
    wanted = stream or next(iter(streams), None)
    if wanted not in streams:
        where = f"a stream {stream}" if stream else "a stream"
        raise ByHandError(f"no Logs destination of the account leads to {where} of {region}, so there is none to adopt")
    chosen = {}
    for each, destinations in sorted(found.items()):
        here = [destination for destination in destinations if destination.target.endswith(f"/{wanted}")]
        if len(here) > 1:
            raise ByHandError(
                f"{each} has {len(here)} destinations that lead to {wanted}, and the program has one in a region: "
                f"{', '.join(sorted(destination.name for destination in here))}; turn the filters of the others to one "
                "of them, and delete those"
            )
        if here:
            chosen[each] = here[0]
    return chosen


def _role(destinations: Mapping[str, Destination], region: str) -> str:
    return destinations.get(region, next(iter(destinations.values()))).role


def _lacks_rights(error: Exception, arn: str, target: str, role: str, destinations: Mapping[str, Destination]) -> str:
    names = Archive.model_construct(
        sender_role_name=role.rpartition("/")[2],
        stream_name=target.rpartition("/")[2],
        destination_names={region: destination.name for region, destination in destinations.items()},
    )
    return (
        f"the stream {names.stream_name} and the role {names.sender_role_name} cannot be read through {arn}: {error}\n"
        f"Deploy bootstrap/archive-account.yaml with {parameters(names.bootstrap_parameters)}, and "
        f"bootstrap/application-account.yaml with {parameters(names.bootstrap_parameters_of_senders)}; then run this "
        "again"
    )


def _policies_of(iam: Any, role: str) -> tuple[str, ...]:  # noqa: ANN401 - boto3 has no types
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    return (*iam.list_role_policies(RoleName=role)["PolicyNames"], *(each["PolicyName"] for each in attached))


def admitted(destinations: Iterable[Destination], account: str) -> Senders:
    """Return whom the policies of destinations admit, all in all, beside the account that they are in."""
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
    """An application account, and what was read of it."""

    account: str
    filters: dict[str, Filters] = field(default_factory=dict)
    policies: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    problem: str | None = None


def _read_accounts(
    accounts: list[str],
    destinations: Mapping[str, Destination],
    ends: Collection[str],
    deployer_role: str,
    stack: str,
    told: Callable[[int, int], object],
) -> list[_Sender]:
    done = []

    def read_one(account: str) -> _Sender:
        sender = _Sender(account)
        try:
            inventory = Inventory(all_of(account, destinations, deployer_role), stack)
        except AWS_ERRORS as error:
            sender.problem = f"account {account}: {error}"
        else:
            for region in destinations:
                _read_region(sender, inventory, region, ends)
        done.append(account)
        told(len(done), len(accounts))
        return sender

    told(0, len(accounts))
    with ThreadPoolExecutor(_READERS) as readers:
        senders = list(readers.map(read_one, accounts))
    if problems := [sender.problem for sender in senders if sender.problem]:
        headline = (
            "accounts that send cannot be read; deploy bootstrap/application-account.yaml there, or name the others "
            "with --application:"
        )
        raise ByHandError("\n  ".join([headline, *problems]))
    return senders


def _read_region(sender: _Sender, inventory: Inventory, region: str, ends: Collection[str]) -> None:
    try:
        filters = _filters(inventory, region, ends)
        policies = [policy.name for policy in inventory.policies(region) if policy.destination in ends]
    except AWS_ERRORS:
        sender.unseen.append(f"{region} of account {sender.account}")
        return
    if filters:
        sender.filters[region] = filters
    sender.policies += [f"account {sender.account}, region {region}: the policy {name}" for name in policies]


def _filters(inventory: Inventory, region: str, ends: Collection[str]) -> dict[str, list[Subscription]]:
    """Return the log groups of a region that have filters of others which lead to the archive."""
    own = own_filter_names(region)
    found = {
        name: [each for each in inventory.filters(region, name) if each.destination in ends and each.name not in own]
        for name in sorted(inventory.log_groups(region))
    }
    return {name: filters for name, filters in found.items() if filters}


def all_of(account: str, regions: Iterable[str], deployer_role: str) -> Application:
    """Describe an account as a stack file would that archives all of it: so all of it is read."""
    everything = {region: {"all": True} for region in regions}
    return Application.model_validate({"account": account, "deployerRole": deployer_role, "regions": everything})
