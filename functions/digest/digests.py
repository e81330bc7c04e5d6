"""Digest files: which objects arrived on a day, signed, each chained to the file before, as those of CloudTrail are.

A file is JSON, and its signature (ECDSA over its SHA-256, in hexadecimal) is in the object's metadata. A version of an
object never changes in S3, which makes the IDs of versions. So a digest lists key, version ID, ETag and size, as the
list of a bucket has them: the function needs to read no event, and no call for each object, which the checksum would
take. In a bucket without versions the ETag alone says that an object changed.

Source: AWS CloudTrail User Guide, "CloudTrail digest file structure".
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

PREFIX = "digests/"
"""Prefix of the digest files: outside of ``logs/``, so that no query reads them."""

LATE_DAYS = 2
"""Days after the date in its key on which an object may still arrive: Firehose retries for up to 24 hours."""

MAX_OBJECTS = 10_000
"""How many objects a file lists at most; more take several files."""

ALGORITHM = "ECDSA_SHA_256"

_ROOT = "logs/"
_NAME = re.compile(rf"{PREFIX}([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})\.[0-9]{{4}}\.json")
_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_DATE = re.compile(r"/date=([0-9]{4}-[0-9]{2}-[0-9]{2})/")


class Version(NamedTuple):
    """A version of an object.

    Attributes:
        current: whether it is the one that readers get.
        modified: when it arrived.
    """

    key: str
    version: str
    etag: str
    size: int
    modified: datetime
    current: bool

    @property
    def day(self) -> date:
        """The date in its key, by which it is found; without one, the day on which it arrived."""
        return _day(self.key) or self.modified.date()


@dataclass(frozen=True)
class Digest:
    """A digest file as it is in the bucket. Nothing in it can be believed unless it is signed.

    Attributes:
        key: its key.
        body: the file.
        signature: its signature, in hexadecimal.
    """

    key: str
    body: bytes
    signature: str

    @functools.cached_property
    def content(self) -> dict[str, Any]:
        """What it says."""
        content: dict[str, Any] = json.loads(self.body)
        return content

    @property
    def hash(self) -> str:
        """Its SHA-256, in hexadecimal."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def start(self) -> datetime:
        """The moment from which on its objects arrived."""
        return _moment(self.content["digestStartTime"])

    @property
    def end(self) -> datetime:
        """The moment before which they did."""
        return _moment(self.content["digestEndTime"])

    @property
    def is_last_part(self) -> bool:
        """Whether no other file of the same days follows."""
        return bool(self.content["part"] == self.content["parts"])


def make(
    *,
    bucket: str,
    start: datetime,
    end: datetime,
    part: int,
    parts: int,
    objects: Sequence[Version],
    previous: Digest | None,
) -> tuple[str, bytes]:
    """Return key and body of a digest file.

    Args:
        bucket: name of the bucket.
        start: midnight from which on the objects arrived.
        end: midnight before which they did.
        part: number of the file, from 1 on.
        parts: how many files these days have.
        objects: the objects.
        previous: the file before.
    """
    key = f"{PREFIX}{end - timedelta(days=1):%Y-%m-%d}.{part:04}.json"
    content = {
        "digestStartTime": f"{start:{_MOMENT}}",
        "digestEndTime": f"{end:{_MOMENT}}",
        "digestS3Bucket": bucket,
        "digestS3Object": key,
        "digestSignatureAlgorithm": ALGORITHM,
        "part": part,
        "parts": parts,
        "previousDigestS3Object": previous and previous.key,
        "previousDigestHashValue": previous and previous.hash,
        "previousDigestSignature": previous and previous.signature,
        "objects": [
            {
                "s3Object": each.key,
                "versionId": each.version,
                "eTag": each.etag,
                "size": each.size,
                "lastModified": f"{each.modified:{_MOMENT}}",
            }
            for each in objects
        ],
    }
    return key, json.dumps(content, indent=1).encode()


def sign(kms: Any, key_id: str, body: bytes) -> str:  # noqa: ANN401 - boto3
    """Return the signature of a file."""
    signed = kms.sign(KeyId=key_id, MessageType="DIGEST", SigningAlgorithm=ALGORITHM, Message=_sha256(body))
    return bytes(signed["Signature"]).hex()


def is_signed(kms: Any, key_id: str, bucket: str, digest: Digest) -> bool:  # noqa: ANN401 - boto3
    """Return whether a file is signed by a key, and for its place in a bucket."""
    try:
        signature = bytes.fromhex(digest.signature)
    except ValueError:
        return False
    if not signature:
        return False
    try:
        kms.verify(
            KeyId=key_id,
            MessageType="DIGEST",
            SigningAlgorithm=ALGORITHM,
            Message=_sha256(digest.body),
            Signature=signature,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "KMSInvalidSignatureException":
            raise
        return False
    return (digest.content["digestS3Bucket"], digest.content["digestS3Object"]) == (bucket, digest.key)


def keys(s3: Any, bucket: str) -> dict[str, date]:  # noqa: ANN401 - boto3
    """Return the keys of the digest files in a bucket → the last day whose objects they list, in their order."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX)
    found = (_NAME.fullmatch(each["Key"]) for page in pages for each in page.get("Contents", ()))
    return {name[0]: day for name in found if name is not None and (day := _date(name[1])) is not None}


def read(s3: Any, bucket: str, key: str) -> Digest:  # noqa: ANN401 - boto3
    """Read a file."""
    found = s3.get_object(Bucket=bucket, Key=key)
    return Digest(key, found["Body"].read(), found["Metadata"].get("signature", ""))


def versions(s3: Any, bucket: str, first: date, last: date) -> Iterator[Version]:  # noqa: ANN401 - boto3
    """Yield the versions of objects below ``logs/`` whose key has a date of a period, or none, in any layout.

    Args:
        s3: a client of boto3.
        bucket: name of the bucket.
        first: first day of the period.
        last: last day of the period.
    """
    waiting = [_ROOT]
    while waiting:
        prefix = waiting.pop()
        dated = _day(prefix) is not None
        pages = s3.get_paginator("list_object_versions").paginate(
            Bucket=bucket, Prefix=prefix, **({} if dated else {"Delimiter": "/"})
        )
        for page in pages:
            for each in page.get("Versions", ()):
                yield Version(
                    each["Key"],
                    each["VersionId"],
                    each["ETag"].strip('"'),
                    each["Size"],
                    each["LastModified"],
                    each["IsLatest"],
                )
            below = [each["Prefix"] for each in page.get("CommonPrefixes", ())]
            waiting += [each for each in below if first <= (_day(each) or first) <= last]


def _day(key: str) -> date | None:
    found = _DATE.search(key)
    return _date(found[1]) if found is not None else None


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _moment(text: str) -> datetime:
    return datetime.strptime(text, f"{_MOMENT[:-1]}%z")


def _sha256(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()
