"""An existing archive, read from AWS with the deployer roles. Nothing is changed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from accounts.inventory import Inventory, Subscription
from accounts.log_groups import MAX_FILTERS
from accounts.parallel import OnProgress, in_parallel
from accounts.session import AWS_ERRORS, AssumedRole
from accounts.stream import Stream
from ops.adopt.bootstrap import OWN_ROLE, PRINCIPAL, TRUSTED, commands, formatted, needed
from ops.errors import OperatorError
from topology.given_keys import customer_managed
from topology.names import own_filter_names
from topology.policies import allowing, condition_values, principals
from topology.regions import PARTITIONS, role_arn
from topology.settings import Application, Archive

Filters = Mapping[str, list[Subscription]]
"""Log group → its subscription filters that lead to the archive."""


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
        others: region and name of the account's other destinations → ARN of the role of each.
        bucket_key: the KMS key of the bucket's default encryption, as the bucket names it; None: a key that AWS owns or
            manages, or unknown.
        bucket_account: ID of the account that owns the bucket.
        bucket_problem: why the default encryption of a bucket of another account could not be read, if so.
        own_filters: filters of the central account's log groups, in the home region.
        filters: account → region → filters of its log groups.
        full: account, region and name of the log groups that cannot have another filter.
        account_policies: account-level subscription policies that lead to the archive, a line each.
        unread: accounts and regions that cannot be read, since they are not enabled or access is denied.
    """

    account: str
    region: str
    deployer_role: str
    stream: Stream
    destinations: Mapping[str, Destination]
    own_filters: Filters
    filters: Mapping[str, Mapping[str, Filters]]
    others: Mapping[tuple[str, str], str] = field(default_factory=dict)
    full: frozenset[tuple[str, str, str]] = frozenset()
    bucket_key: str | None = None
    bucket_account: str | None = None
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


def read(
    account: str,
    region: str,
    *,
    stream: str | None,
    applications: Collection[str],
    bucket_account: str | None,
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
        bucket_account: ID of the account that owns the bucket; None: the central account.
        deployer_role: name of the role to assume in every account.
        stack: the stack the accounts are read for; CloudTrail shows its name.
        on_progress: called as application accounts are done.

    Raises:
        OperatorError: an argument is not valid, an account cannot be read, or there is no such archive.
    """
    bucket_account = bucket_account or account
    own, *_ = [_validated(each, region, deployer_role) for each in (account, bucket_account, *applications)]
    arn = role_arn(region, account, deployer_role)
    try:
        home = AssumedRole(arn, region, stack)
        every, unread = destinations_of(home, region)
        destinations = _one_per_region(every, region, stream)
        inventory = Inventory(own, stack)
    except AWS_ERRORS as error:
        raise OperatorError(
            f"{account} cannot be read with its deployer role {arn}: {error}; deploy bootstrap/archive-account.yaml "
            f"there with {formatted(TRUSTED)}"
        ) from None
    senders = admitted(destinations.values(), account)
    if senders.organizations and not applications:
        raise OperatorError(
            f"the destinations admit the organization {', '.join(sorted(senders.organizations))}, whose accounts the "
            "central account cannot list; name every account that sends with --application"
        )
    target = next(iter(destinations.values())).target
    try:
        described = home.client("firehose", region).describe_delivery_stream(
            DeliveryStreamName=target.rpartition("/")[2]
        )["DeliveryStreamDescription"]
        own_filters, full = _filters(inventory, region, {target})
    except AWS_ERRORS as error:
        raise OperatorError(_missing_permissions(error, arn, account, region, target, destinations)) from None
    read_senders = _read_senders(
        sorted(set(applications) or senders.accounts), account, destinations, deployer_role, stack, on_progress
    )
    archived = _active(described)
    bucket_key, bucket_problem = _default_key(home, region, archived.bucket)
    if bucket_problem is not None and bucket_account == account:
        raise OperatorError(
            f"the default encryption of the bucket {archived.bucket} cannot be read with {arn}: {bucket_problem}",
            "If it belongs to another account, name that with --bucket-account. Otherwise deploy this, and run the "
            "command again:",
            *commands({"archive-account.yaml": {"ExistingBucket": archived.bucket}}),
        )
    adopted = {destination.arn for destination in destinations.values()}
    return ExistingArchive(
        account=account,
        region=region,
        deployer_role=deployer_role,
        stream=archived,
        bucket_key=bucket_key,
        bucket_account=bucket_account,
        bucket_problem=bucket_problem,
        destinations=destinations,
        others={
            (each, destination.name): destination.role
            for each, found in every.items()
            for destination in found
            if destination.arn not in adopted
        },
        own_filters=own_filters,
        filters={each.account: each.filters for each in read_senders},
        full=frozenset(
            (of, *place)
            for of, places in [
                (account, [(region, name) for name in full]),
                *((e.account, e.full) for e in read_senders),
            ]
            for place in places
        ),
        account_policies=tuple(line for each in read_senders for line in each.policies),
        unread=(*unread, *(place for each in read_senders for place in each.unread)),
    )


def _active(described: Mapping[str, Any]) -> Stream:
    """Parse the description of a stream that can be updated."""
    try:
        stream = Stream.of(described)
    except ValueError as error:
        raise OperatorError(str(error)) from None
    if described["DeliveryStreamStatus"] != "ACTIVE":
        raise OperatorError(
            f"the status of the stream {stream.name} is {described['DeliveryStreamStatus']}; wait until it is ACTIVE"
        )
    return stream


def _validated(account: str, region: str, deployer_role: str) -> Application:
    try:
        return whole_account(account, [region], deployer_role)
    except ValidationError as error:
        raise OperatorError("; ".join(detail["msg"] for detail in error.errors())) from None


def destinations_of(home: AssumedRole, region: str) -> tuple[dict[str, list[Destination]], tuple[str, ...]]:
    """Return region → destinations of an account, and the regions that cannot be read, a line each.

    Args:
        home: a role of the account.
        region: home region, which has to be readable.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: the home region cannot be read.
    """
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


def _one_per_region(every: Mapping[str, list[Destination]], region: str, stream: str | None) -> dict[str, Destination]:
    """Return region → the destination there that leads to the stream of the home region."""
    firehose = f"arn:{PARTITIONS[region]}:firehose:{region}:"
    found = {each: [one for one in listed if one.target.startswith(firehose)] for each, listed in every.items()}
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


def _missing_permissions(
    error: Exception, arn: str, account: str, region: str, target: str, destinations: Mapping[str, Destination]
) -> str:
    stream, senders = target.rpartition("/")[2], admitted(destinations.values(), account)
    archive = Archive.model_validate({
        "account": account,
        "deployerRole": arn.rpartition("/")[2],
        "region": region,
        "senders": {
                "accounts": sorted(senders.accounts) or None,
                "organization": min(senders.organizations, default=None),
            },
        "senderRoleName": OWN_ROLE,
        "destinationNames": {each: destination.name for each, destination in destinations.items()},
    })  # fmt: skip
    return "\n".join(
        [
            f"the stream {stream} cannot be read with {arn}: {error}",
            f"Deploy the templates, where {PRINCIPAL} is the ARN of who runs Pulumi and these commands, then run this "
            "command again:",
            *commands(needed(archive, [], stream=stream)),
        ]
    )


def _default_key(home: AssumedRole, region: str, bucket: str) -> tuple[str | None, str | None]:
    """Return the key of a bucket's default encryption, unless AWS owns or manages it, and why it cannot be read."""
    try:
        answer = home.client("s3", region).get_bucket_encryption(Bucket=bucket)
    except AWS_ERRORS as error:
        return None, str(error)
    (rule,) = answer["ServerSideEncryptionConfiguration"]["Rules"]  # S3 supports one
    return customer_managed(rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID")), None


def admitted(destinations: Iterable[Destination], account: str) -> Senders:
    """Return everyone whom the policies of destinations admit, other than the account they are in."""
    accounts, organizations, everyone = set[str](), set[str](), False
    for destination in destinations:
        for statement in allowing(destination.policy):
            named = principals(statement)
            accounts |= {each for each in named if re.fullmatch(r"\d{12}", each)}
            if "*" in named:
                within = condition_values(statement, "aws:PrincipalOrgID")
                organizations |= set(within)
                everyone |= not within
    return Senders(frozenset(accounts - {account}), frozenset(organizations), everyone)


@dataclass
class _Sender:
    """An application account, and what was read there."""

    account: str
    filters: dict[str, Filters] = field(default_factory=dict)
    full: list[tuple[str, str]] = field(default_factory=list)
    policies: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    problem: str | None = None


def _read_senders(
    accounts: Iterable[str],
    central: str,
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
            "some sending accounts cannot be read; deploy bootstrap/application-account.yaml there with "
            f"ArchiveAccount={central} {formatted(TRUSTED)}, or name the accounts to read with --application:",
            *problems,
        )
    return senders


def _read_region(sender: _Sender, inventory: Inventory, region: str, arns: Collection[str]) -> None:
    try:
        filters, full = _filters(inventory, region, arns)
        policies = [policy.name for policy in inventory.policies(region) if policy.destination in arns]
    except AWS_ERRORS:
        sender.unread.append(f"{region} of account {sender.account}")
        return
    if filters:
        sender.filters[region] = filters
    sender.full += [(region, name) for name in full]
    sender.policies += [f"account {sender.account}, region {region}: the policy {name}" for name in policies]


def _filters(
    inventory: Inventory, region: str, arns: Collection[str]
) -> tuple[dict[str, list[Subscription]], list[str]]:
    """Return log group → its filters that lead to one of the ARNs, but the program's own; and what has no room for one.

    A log group that already has a filter of the program needs no room.
    """
    own, found, full = own_filter_names(region), {}, []
    for name in sorted(inventory.log_groups(region)):
        every = inventory.filters(region, name)
        if filters := [each for each in every if each.destination in arns and each.name not in own]:
            found[name] = filters
            if len(every) >= MAX_FILTERS and not any(each.name in own for each in every):
                full.append(name)
    return found, full


def whole_account(account: str, regions: Iterable[str], deployer_role: str) -> Application:
    """Return an account that archives all log groups of some regions, so that an inventory reads all of them."""
    everything = {region: {"all": True} for region in regions}
    return Application.model_validate({"account": account, "deployerRole": deployer_role, "regions": everything})
