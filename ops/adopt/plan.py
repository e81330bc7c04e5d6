"""Plans the adoption of an existing archive: the stack file that adopts it, and what the first update changes.

The stack file has the archive's names and delivery settings, so that the program updates existing resources in place.
Filters are the exception: their name carries the region of an event, and AWS cannot rename them. The program creates
its own filters in addition, and ``ops retire`` deletes the others once those work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from accounts.inventory import Subscription
from accounts.log_groups import MAX_FILTERS
from accounts.stream import NOT_DECOMPRESSED, Stream
from ops.adopt.bootstrap import OWN_ROLE
from ops.adopt.existing_archive import ExistingArchive, Filters, admitted
from ops.adopt.leftovers import Leftover
from ops.errors import OperatorError
from topology.layouts import LAYOUTS, Layout
from topology.regions import PARTITIONS, role_arn
from topology.settings import DEPLOYER_ROLE, Archive

_COMPRESSIONS = {"GZIP": "gzip", "Snappy": "snappy"}
_COMPRESSION_OF = {"gzip": "GZIP", "snappy": "Snappy", "none": "UNCOMPRESSED"}
_QUALIFIED = 8  # parts of the ARN of a function's version or alias


def stack_config(found: ExistingArchive) -> dict[str, Any]:
    """Return the config of the stack file that adopts an archive, without the project's namespace.

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
    return _config(found)


def import_ids(found: ExistingArchive, archive: Archive) -> dict[str, str]:
    """Return logical name → ID of the existing resources that the stack file names.

    IDs have the form that the provider documents for ``pulumi import``.

    Raises:
        OperatorError: the stack file names a stream that cannot be updated in place, a sender role that other
            destinations use too, or no key although the bucket has one.
    """
    bucket_key = _arn_of_key(found)
    keeps_bucket = archive.existing_bucket is not None and archive.existing_bucket.name == found.stream.bucket
    if keeps_bucket and bucket_key is not None and archive.key.objects is None:
        what = "the ARN of the key behind this alias" if _is_alias(bucket_key) else "it"
        raise OperatorError(
            f"archive.key: the default key of the bucket {found.stream.bucket} is {bucket_key}, which the delivery "
            f"role may only use if the stack file names it; add {what} as objects"
        )
    if users := [
        f"{name} in {region}"
        for (region, name), role in sorted(found.others.items())
        if role == role_arn(found.region, found.account, archive.sender_role_name)
    ]:
        raise OperatorError(
            f"archive.senderRoleName: other destinations use the role {archive.sender_role_name} too, and would lose "
            f"what its permissions boundary does not allow: {', '.join(users)}; use {OWN_ROLE}, which "
            "bootstrap/archive-account.yaml creates"
        )
    ids = {}
    if archive.stream_name == found.stream.name:
        if problem := found.stream.problem(archive):
            raise OperatorError(problem)
        ids["archive-stream"] = found.stream.arn
    for region, destination in found.destinations.items():
        if archive.destination_names.get(region) == destination.name:
            ids[f"archive-destination-{region}"] = destination.name
            if destination.policy:
                ids[f"archive-destination-policy-{region}"] = destination.name
    return ids


def _config(found: ExistingArchive) -> dict[str, Any]:
    stream, senders = found.stream, found.senders
    is_own_bucket = found.bucket_account in (None, found.account)
    deployer = {} if found.deployer_role == DEPLOYER_ROLE else {"deployerRole": found.deployer_role}
    accounts = senders.accounts if senders.organizations else senders.accounts | found.sending
    archive = {
        "account": found.account,
        **deployer,
        "region": found.region,
        "destinationRegions": sorted(found.destinations),
        "senders": _present(accounts=sorted(accounts), organization=next(iter(senders.organizations), None)),
        "senderRoleName": OWN_ROLE,
        **_present(streamName=None if _replacement(stream) else stream.name),
        "destinationNames": {region: found.destinations[region].name for region in sorted(found.destinations)},
        "existingBucket": stream.bucket if is_own_bucket else {"name": stream.bucket, "account": found.bucket_account},
        **_present(key=_keys(found), ownLogGroups=_entries(found, found.account, found.region, found.own_filters)),
        "delivery": {
            "bufferMiB": stream.buffer_mib,
            "bufferSeconds": stream.buffer_seconds,
            "compression": _compression(stream),
            "layout": _layout(stream),
        },
        **_present(transform=_transform(stream)),
    }
    applications = []
    for account, regions in sorted(found.filters.items()):
        entries = {region: _entries(found, account, region, regions[region]) for region in sorted(regions)}
        if wanted := {region: {"logGroups": groups} for region, groups in entries.items() if groups}:
            applications.append({"account": account, **deployer, "regions": wanted})
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


def _is_own(stream: Stream) -> bool:
    """Return whether an update has made the stream the program's own."""
    return ":role/archive-delivery-role-" in stream.role


def _replacement(stream: Stream) -> str | None:
    """Return why the stream is replaced if it keeps its function, or has none; None: it is adopted."""
    return stream.why_replaced(transformed="Lambda" in stream.processors, partitioned=stream.partitioned)


def _compression(stream: Stream) -> str:
    """Return the compression that objects have, or one that keeps them small.

    Records arrive compressed, so that objects are as large as before if the program decompresses them first.
    """
    if stream.compression == "UNCOMPRESSED" and {"Decompression", "Lambda"} & stream.processors.keys():
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


def _entries(found: ExistingArchive, account: str, region: str, filters: Filters) -> list[Any]:
    return [
        _entry(name, _first(filters[name])) for name in sorted(filters) if (account, region, name) not in found.full
    ]


def _first(filters: Iterable[Subscription]) -> Subscription:
    """Return the filter that the stack file adopts: preferably one that matches all events."""
    return min(filters, key=lambda each: (each.filter_pattern != "", each.name))


def _entry(name: str, existing: Subscription) -> Any:  # noqa: ANN401 - a string, or an object
    options = _present(filterPattern=existing.filter_pattern, emitSystemFields=sorted(existing.emit_system_fields))
    return {"name": name, **options} if options else name


def changes(found: ExistingArchive, archive: Archive) -> Iterator[str]:
    """Yield what users of the archive will notice of the first update, a line each.

    Args:
        found: the archive as it is.
        archive: as the stack file describes it, which may have been edited.
    """
    stream, senders, layout = found.stream, found.senders, LAYOUTS[archive.delivery.layout]
    if archive.stream_name != stream.name and not _is_own(stream):
        why = _replacement(stream)
        which = f", which {why}" if why else ""
        yield f"a new stream replaces {stream.name}{which}; all destinations are pointed at it"
        if why == NOT_DECOMPRESSED:
            yield (
                f"to keep {stream.name} instead, let it decompress records first, in AWS's order, and run this command "
                "again: add a function to it, enable decompression, remove the function"
            )
    yield from _changes_of_objects(found, archive, layout)
    yield from _changes_of_access(found, archive)
    if archive.transform is not None and layout.partitioned_by:
        yield f"the function has to return the partition keys {_listed(layout.partitioned_by)}"
    admits = {*archive.sender_accounts, *filter(None, [archive.sender_organization])}
    if senders.everyone:
        yield f"only {_listed(admits)} can subscribe instead of every AWS account"
    elif any(
        each.accounts | each.organizations != admits
        for each in (admitted([one], found.account) for one in found.destinations.values())
    ):
        yield f"every destination admits {_listed(admits)}"
    role = role_arn(found.region, found.account, archive.sender_role_name)
    if others := {each.role for each in found.destinations.values()} - {role}:
        yield f"destinations use the role {role} instead of {_listed(others)}"


def _changes_of_objects(found: ExistingArchive, archive: Archive, layout: Layout) -> Iterator[str]:
    stream, transformed = found.stream, archive.transform is not None
    prefix = layout.prefix_of_transformed if transformed else layout.prefix
    compression = _COMPRESSION_OF[archive.delivery.compression]
    recompressed = stream.compression == "UNCOMPRESSED" and not {"Decompression", "Lambda"} & stream.processors.keys()
    if prefix != stream.prefix:
        yield f"the prefix of new objects is {prefix} instead of {stream.prefix or 'YYYY/MM/DD/HH/'}"
    if stream.time_zone != "UTC":
        yield f"the times in prefixes are UTC instead of {stream.time_zone}"
    if stream.extension:
        yield f"new objects have the extension of their compression instead of {stream.extension}"
    # Records that nothing decompresses are gzip already.
    if compression != stream.compression and not (recompressed and compression == "GZIP"):
        yield f"new objects are compressed as {archive.delivery.compression} instead of {stream.compression}"
    if transformed:
        return
    if "CloudWatchLogProcessing" in stream.processors:
        yield "each line of an object is a record with its owner, log group and stream instead of a bare message"
    elif "Decompression" not in stream.processors:
        yield "objects hold decompressed records, one per line, instead of concatenated compressed ones"
    if "region" in layout.partitioned_by and _filters(found):
        yield (
            "old filters do not have their region in their name: what they send is under region=other, until python -m "
            "ops retire deletes them"
        )


def _changes_of_access(found: ExistingArchive, archive: Archive) -> Iterator[str]:
    stream = found.stream
    if not _is_own(stream):
        yield (
            f"the stream writes with a new role instead of {stream.role}: if a policy of the bucket"
            f"{' or of its key' if archive.key.objects is not None else ''} names that role, allow "
            "archive-delivery-role-… there too"
        )
    if found.bucket_problem is not None and archive.key.objects is None:
        yield (
            f"the default encryption of the bucket {stream.bucket} of account {found.bucket_account} cannot be read "
            f"({found.bucket_problem}): if it is a KMS key, nothing is delivered unless archive.key.objects names that "
            "key"
        )


def left(found: ExistingArchive, archive: Archive) -> Iterator[str]:
    """Yield what stays outside Pulumi, a line each.

    Args:
        found: the archive as it is.
        archive: as the stack file describes it.
    """
    if count := sum(len(each) for _, groups in _filters(found) for each in groups.values()):
        yield f"subscription filters, {count}: events are archived twice until python -m ops retire deletes them"
    for (account, region), groups in _filters(found):
        place = "the central account" if account == found.account else f"account {account}, region {region}"
        for name, each in groups.items():
            first = _first(each)
            if (account, region, name) in found.full:
                yield (
                    f"{place}: the log group {name} has {MAX_FILTERS} filters, and AWS allows no more: it keeps its "
                    "old filter, and is not in the stack file; docs/adopting.md#log-groups-without-room says how to "
                    "make room without a gap"
                )
            elif {one.filter_pattern for one in each} - {first.filter_pattern}:
                yield (
                    f"{place}: filters of the log group {name} with other patterns than {first.name}, whose pattern "
                    "the stack file uses"
                )
    yield from (
        f"{policy}, which subscribes all log groups there; delete it before you use all: true"
        for policy in found.account_policies
    )
    for it in leftovers(found, archive):
        yield f"the {it.kind} {it.name}: python -m ops retire says when nothing uses it, and how to delete it"
    if found.unread:
        yield f"whatever is in {_listed(found.unread)}: it could not be read"


def leftovers(found: ExistingArchive, archive: Archive) -> list[Leftover]:
    """Return what can be deleted once nothing uses it.

    Args:
        found: the archive as it is.
        archive: as the stack file describes it.
    """
    stream, own = found.stream, role_arn(found.region, found.account, archive.sender_role_name)
    wanted = [
        *([Leftover("stream", stream.arn)] if archive.stream_name != stream.name else []),
        *(Leftover("role", role) for role in sorted({each.role for each in found.destinations.values()} - {own})),
        Leftover("role", stream.role),
        *([Leftover("log group", stream.error_log_group)] if stream.error_log_group else []),
    ]
    if _is_own(stream):
        return [each for each in wanted if each.name not in (stream.arn, stream.role, stream.error_log_group)]
    return wanted


def _filters(found: ExistingArchive) -> list[tuple[tuple[str, str], Filters]]:
    """Return account and region → the old filters."""
    places = [
        ((account, region), filters)
        for account, regions in found.filters.items()
        for region, filters in regions.items()
    ]
    return [*places, ((found.account, found.region), found.own_filters)] if found.own_filters else places


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(values))
