"""Checks across keys: the sections of a stack file compared with each other, and with an archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from topology import policies
from topology.layouts import LAYOUTS, MAX_PARTITIONS
from topology.regions import PARTITIONS
from topology.settings.applications import Application
from topology.settings.archive import Archive
from topology.settings.stack import Settings
from topology.settings.types import listed, repeated

MAX_TRUST_CHARACTERS = 2048
"""Default quota for the size of a role's trust policy ("IAM and STS quotas")."""


def inconsistencies(given: Mapping[str, object], settings: Settings, file: str) -> Iterator[str]:
    """Yield the problems between the keys of a stack file.

    Args:
        given: the sections in the file, valid or not.
        settings: those that are valid.
        file: name of the stack file.
    """
    if "archive" not in given and "applications" not in given:
        yield "the stack describes nothing; add an archive section, an applications section, or both"
    if "archive" not in given and "applications" in given and "archiveStack" not in given:
        yield (
            "archiveStack: is required in a stack without an archive section; name the stack that builds the archive, "
            "like archiveStack: archive"
        )
    if "archive" in given and "archiveStack" in given:
        yield "archiveStack: this stack has an archive section of its own; remove one of the two"
    yield from _missing_regions(given)
    yield from _clashes(given, settings)
    archive = settings.archive
    if archive is None:
        yield from _border_crossings(settings, [])
        return
    if "applications" not in given:
        for key, value in (("destinationRegions", archive.destination_regions), ("senders", archive.senders)):
            if not value:
                yield f"archive.{key}: is required in a stack without applications to derive it from"
    yield from _undeletable(archive, retain=settings.retain)
    yield from _wrong_replica(archive)
    if archive.alarms is None and settings.alarms:
        yield "alarms: the archive of this stack has none; set archive.alarms, or remove alarms"
    yield from _unused_names(archive)
    yield from _wrong_topics(archive)
    yield from _oversized_trust(archive)
    yield from _wrong_readers(archive)
    yield from _too_many_partitions(archive, settings.applications)
    yield from _resources_of_other_regions(archive)
    yield from _border_crossings(
        settings,
        [("archive.region", archive.region), *(("archive.destinationRegions", r) for r in archive.destination_regions)],
    )
    yield from unserved(
        settings.applications,
        regions=archive.destination_regions,
        accounts=archive.sender_accounts,
        organization=archive.sender_organization,
        file=file,
    )


def unserved(
    applications: Iterable[Application],
    *,
    regions: Iterable[str],
    accounts: Iterable[str],
    organization: str | None,
    file: str,
) -> Iterator[str]:
    """Yield what the archive does not serve, a line for each account and region.

    Args:
        applications: the application accounts of a stack.
        regions: regions in which the archive has a destination.
        accounts: IDs of the accounts that the archive admits.
        organization: the organization that the archive admits; only AWS knows which accounts are in it.
        file: the archive's stack file, where to fix it.
    """
    regions, accounts = sorted(regions), sorted(accounts)
    for application in applications:
        if organization is None and application.account not in accounts:
            yield (
                f"applications, account {application.account}: the archive does not admit it; it admits "
                f'{listed(accounts)}; add "{application.account}" to archive.senders.accounts in {file}'
            )
        for region in application.regions:
            if region not in regions:
                yield (
                    f"applications, account {application.account}, region {region}: the archive does not serve the "
                    f"region; it serves {listed(regions)}; add {region} to archive.destinationRegions in {file}"
                )


def _missing_regions(given: Mapping[str, object]) -> Iterator[str]:
    defaults, applications = given.get("defaults"), given.get("applications")
    if isinstance(defaults, dict) and "regions" in defaults:
        return
    for index, application in enumerate(applications if isinstance(applications, list) else []):
        if isinstance(application, dict) and "regions" not in application:
            yield f"applications[{index}].regions: is required, since defaults has none"


def _clashes(given: Mapping[str, object], settings: Settings) -> Iterator[str]:
    archive, applications = settings.archive, settings.applications
    for account in repeated(application.account for application in applications):
        yield f"applications: account {account} has more than one entry; merge them"
    everyone = [*applications] if archive is None else [archive, *applications]
    for label in repeated(account.label for account in everyone):
        yield f'applications: the alias "{label}" is used more than once; give each account its own'
    if archive is None:
        return
    section = given.get("archive")
    senders = archive.sender_accounts if isinstance(section, dict) and "senders" in section else ()
    for key, accounts in (("applications", [a.account for a in applications]), ("archive.senders.accounts", senders)):
        if archive.account in accounts:
            yield (
                f"{key}: account {archive.account} is the archive itself, and a destination accepts events from other "
                "accounts only; remove it"
            )


def _unused_names(archive: Archive) -> Iterator[str]:
    for region in sorted(archive.destination_names.keys() - set(archive.destination_regions)):
        yield (
            f"archive.destinationNames: {region} has no destination; the archive has destinations in "
            f"{listed(archive.destination_regions)}; remove the name, or add the region to destinationRegions"
        )


def _undeletable(archive: Archive, *, retain: bool) -> Iterator[str]:
    bucket = archive.bucket
    if bucket.object_lock and not retain:
        yield (
            "archive.bucket.objectLock: with retain: false the bucket is emptied and deleted, which Object Lock "
            "prevents; remove one of the two"
        )
    if bucket.break_glass_role is None:
        return
    if not retain:
        yield (
            "archive.bucket.breakGlassRole: with retain: false the bucket is emptied and deleted, which only this role "
            "may do; remove one of the two"
        )
    if bucket.break_glass_role == archive.deployer_role or bucket.break_glass_role.startswith("archive-"):
        yield (
            f"archive.bucket.breakGlassRole: {bucket.break_glass_role} is the deployer role, or one that it may "
            "create, so it would keep nothing from it; name another role"
        )


def _wrong_replica(archive: Archive) -> Iterator[str]:
    replica = archive.bucket.replica
    if replica is None:
        return
    changeable = ("archive-bucket-", "archive-results-")
    if replica.bucket.startswith(changeable) and replica.account in (None, archive.account):
        yield (
            f"archive.bucket.replica.bucket: {replica.bucket} is a bucket that the deployer role may change, so it "
            f"would keep nothing from it; use a name that does not begin with {' or '.join(changeable)}"
        )
    partition = PARTITIONS[archive.region]
    if replica.key is not None and replica.key.split(":")[1] != partition:
        yield (
            f"archive.bucket.replica.key: {replica.key} is in another partition than {archive.region}, and S3 "
            f"replicates within a partition only; use a key and a bucket in {partition}"
        )


def _wrong_topics(archive: Archive) -> Iterator[str]:
    topics = archive.alarms
    if not topics:
        return
    for region in sorted(set(archive.regions) - topics.keys()):
        yield f"archive.alarms: has no topic in {region}, where the archive has its stream or a destination; add one"
    for region, arn in topics.items():
        if arn.split(":")[3] != region:
            yield (
                f"archive.alarms.{region}: {arn} is in another region, but alarms only notify topics in their own; use "
                f"a topic in {region}"
            )


def _oversized_trust(archive: Archive) -> Iterator[str]:
    """The trust policy of the sender role is the tightest limit: a destination policy holds about 330 accounts."""
    trust = policies.sender_role_trust(
        home_region=archive.region,
        account=archive.account,
        sender_accounts=archive.sender_accounts,
        sender_organization=archive.sender_organization,
    )
    if len(trust) > MAX_TRUST_CHARACTERS:
        yield (
            f"archive.senders: the trust policy of {archive.sender_role_name} would have {len(trust)} characters for "
            f"{len(archive.sender_accounts)} accounts, and IAM accepts {MAX_TRUST_CHARACTERS}; admit your organization "
            "instead, like senders: {organization: o-exampleorg1}"
        )


def _wrong_readers(archive: Archive) -> Iterator[str]:
    readers = archive.analysis.readers if archive.analysis is not None else ()
    for arn in readers:
        if arn.split(":")[1] != PARTITIONS[archive.region]:
            yield (
                f"archive.analysis.readers: {arn} is in partition {arn.split(':')[1]}, but the archive is in "
                f"{PARTITIONS[archive.region]}; use a principal of that partition"
            )
    trust = policies.analyst_role_trust(home_region=archive.region, account=archive.account, readers=readers)
    if len(trust) > MAX_TRUST_CHARACTERS:
        yield (
            f"archive.analysis.readers: the trust policy of the analyst role would have {len(trust)} characters for "
            f"{len(readers)} principals, and IAM accepts {MAX_TRUST_CHARACTERS}; name accounts, like "
            f"arn:{PARTITIONS[archive.region]}:iam::{archive.account}:root, and let their IAM policies decide"
        )


def _too_many_partitions(archive: Archive, applications: Iterable[Application]) -> Iterator[str]:
    layout = archive.delivery.layout
    sources = [
        (application.account, region, name)
        for application in applications
        for region, groups in application.regions.items()
        for name in [*(group.name for group in groups.log_groups), *([""] if groups.all else [])]
    ] or [  # the log groups are in other stacks
        (account, region, "") for account in archive.sender_accounts for region in archive.destination_regions
    ]
    sources += [(archive.account, archive.region, group.name) for group in archive.own_log_groups]
    partitions = len({source[: len(LAYOUTS[layout].partitioned_by)] for source in sources})
    if partitions > MAX_PARTITIONS:
        yield (
            f"archive.delivery.layout: {layout} creates {partitions} partitions for this stack, but a stream supports "
            f"{MAX_PARTITIONS}; choose a layout with fewer, like dated"
        )


def _resources_of_other_regions(archive: Archive) -> Iterator[str]:
    function = archive.transform.code if archive.transform is not None else None
    keys = archive.key.choices
    one = (
        {"key": archive.key.objects}
        if len(set(keys.values())) == 1
        else {f"key.{part}": arn for part, arn in keys.items()}
    )
    for key, what, arn in (*((key, "key", arn) for key, arn in one.items()), ("transform.code", "function", function)):
        region = str(arn).split(":")[3] if str(arn).startswith("arn:") else archive.region
        if region != archive.region:
            yield (
                f"archive.{key}: is in {region}, but the stream is in {archive.region}; use a {what} in "
                f"{archive.region}"
            )


def _border_crossings(settings: Settings, places: list[tuple[str, str]]) -> Iterator[str]:
    """Yield the regions in another AWS partition: neither roles nor destinations work across partitions."""
    places = [
        *places,
        *((f"applications, account {a.account}", region) for a in settings.applications for region in a.regions),
    ]
    for where, region in places:
        home, first = places[0]
        if PARTITIONS[region] != PARTITIONS[first]:
            yield (
                f"{where}: {region} is in partition {PARTITIONS[region]}, but {first} ({home}) is in "
                f"{PARTITIONS[first]}, and logs cannot cross; use a separate stack for each partition"
            )
