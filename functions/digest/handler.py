"""The Lambda function that writes, once a day, a signed digest of the objects that arrived on the day before.

It covers whole days in UTC: what arrived, by S3's LastModified, from the end of the last digest up to the last midnight
that is some hours ago. An object appears only when its upload ends, but has the moment of its beginning (Amazon S3 User
Guide, "Working with object metadata"), so these hours have to be longer than an upload. A run that finds nothing to
cover writes nothing, and a run after a failed one covers the days of both. What a caller passes is ignored.
"""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

from functions.digest import digests

_log = logging.getLogger(__name__)
_log.setLevel(logging.INFO)


def handler(_event: object, _context: object) -> dict[str, list[str]]:
    """Write the digest; return the keys of its files.

    The variables are BUCKET; SIGNING_KEY, the ARN of the key that signs; GRACE_HOURS; and OBJECTS_KEY, the ARN of the
    key that encrypts the files, if any.
    """
    bucket, s3, kms = os.environ["BUCKET"], boto3.client("s3"), boto3.client("kms")
    previous = last_digest(s3, kms, bucket)
    settled = datetime.now(UTC) - timedelta(hours=int(os.environ["GRACE_HOURS"]))
    end = settled.replace(hour=0, minute=0, second=0, microsecond=0)
    start = previous.end if previous is not None else end - timedelta(days=1)
    if start >= end:
        return {"digests": []}
    listed = digests.versions(s3, bucket, start.date() - timedelta(days=digests.LATE_DAYS), end.date())
    found = sorted(each for each in listed if start <= each.modified < end)
    parts = [found[at : at + digests.MAX_OBJECTS] for at in range(0, len(found), digests.MAX_OBJECTS)] or [[]]
    written = []
    for number, objects in enumerate(parts, start=1):
        key, body = digests.make(
            bucket=bucket, start=start, end=end, part=number, parts=len(parts), objects=objects, previous=previous
        )
        previous = digests.Digest(key, body, digests.sign(kms, os.environ["SIGNING_KEY"], body))
        _put(s3, bucket, previous)
        written.append(key)
    _log.info("wrote the digest of %d objects, from %s to %s, in %d files", len(found), start, end, len(written))
    return {"digests": written}


def last_digest(s3: Any, kms: Any, bucket: str) -> digests.Digest | None:  # noqa: ANN401 - boto3
    """Return the last complete digest that is signed: others may write below the prefix, but cannot sign."""
    for key in reversed(digests.keys(s3, bucket)):
        digest = digests.read(s3, bucket, key)
        if digests.is_signed(kms, os.environ["SIGNING_KEY"], bucket, digest) and digest.is_last_part:
            return digest
    return None


def _put(s3: Any, bucket: str, digest: digests.Digest) -> None:  # noqa: ANN401 - as above
    key = os.environ.get("OBJECTS_KEY")
    s3.put_object(
        Bucket=bucket,
        Key=digest.key,
        Body=digest.body,
        ContentType="application/json",
        Metadata={"signature": digest.signature, "signature-algorithm": digests.ALGORITHM},
        # The policy of the bucket denies objects without it.
        **({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}),
    )
