"""Proves that the archive still has what arrived in it, and nothing else, by the digests that its own key signed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from accounts.parallel import OnProgress
from accounts.session import AssumedRole
from components.archive_outputs import ArchiveOutputs
from functions.digest import digests
from functions.digest.digests import LATE_DAYS, Digest, Version
from ops.errors import OperatorError
from ops.verify.canaries import VERIFIER
from topology.regions import role_arn

_DAY = timedelta(days=1)
_RUN_HOURS = 1  # that the function may take, or be late


@dataclass(frozen=True)
class Finding:
    """What does not agree with the digests.

    Attributes:
        subject: key of an object or of a digest, or a day.
        problem: ``missing``, ``changed`` or ``added`` for objects; ``not signed``, ``broken chain`` or ``no digest``.
        reason: what was found, and what it may mean.
    """

    subject: str
    problem: str
    reason: str


@dataclass(frozen=True)
class Proof:
    """What was verified.

    Attributes:
        digests: how many digest files.
        objects: how many objects they list for the period.
        pending: how many objects arrived too recently for a digest.
        findings: what does not agree.
    """

    digests: int
    objects: int
    pending: int
    findings: list[Finding]


def verify(
    archive: ArchiveOutputs, stack: str, first: date, last: date, *, now: datetime, on_progress: OnProgress
) -> Proof:
    """Verify the objects of a period, by the dates in their keys, and the digests that list them.

    Args:
        archive: the archive.
        stack: the stack that is asked for, for CloudTrail.
        first: first day of the period.
        last: last day of the period.
        now: the current moment, by which digests are due.
        on_progress: called with how many digests are verified, and how many there are.

    Raises:
        OperatorError: the archive has no digests.
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: AWS denies it, or cannot be reached.
    """
    if archive.integrity is None:
        raise OperatorError(
            f"stack {archive.stack} signs no digests: set archive.integrity: true in its stack file, and run pulumi up "
            f"-s {archive.stack}"
        )
    role = AssumedRole(role_arn(archive.region, archive.account, VERIFIER), archive.region, stack)
    s3, kms = role.client("s3", archive.region), role.client("kms", archive.region)
    key, bucket = archive.integrity["signingKey"], archive.bucket
    names = digests.keys(s3, bucket)
    chosen = _chosen(names, first, last)
    read: list[Digest | None] = []
    findings: list[Finding] = []
    for done, name in enumerate(chosen):
        on_progress(done, len(chosen))
        digest = digests.read(s3, bucket, name)
        signed = digests.is_signed(kms, key, bucket, digest)
        read.append(digest if signed else None)
        if not signed:
            findings.append(Finding(name, "not signed", "by the key of the archive: somebody changed or forged it"))
    signed_digests = [digest for digest in read if digest is not None]
    due = now - timedelta(hours=archive.integrity["graceHours"] + _RUN_HOURS)
    findings += [*_broken(signed_digests, names), *_uncovered(signed_digests, first, last, due.date())]
    found = list(digests.versions(s3, bucket, first, last))
    compared, pending = _compare(signed_digests, [each for each in found if first <= each.day <= last], first, last)
    on_progress(len(chosen), len(chosen))
    return Proof(len(chosen), sum(1 for _ in _listed(signed_digests, first, last)), pending, [*findings, *compared])


def _chosen(names: dict[str, date], first: date, last: date) -> list[str]:
    """Return the digests that can list objects of a period, and one before, which the first is chained to."""
    ordered = sorted(names)
    before = [name for name in ordered if names[name] < first]
    after = [name for name in ordered if names[name] >= first]
    ends = [names[name] for name in after if names[name] >= last + timedelta(days=LATE_DAYS)]
    return [*before[-1:], *(name for name in after if not ends or names[name] <= ends[0])]


def _broken(chain: Sequence[Digest], names: Collection[str]) -> Iterator[Finding]:
    for before, digest in pairwise(chain):
        content = digest.content
        named = (
            content["previousDigestS3Object"],
            content["previousDigestHashValue"],
            content["previousDigestSignature"],
        )
        if named != (before.key, before.hash, before.signature):
            yield Finding(
                digest.key,
                "broken chain",
                f"it follows {named[0] or 'no digest'}, not {before.key} as it is: a digest was deleted or replaced",
            )
    if chain and (previous := chain[0].content["previousDigestS3Object"]) and previous not in names:
        yield Finding(chain[0].key, "broken chain", f"it follows {previous}, which was deleted")


def _uncovered(chain: Sequence[Digest], first: date, last: date, due: date) -> Iterator[Finding]:
    """Yield the days without a digest of their own, of which one is due."""
    own = {digest.start.date() for digest in chain if digest.is_last_part and digest.end - digest.start == _DAY}
    together = {
        digest.start.date() + number * _DAY: digest.key
        for digest in chain
        if digest.is_last_part and digest.end - digest.start > _DAY
        for number in range((digest.end - digest.start).days)
    }
    for number in range((last - first).days + 1):
        day = first + number * _DAY
        if day in own or day >= due:
            continue
        reason = (
            f"of its own: {together[day]} covers it too. The function failed, or a digest was deleted, and what was "
            "deleted before then is in no digest"
            if day in together
            else "the function failed, or was not there yet, or a digest was deleted"
        )
        yield Finding(str(day), "no digest", reason)


def _listed(chain: Iterable[Digest], first: date, last: date) -> Iterator[Version]:
    """Yield the objects of a period that digests list."""
    for digest in chain:
        for each in digest.content["objects"]:
            moment = datetime.fromisoformat(each["lastModified"])
            listed = Version(each["s3Object"], each["versionId"], each["eTag"], each["size"], moment, current=True)
            if first <= listed.day <= last:
                yield listed


def _compare(chain: Sequence[Digest], found: Sequence[Version], first: date, last: date) -> tuple[list[Finding], int]:
    """Return what does not agree between digests and bucket, and how many objects are too recent for a digest."""
    listed = {(each.key, each.version): each for each in _listed(chain, first, last)}
    kept = {(each.key, each.version): each for each in found}
    current = {each.key: each for each in found if each.current}
    findings: list[Finding] = []
    for place, expected in listed.items():
        now = current.get(expected.key)
        if now is None:
            how = f"version {expected.version} can be restored" if place in kept else "version and all"
            findings.append(Finding(expected.key, "missing", f"it was deleted, {how}"))
        elif (now.version, now.etag, now.size) != (expected.version, expected.etag, expected.size):
            arrived = f"version {now.version} with {now.size} bytes replaced version {expected.version}"
            how = "which can be restored" if place in kept and now.version != expected.version else "which is gone"
            findings.append(Finding(expected.key, "changed", f"{arrived} with {expected.size}, {how}"))
    end = max((digest.end for digest in chain), default=datetime.min.replace(tzinfo=UTC))
    pending = 0
    for each in current.values():
        if (each.key, each.version) in listed:
            continue
        if each.modified >= end and each.modified.date() <= each.day + timedelta(days=LATE_DAYS):
            pending += 1
        else:
            findings.append(Finding(each.key, "added", f"it is in no digest; it was put at {each.modified:%F %T}"))
    return findings, pending
