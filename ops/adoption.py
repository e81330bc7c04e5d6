"""What becomes of an archive that was made by hand: the stack file that takes it over, and what that changes.

The stack file says what the archive is called and how it delivers, so that the program changes in place what it finds.
Filters are the exception: the name of one says which region an event comes from, and AWS renames none. So the program
makes its own beside them, and ``ops retire`` deletes the others once those work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from accounts.inventory import Subscription
from ops.by_hand import ByHand, Filters, Stream, admitted
from topology.layouts import LAYOUTS
from topology.regions import role_arn
from topology.settings import DEPLOYER_ROLE, Archive

OWN_ROLE = "central-log-archive-sender"
"""The sender role, where that of the archive has a path: the program makes roles without one."""

_COMPRESSIONS = {"GZIP": "gzip", "Snappy": "snappy"}
_QUALIFIED = 8  # parts of the ARN of a function's version or alias


class AdoptionError(Exception):
    """The archive cannot be adopted. The text says why, and what to do."""


@dataclass(frozen=True)
class Plan:
    """What becomes of an archive that was made by hand.

    Attributes:
        config: of the stack file, by the project's keys.
        changes: what the first update changes for those who use the archive, a line each.
        left: what the program does not take over, a line each.
    """

    config: dict[str, Any]
    changes: list[str]
    left: list[str]


def plan(found: ByHand) -> Plan:
    """Say what becomes of an archive.

    Raises:
        AdoptionError: no stack file could say who may send.
    """
    if len(found.senders.organizations) > 1:
        raise AdoptionError(
            f"the destinations admit several organizations, and the program admits one: "
            f"{_listed(found.senders.organizations)}; admit accounts of the others by their ids"
        )
    if not (found.senders.accounts or found.senders.organizations or found.sending):
        raise AdoptionError("the destinations admit nobody; name who sends with --application")
    return Plan(_config(found), list(_changes(found)), list(_left(found)))


def ids(found: ByHand, archive: Archive) -> dict[str, str]:
    """Return logical name → id, of everything that the stack file calls as it is called.

    Ids have the forms that the provider documents for ``pulumi import``.
    """
    adopted = {}
    if archive.stream_name == found.stream.name:
        adopted["archive-stream"] = found.stream.arn
    if found.role == role_arn(found.region, found.account, archive.sender_role_name):
        adopted["archive-sender-role"] = archive.sender_role_name
    for region, destination in found.destinations.items():
        if archive.destination_names.get(region) == destination.name:
            adopted[f"archive-destination-{region}"] = destination.name
            if destination.policy:
                adopted[f"archive-destination-policy-{region}"] = destination.name
    return adopted


def _config(found: ByHand) -> dict[str, Any]:
    stream, senders = found.stream, found.senders
    deployer = {} if found.deployer_role == DEPLOYER_ROLE else {"deployerRole": found.deployer_role}
    accounts = senders.accounts if senders.organizations else senders.accounts | found.sending
    archive = {
        "account": found.account,
        **deployer,
        "region": found.region,
        "destinationRegions": sorted(found.destinations),
        "senders": _given(accounts=sorted(accounts), organization=next(iter(senders.organizations), None)),
        "senderRoleName": _role_name(found),
        **_given(streamName=stream.name if _is_adoptable(stream) else None),
        "destinationNames": {region: found.destinations[region].name for region in sorted(found.destinations)},
        "existingBucket": stream.bucket,
        **_given(key=stream.key, ownLogGroups=_entries(found.own_filters)),
        "delivery": {
            "bufferMiB": stream.buffer_mib,
            "bufferSeconds": stream.buffer_seconds,
            "compression": _compression(stream),
            "layout": _layout(stream),
        },
        **_given(transform=_transform(stream)),
    }
    applications = [
        {
            "account": account,
            **deployer,
            "regions": {region: {"logGroups": _entries(regions[region])} for region in sorted(regions)},
        }
        for account, regions in sorted(found.filters.items())
        if regions
    ]
    return {"archive": archive, **_given(applications=applications)}


def _given(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - as a stack file has them
    return {key: value for key, value in values.items() if value}


def _is_adoptable(stream: Stream) -> bool:
    """Whether the program can change the stream in place: AWS never ends a backup, and it converts no format."""
    return not stream.converts and (not stream.backup or "Lambda" in stream.processors)


def _role_name(found: ByHand) -> str:
    name = found.role.rpartition("/")[2]
    return name if found.role == role_arn(found.region, found.account, name) else OWN_ROLE


def _compression(stream: Stream) -> str:
    """Events come packed: a stream that unpacks nothing does well to compress nothing. The program unpacks them."""
    if stream.compression == "UNCOMPRESSED" and "Decompression" in stream.processors:
        return "none"
    return _COMPRESSIONS.get(stream.compression, "gzip")


def _layout(stream: Stream) -> str:
    """Name the layout: a stream is partitioned from its making on, or never."""
    return "partitioned" if stream.partitioned else "dated"


def _transform(stream: Stream) -> dict[str, Any] | None:
    if "Lambda" not in stream.processors:
        return None
    given = stream.processors["Lambda"]
    arn = given["LambdaArn"]
    return {
        "code": arn if len(arn.split(":")) == _QUALIFIED else f"{arn}:$LATEST",
        **({"retries": int(given["NumberOfRetries"])} if "NumberOfRetries" in given else {}),
        **_given(backup=stream.backup),
    }


def _entries(filters: Filters) -> list[Any]:
    return [_entry(name, _first(filters[name])) for name in sorted(filters)]


def _first(filters: Iterable[Subscription]) -> Subscription:
    """Return the filter that the stack file takes over: one that passes everything on, if there is one."""
    return min(filters, key=lambda each: (each.filter_pattern != "", each.name))


def _entry(name: str, given: Subscription) -> Any:  # noqa: ANN401 - a text, or an object
    said = _given(
        filterPattern=given.filter_pattern,
        emitSystemFields=sorted(given.emit_system_fields),
    )
    return {"name": name, **said} if said else name


def _changes(found: ByHand) -> Iterator[str]:
    """What those who use the archive will notice."""
    stream, senders = found.stream, found.senders
    layout = LAYOUTS[_layout(stream)]
    prefix = layout.prefix_of_transformed if "Lambda" in stream.processors else layout.prefix
    if not _is_adoptable(stream):
        why = "converts events" if stream.converts else "keeps a backup without a transform"
        yield f"a new stream takes the place of {stream.name}, which {why}: every destination turns to it"
    if prefix != stream.prefix:
        yield f"objects come under {prefix}, no longer under {stream.prefix or 'YYYY/MM/DD/HH/'}"
    yield (
        f"the stream writes with another role than {stream.role}: where a policy of the bucket"
        f"{' or of the key' if stream.key else ''} names that role, it has to let in archive-delivery-role-… too"
    )
    if "CloudWatchLogProcessing" in stream.processors:
        yield "a line of an object is a record with its owner, log group and stream, no longer a bare message"
    elif not {"Decompression", "Lambda"} & stream.processors.keys():
        yield "objects hold records unpacked, one a line, no longer packed and one after the other"
    if "Lambda" in stream.processors and layout.partitioned_by:
        yield f"the function has to return the partition keys {_listed(layout.partitioned_by)}"
    if senders.everyone:
        yield f"only {_listed(found.sending | senders.accounts)} may subscribe, no longer every account of AWS"
    elif any(admitted([each], found.account) != senders for each in found.destinations.values()):
        yield f"every destination admits {_listed(senders.accounts | senders.organizations)}"
    role = role_arn(found.region, found.account, _role_name(found))
    if turned := {each.role for each in found.destinations.values()} - {role}:
        yield f"destinations turn from the role {_listed(turned)} to {role}"


def _left(found: ByHand) -> Iterator[str]:
    """What stays beside the program."""
    places = [(f"account {account}, region {region}", filters) for account, regions in found.filters.items()
              for region, filters in regions.items()]  # fmt: skip
    places.append(("the central account", found.own_filters))
    if count := sum(len(each) for _, filters in places for each in filters.values()):
        yield f"subscription filters, {count}: events come twice until python -m ops retire deletes them"
    for place, filters in places:
        for name, each in filters.items():
            first = _first(each)
            if {one.filter_pattern for one in each} - {first.filter_pattern}:
                yield (
                    f"{place}: filters of the log group {name} with other patterns than {first.name}, whose pattern "
                    "the stack file takes"
                )
    yield from (
        f"{policy}, which subscribes all log groups there; delete it first where you want all: true"
        for policy in found.account_policies
    )
    if not _is_adoptable(found.stream):
        yield f"the stream {found.stream.name}: delete it once it has written what it holds"
    yield f"the role {found.stream.role}: nothing uses it any more"
    if _role_name(found) == OWN_ROLE:
        yield f"the role {found.role}: it has a path, so the program makes another"
    elif found.role_policies:
        yield f"policies of the role {found.role}: {_listed(found.role_policies)}; it gets one of the program's"
    if found.stream.error_log_group:
        yield f"the log group {found.stream.error_log_group}: errors are reported in another"
    if found.unseen:
        yield f"what is in {_listed(found.unseen)}, if anything: it could not be looked at"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(values))
