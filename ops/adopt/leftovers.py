"""What an adoption leaves outside Pulumi: what still uses it, and how to delete it.

``ops adopt`` writes it into a file beside the stack file: once an update has turned destinations to the program's own
roles and stream, nothing in AWS tells what they used before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from accounts.inventory import Inventory, Subscription
from accounts.parallel import in_parallel
from accounts.session import AssumedRole
from ops.adopt.existing_archive import Destination, destinations_of, whole_account
from topology import roles
from topology.settings import Archive
from topology.stack_file import stack_of


@dataclass(frozen=True)
class Leftover:
    """A resource of the central account that the program does not adopt.

    Attributes:
        kind: what it is.
        name: its ARN, or the name of a log group.
    """

    kind: Literal["stream", "role", "log group"]
    name: str


@dataclass(frozen=True)
class Usage:
    """Whether a resource can be deleted.

    Attributes:
        kind: what it is.
        name: its ARN, or the name of a log group.
        used_by: what still uses it.
        delete: the command that deletes it; empty while something uses it.
    """

    kind: str
    name: str
    used_by: list[str]
    delete: str


def file_of(stack_file: Path) -> Path:
    """Return the file beside a stack file that lists the leftovers of its adoption."""
    return stack_file.with_name(f"leftovers-{stack_of(stack_file)}.json")


def remember(file: Path, leftovers: Iterable[Leftover]) -> None:
    """Add leftovers to a file; those that are in it stay."""
    known = [*recall(file)]
    both = [*known, *(each for each in leftovers if each not in known)]
    if both:
        file.write_text(json.dumps([asdict(each) for each in both], indent=2) + "\n", encoding="utf-8")


def recall(file: Path) -> list[Leftover]:
    """Return the leftovers in a file; none if there is no such file."""
    return [Leftover(**each) for each in json.loads(file.read_text(encoding="utf-8"))] if file.exists() else []


def usages(leftovers: Iterable[Leftover], archive: Archive, stack: str) -> tuple[list[Usage], tuple[str, ...]]:
    """Return what still uses each resource that exists, and the regions that could not be looked at.

    Looked at are all destinations of the account, the subscription filters of its log groups in the regions of the
    archive, and all streams of the home region.

    Args:
        leftovers: the resources.
        archive: settings of the archive.
        stack: the stack the account is read for; CloudTrail shows its name.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: the account cannot be read.
    """
    leftovers = list(leftovers)
    if not leftovers:
        return [], ()
    home = AssumedRole(roles.role_arn(archive, archive.region), archive.region, stack)
    streams = _streams(home, archive.region)
    every, unread = destinations_of(home, archive.region)
    subscriptions = _subscriptions(archive, stack)

    def used_by(leftover: Leftover) -> Iterator[str]:
        for region, listed in every.items():
            yield from (f"destination {each.name} in {region}" for each in listed if _leads_to(each, leftover.name))
        for region, group, each in subscriptions:
            if leftover.name in (each.destination, each.role):
                yield f"filter {each.name} of the log group {group} in {region}"
        for described in streams:
            if described["DeliveryStreamARN"] != leftover.name and _mentions(described, leftover.name):
                yield f"stream {described['DeliveryStreamName']}"

    found = []
    for each in leftovers:
        if each.kind == "stream" and all(described["DeliveryStreamARN"] != each.name for described in streams):
            continue  # it has been deleted
        users = list(used_by(each))
        found.append(Usage(each.kind, each.name, users, "" if users else _delete(each, archive.region)))
    return found, unread


def _leads_to(destination: Destination, name: str) -> bool:
    return name in (destination.target, destination.role)


def _mentions(value: Any, name: str) -> bool:  # noqa: ANN401 - a part of a description
    """Return whether a part of the description of a stream is a name."""
    if isinstance(value, dict):
        return any(_mentions(each, name) for each in value.values())
    if isinstance(value, list):
        return any(_mentions(each, name) for each in value)
    return bool(value == name)


def _streams(home: AssumedRole, region: str) -> list[dict[str, Any]]:
    """Return the descriptions of all streams of a region."""
    firehose, names, more = home.client("firehose", region), list[str](), True
    while more:
        after = {"ExclusiveStartDeliveryStreamName": names[-1]} if names else {}
        page = firehose.list_delivery_streams(**after)
        names += page["DeliveryStreamNames"]
        more = page["HasMoreDeliveryStreams"]
    return in_parallel(
        lambda name: firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"], names
    )


def _subscriptions(archive: Archive, stack: str) -> list[tuple[str, str, Subscription]]:
    """Return region, log group and filter of all filters of the central account in the regions of the archive."""
    inventory = Inventory(whole_account(archive.account, archive.regions, archive.deployer_role), stack)
    return [
        (region, group, each)
        for region in archive.regions
        for group in sorted(inventory.log_groups(region))
        for each in inventory.filters(region, group)
    ]


def _delete(leftover: Leftover, region: str) -> str:
    name = leftover.name.rpartition("/")[2]
    return {
        "stream": f"aws firehose delete-delivery-stream --region {region} --delivery-stream-name {name}",
        "role": f"aws iam delete-role --role-name {name}",
        "log group": f"aws logs delete-log-group --region {region} --log-group-name {leftover.name}",
    }[leftover.kind]
