"""Plans the adoption of an existing archive: the stack file that adopts it, and what the first update changes.

The stack file has the archive's names and delivery settings, so that the program updates existing resources in place.
Filters are the exception: their name carries the region of an event, and AWS cannot rename them. The program creates
its own filters in addition, and ``ops retire`` deletes the others once those work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from accounts.inventory import Subscription
from ops.adopt.existing_archive import ExistingArchive, Filters, Stream, admitted
from ops.errors import OperatorError
from topology.layouts import LAYOUTS
from topology.regions import PARTITIONS, role_arn
from topology.settings import DEPLOYER_ROLE, Archive

OWN_ROLE = "central-log-archive-sender"
"""Name of the sender role if that of the archive has a path: the bootstrap creates roles without one."""

_COMPRESSIONS = {"GZIP": "gzip", "Snappy": "snappy"}
_NOT_DECOMPRESSED = "does not decompress records"
_QUALIFIED = 8  # parts of the ARN of a function's version or alias


@dataclass(frozen=True)
class Plan:
    """The adoption of an existing archive.

    Attributes:
        config: config of the stack file, without the project's namespace.
        changes: what the first update changes for users of the archive, a line each.
        left: what the program does not adopt, a line each.
    """

    config: dict[str, Any]
    changes: list[str]
    left: list[str]


def plan_adoption(found: ExistingArchive) -> Plan:
    """Plan the adoption of an archive.

    Raises:
        OperatorError: a stack file cannot describe its senders.
    """
    if len(found.senders.organizations) > 1:
        raise OperatorError(
            f"the destinations admit several organizations, and the program supports one: "
            f"{_listed(found.senders.organizations)}; admit the accounts of the others by ID"
        )
    if not (found.senders.accounts or found.senders.organizations or found.sending):
        raise OperatorError("the destinations admit no account; name the sending accounts with --application")
    return Plan(_config(found), list(_changes(found)), list(_left(found)))


def import_ids(found: ExistingArchive, archive: Archive) -> dict[str, str]:
    """Return logical name → ID of the existing resources that the stack file names.

    IDs have the form that the provider documents for ``pulumi import``.

    Raises:
        OperatorError: the stack file names a stream that cannot be updated in place, or no key although the bucket
            has one.
    """
    bucket_key = _arn_of_key(found)
    keeps_bucket = archive.existing_bucket is not None and archive.existing_bucket.name == found.stream.bucket
    if keeps_bucket and bucket_key is not None and archive.key.objects is None:
        what = "the ARN of the key behind this alias" if _is_alias(bucket_key) else "it"
        raise OperatorError(
            f"archive.key: the default key of the bucket {found.stream.bucket} is {bucket_key}, which the delivery "
            f"role may only use if the stack file names it; add {what} as objects"
        )
    ids = {}
    if archive.stream_name == found.stream.name:
        if why := _why_replaced(found.stream, transformed=archive.transform is not None):
            raise OperatorError(
                f"archive.streamName: the stream {found.stream.name} {why}, which requires a new stream; remove "
                "archive.streamName, so that the new stream is auto-named"
            )
        ids["archive-stream"] = found.stream.arn
    for region, destination in found.destinations.items():
        if archive.destination_names.get(region) == destination.name:
            ids[f"archive-destination-{region}"] = destination.name
            if destination.policy:
                ids[f"archive-destination-policy-{region}"] = destination.name
    return ids


def _config(found: ExistingArchive) -> dict[str, Any]:
    stream, senders = found.stream, found.senders
    deployer = {} if found.deployer_role == DEPLOYER_ROLE else {"deployerRole": found.deployer_role}
    accounts = senders.accounts if senders.organizations else senders.accounts | found.sending
    archive = {
        "account": found.account,
        **deployer,
        "region": found.region,
        "destinationRegions": sorted(found.destinations),
        "senders": _present(accounts=sorted(accounts), organization=next(iter(senders.organizations), None)),
        "senderRoleName": _role_name(found),
        **_present(streamName=None if _replacement(stream) else stream.name),
        "destinationNames": {region: found.destinations[region].name for region in sorted(found.destinations)},
        "existingBucket": stream.bucket,
        **_present(key=_keys(found), ownLogGroups=_entries(found.own_filters)),
        "delivery": {
            "bufferMiB": stream.buffer_mib,
            "bufferSeconds": stream.buffer_seconds,
            "compression": _compression(stream),
            "layout": _layout(stream),
        },
        **_present(transform=_transform(stream)),
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
    return {"archive": archive, **_present(applications=applications)}


def _keys(found: ExistingArchive) -> dict[str, str]:
    """Return the key of the objects and that of the stream. Each stays what it is: neither may do for the other.

    A stack file takes no alias.
    """
    default = _arn_of_key(found)
    of_bucket = None if default is None or _is_alias(default) else default
    return _present(objects=found.stream.object_key or of_bucket, stream=found.stream.key)


def _is_alias(arn: str) -> bool:
    return ":alias/" in arn


def _arn_of_key(found: ExistingArchive) -> str | None:
    """Return the ARN of the bucket's default key or of its alias, which the bucket may name without the ARN."""
    key = found.bucket_key
    if key is None or key.startswith("arn:"):
        return key
    return f"arn:{PARTITIONS[found.region]}:kms:{found.region}:{found.account}:{key if '/' in key else f'key/{key}'}"


def _present(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - values of a stack file
    """Return the values that are not empty."""
    return {key: value for key, value in values.items() if value}


def _why_replaced(stream: Stream, *, transformed: bool) -> str | None:
    """Return why the program cannot update the stream in place; None: it can.

    It does not convert records. AWS can neither disable a backup (API operation UpdateDestination) nor enable
    decompression while the stream has no function (Firehose Developer Guide, "Enable decompression on an existing
    stream").

    Args:
        stream: the stream.
        transformed: whether the stack file has a transform.
    """
    if stream.converts:
        return "converts records"
    if stream.backup and not transformed:
        return "has a backup without a transform"
    if not transformed and "Decompression" not in stream.processors:
        return _NOT_DECOMPRESSED
    return None


def _replacement(stream: Stream) -> str | None:
    """Return why the stream is replaced if it keeps its function, or has none; None: it is adopted."""
    return _why_replaced(stream, transformed="Lambda" in stream.processors)


def _role_name(found: ExistingArchive) -> str:
    name = found.role.rpartition("/")[2]
    return name if found.role == role_arn(found.region, found.account, name) else OWN_ROLE


def _compression(stream: Stream) -> str:
    """Return the compression that keeps objects small: records arrive compressed, and the program decompresses them."""
    if stream.compression == "UNCOMPRESSED" and "Decompression" in stream.processors:
        return "none"
    return _COMPRESSIONS.get(stream.compression, "gzip")


def _layout(stream: Stream) -> str:
    """Return the layout: dynamic partitioning can only be enabled at creation."""
    return "partitioned" if stream.partitioned else "dated"


def _transform(stream: Stream) -> dict[str, Any] | None:
    if "Lambda" not in stream.processors:
        return None
    parameters = stream.processors["Lambda"]
    arn = parameters["LambdaArn"]
    return {
        "code": arn if len(arn.split(":")) == _QUALIFIED else f"{arn}:$LATEST",
        **({"retries": int(parameters["NumberOfRetries"])} if "NumberOfRetries" in parameters else {}),
        **_present(backup=stream.backup),
    }


def _entries(filters: Filters) -> list[Any]:
    return [_entry(name, _first(filters[name])) for name in sorted(filters)]


def _first(filters: Iterable[Subscription]) -> Subscription:
    """Return the filter that the stack file adopts: preferably one that matches all events."""
    return min(filters, key=lambda each: (each.filter_pattern != "", each.name))


def _entry(name: str, existing: Subscription) -> Any:  # noqa: ANN401 - a string, or an object
    options = _present(filterPattern=existing.filter_pattern, emitSystemFields=sorted(existing.emit_system_fields))
    return {"name": name, **options} if options else name


def _changes(found: ExistingArchive) -> Iterator[str]:
    """What users of the archive will notice."""
    stream, senders = found.stream, found.senders
    layout = LAYOUTS[_layout(stream)]
    prefix = layout.prefix_of_transformed if "Lambda" in stream.processors else layout.prefix
    if why := _replacement(stream):
        yield f"a new stream replaces {stream.name}, which {why}; all destinations are pointed at it"
    if why == _NOT_DECOMPRESSED:
        yield (
            f"to keep {stream.name} instead, let it decompress records first, in AWS's order, and run this command "
            "again: add a function to it, enable decompression, remove the function"
        )
    if prefix != stream.prefix:
        yield f"the prefix of new objects is {prefix} instead of {stream.prefix or 'YYYY/MM/DD/HH/'}"
    yield from _changes_of_access(found)
    if "CloudWatchLogProcessing" in stream.processors:
        yield "each line of an object is a record with its owner, log group and stream instead of a bare message"
    elif not {"Decompression", "Lambda"} & stream.processors.keys():
        yield "objects hold decompressed records, one per line, instead of concatenated compressed ones"
    if "Lambda" in stream.processors and layout.partitioned_by:
        yield f"the function has to return the partition keys {_listed(layout.partitioned_by)}"
    if senders.everyone:
        yield f"only {_listed(found.sending | senders.accounts)} can subscribe instead of every AWS account"
    elif any(admitted([each], found.account) != senders for each in found.destinations.values()):
        yield f"every destination admits {_listed(senders.accounts | senders.organizations)}"
    role = role_arn(found.region, found.account, _role_name(found))
    if others := {each.role for each in found.destinations.values()} - {role}:
        yield f"destinations use the role {role} instead of {_listed(others)}"


def _changes_of_access(found: ExistingArchive) -> Iterator[str]:
    stream = found.stream
    yield (
        f"the stream writes with a new role instead of {stream.role}: if a policy of the bucket"
        f"{' or of its key' if 'objects' in _keys(found) else ''} names that role, allow archive-delivery-role-… there "
        "too"
    )
    if found.bucket_problem is not None and stream.object_key is None:
        yield (
            f"the default encryption of the bucket {stream.bucket} cannot be read ({found.bucket_problem}): if its key "
            "is yours, nothing is delivered unless archive.key.objects names it; deploy "
            f"bootstrap/archive-account.yaml with ExistingBucket={stream.bucket} and run this command again"
        )


def _left(found: ExistingArchive) -> Iterator[str]:
    """What stays outside Pulumi."""
    places = [(f"account {account}, region {region}", filters) for account, regions in found.filters.items()
              for region, filters in regions.items()]  # fmt: skip
    places.append(("the central account", found.own_filters))
    if count := sum(len(each) for _, filters in places for each in filters.values()):
        yield f"subscription filters, {count}: events are archived twice until python -m ops retire deletes them"
    for place, filters in places:
        for name, each in filters.items():
            first = _first(each)
            if {one.filter_pattern for one in each} - {first.filter_pattern}:
                yield (
                    f"{place}: filters of the log group {name} with other patterns than {first.name}, whose pattern "
                    "the stack file uses"
                )
    yield from (
        f"{policy}, which subscribes all log groups there; delete it before you use all: true"
        for policy in found.account_policies
    )
    if _replacement(found.stream):
        yield (
            f"the stream {found.stream.name}, and the role {found.stream.role} that it writes with: delete both once "
            "python -m ops retire has deleted the old filters, and the stream has then written what it buffers, which "
            f"takes {found.stream.buffer_seconds} seconds"
        )
    else:
        yield f"the role {found.stream.role}: it is no longer used"
    if _role_name(found) == OWN_ROLE:
        yield f"the role {found.role}: it has a path, so the bootstrap creates another one"
    elif found.role_policies:
        yield f"policies of the role {found.role}: {_listed(found.role_policies)}; the program adds its own"
    if found.stream.error_log_group:
        yield f"the log group {found.stream.error_log_group}: errors are logged in another one"
    if found.unread:
        yield f"whatever is in {_listed(found.unread)}: it could not be read"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(values))
