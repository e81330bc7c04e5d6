"""The outputs of a stack with an archive: the contract with application stacks and with ``ops``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.central_log_archive import CentralLogArchive
from topology.layouts import LAYOUTS
from topology.regions import PARTITIONS
from topology.settings import Application, Archive, Settings, unserved
from topology.stack_file import file_name


@dataclass(frozen=True, kw_only=True)
class ArchiveOutputs:
    """The outputs of a stack with an archive, as another stack or a command reads them.

    Attributes:
        stack: name of the stack.
        account: ID of the central account.
        region: home region.
        bucket: name of the bucket.
        stream: name of the stream.
        layout: layout of the objects.
        transformed: whether a function transforms events before delivery.
        originals: whether the original records are kept too.
        destinations: region → ARN of the destination.
        topics: region → ARN of the topic that alarms notify; empty without alarms.
        admitted_accounts: IDs of the accounts that may send.
        admitted_organization: ID of the organization whose accounts may send, if any.
        analysis: what queries need: account, region, database, workgroup, analystRole and reuseMinutes; None without
            ``archive.analysis``.
        integrity: what proves the integrity of the archive: signingKey and graceHours; None without
            ``archive.integrity``.
    """

    stack: str
    account: str
    region: str
    bucket: str
    stream: str
    layout: str
    transformed: bool
    originals: bool
    destinations: Mapping[str, str]
    topics: Mapping[str, str]
    admitted_accounts: tuple[str, ...]
    admitted_organization: str | None
    analysis: Mapping[str, Any] | None = None
    integrity: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, stack: str, outputs: Mapping[str, Any]) -> ArchiveOutputs | None:
        """Read the outputs of a stack, as the engine returns them: it omits those that are None.

        Returns:
            None if the stack has no archive.
        """
        if "destinations" not in outputs:
            return None
        return cls(
            stack=stack,
            account=outputs["account"],
            region=outputs["region"],
            bucket=outputs["bucket"],
            stream=outputs["stream"],
            layout=outputs["layout"],
            # Before this output existed, only originals told of a transform.
            transformed=outputs.get("transformed", outputs["originals"]),
            originals=outputs["originals"],
            destinations=outputs["destinations"],
            topics=outputs["topics"],
            admitted_accounts=tuple(outputs["admittedAccounts"]),
            admitted_organization=outputs.get("admittedOrganization"),
            analysis=outputs.get("analysis"),
            integrity=outputs.get("integrity"),
        )

    @property
    def stream_arn(self) -> str:
        """ARN of the stream."""
        return f"arn:{PARTITIONS[self.region]}:firehose:{self.region}:{self.account}:deliverystream/{self.stream}"


def export_archive(settings: Archive, archive: CentralLogArchive) -> None:
    """Write the outputs of a stack with an archive."""
    outputs: dict[str, object] = {
        "account": settings.account,
        "region": settings.region,
        "bucket": archive.bucket,
        "requiredBucketPolicy": archive.required_bucket_policy,
        "stream": archive.stream,
        "layout": settings.delivery.layout,
        "transformed": settings.transform is not None,
        "originals": settings.keeps_originals,
        "destinations": archive.destinations,
        "topics": archive.topics,
        "analysis": archive.analysis,
        "integrity": archive.integrity,
        "admittedAccounts": settings.sender_accounts,
        "admittedOrganization": settings.sender_organization,
    }
    for name, value in outputs.items():
        pulumi.export(name, value)


@dataclass(frozen=True)
class ArchiveEndpoints:
    """What an archive offers to application accounts, for every region that they use.

    Attributes:
        destinations: region → ARN of the destination.
        topics: region → ARN of the topic that alarms of the region notify; None without alarms.
    """

    destinations: Mapping[str, pulumi.Output[str]]
    topics: Mapping[str, pulumi.Output[str]] | None


def endpoints_of_stack(archive_stack: str, settings: Settings) -> ArchiveEndpoints:
    """Return what the archive of another stack offers.

    Args:
        archive_stack: a stack of this organization and project, or ``organization/project/stack``.
        settings: settings of this stack, which the archive has to serve.

    Raises:
        pulumi.RunError: (when the outputs are resolved, in previews too) the archive does not serve this stack.
    """
    outputs = pulumi.StackReference(_full_name(archive_stack)).outputs.apply(
        lambda outputs: _checked(ArchiveOutputs.of(archive_stack, outputs), archive_stack, settings)
    )
    regions = sorted({region for application in settings.applications for region in application.regions})

    def by_region(served: Callable[[ArchiveOutputs], Mapping[str, str]]) -> dict[str, pulumi.Output[str]]:
        arns = outputs.apply(served)
        return {region: arns[region] for region in regions}

    return ArchiveEndpoints(
        by_region(lambda served: served.destinations),
        by_region(lambda served: served.topics) if settings.alarms else None,
    )


def warn_of_changes(archive: Archive, applications: Iterable[Application], *, retain: bool) -> None:
    """Warn, in a preview, of changes that replace the stream, or that filters of other stacks have to be ready for.

    Args:
        archive: settings of the archive. The outputs of this stack contain the previous ones.
        applications: the application accounts of this stack.
        retain: whether a replaced stream is retained.
    """

    def warn(before: ArchiveOutputs) -> None:
        others = sorted(set(before.admitted_accounts) - {application.account for application in applications})
        if archive.sender_organization is not None and before.admitted_organization is None and others:
            pulumi.warn(
                f"The archive starts to admit the organization {archive.sender_organization}. Subscription filters of "
                "other stacks that have no role yet stop then, and their events are lost: first deploy every stack "
                f"that sends to this archive with filterRoles: true. It admits the accounts {', '.join(others)}."
            )
        changes = list(_replacing_changes(before, archive))
        old_stream = (
            "leaves the old stream in the account to deliver what it has buffered: delete it manually after its buffer "
            "interval"
            if retain
            else "deletes the old stream with all that it has buffered but not delivered"
        )
        for change in changes:
            pulumi.warn(
                f"{change}, which requires a new stream. Pulumi creates it, points every destination to it, and "
                f"{old_stream}. Existing objects stay where they are."
            )
        if changes and archive.own_log_groups:
            pulumi.warn(
                "The filters of the central account's own log groups are deleted and immediately recreated, since they "
                "lead to the stream; events written in between are not archived."
            )

    if not pulumi.runtime.is_dry_run():
        return  # an update writes the state while this would read it
    # Not a StackReference: it would store this stack's outputs in its own state, and show drift after every change.
    stack = _full_name(pulumi.get_stack())
    read = pulumi.runtime.invoke_output("pulumi:pulumi:readStackOutputs", {"name": stack})
    read.apply(lambda own: warn(before) if (before := ArchiveOutputs.of(stack, own["outputs"])) else None)


def _replacing_changes(before: ArchiveOutputs, archive: Archive) -> Iterator[str]:
    """Yield the changes that replace the stream.

    Dynamic partitioning can only be enabled at creation (Firehose Developer Guide, "Dynamic partitioning"). The backup
    of the original records cannot be disabled (API operation UpdateDestination). Without a transform, the stream
    decompresses records, which AWS enables on an existing stream only while it has a function ("Enable decompression on
    an existing stream").
    """
    if LAYOUTS[before.layout].is_partitioned != archive.delivery.is_partitioned:
        yield f"The layout changes from {before.layout} to {archive.delivery.layout}"
    if before.originals and not archive.keeps_originals:
        yield "The backup of the original records is disabled"
    if before.transformed and archive.transform is None:
        yield (
            "The transform is removed, and what has not passed it by the end of the update goes to "
            "errors/processing-failed/"
        )


def _full_name(stack: str) -> str:
    return stack if "/" in stack else f"{pulumi.get_organization()}/{pulumi.get_project()}/{stack}"


def _checked(outputs: ArchiveOutputs | None, archive_stack: str, settings: Settings) -> ArchiveOutputs:
    """Return the outputs if the archive serves this stack."""
    if outputs is None:
        raise pulumi.RunError(
            f"stack {archive_stack} has no destinations; deploy it first (pulumi up -s {archive_stack}), or set "
            "archiveStack to the stack of the archive"
        )
    file, organization = file_name(archive_stack), outputs.admitted_organization
    problems = list(
        unserved(
            settings.applications,
            regions=outputs.destinations,
            accounts=outputs.admitted_accounts,
            organization=organization,
            file=file,
        )
    )
    if organization is not None and not settings.filters_have_roles:
        problems.append(
            f"filterRoles: the archive admits the organization {organization}, so AWS requires a role for each "
            f"subscription filter; set filterRoles: true in {file_name(pulumi.get_stack())}"
        )
    if settings.alarms and not outputs.topics:
        problems.append(
            f"alarms: the archive has no topics for alarms to notify; set archive.alarms in {file}, or remove alarms"
        )
    if problems:
        raise pulumi.RunError("\n  ".join([f"stack {archive_stack} does not serve this stack:", *problems]))
    return outputs
