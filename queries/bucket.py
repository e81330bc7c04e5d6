"""Which objects a query reads, from lists of prefixes: the same that Athena reads by partition projection."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

_ROOT = "logs/"
_THREADS = 8
_UNREAD_CLASSES = {"GLACIER", "DEEP_ARCHIVE"}

Accepts = Callable[[Mapping[str, str]], bool]
"""Whether the parts of a prefix that are known belong to what is looked for."""


@dataclass(frozen=True)
class Objects:
    """The objects below a prefix.

    Attributes:
        place: the parts of the prefix, by name.
        count: how many objects Athena reads.
        size: their bytes, compressed as they are.
        skipped: how many it ignores, since they are in GLACIER or DEEP_ARCHIVE.
    """

    place: Mapping[str, str]
    count: int
    size: int
    skipped: int


def places(s3: Any, bucket: str, parts: Sequence[str], accepts: Accepts) -> list[dict[str, str]]:  # noqa: ANN401 - boto3
    """Return the prefixes that exist, as values of their parts.

    Args:
        s3: a client of boto3.
        bucket: name of the archive's bucket.
        parts: names of the parts below ``logs/`` to look at: those of the layout, or the first of them.
        accepts: which ones to return.
    """
    found: list[dict[str, str]] = [{}]
    with ThreadPoolExecutor(_THREADS) as threads:
        for part in parts:
            listed = threads.map(lambda place, part=part: list(_values(s3, bucket, place, part)), found)
            children = [{**place, part: value} for place, values in zip(found, listed, strict=True) for value in values]
            found = [child for child in children if accepts(child)]
    return found


def objects(s3: Any, bucket: str, found: Sequence[Mapping[str, str]]) -> list[Objects]:  # noqa: ANN401 - boto3
    """Return what is below prefixes.

    Args:
        s3: a client of boto3.
        bucket: name of the archive's bucket.
        found: the prefixes, as ``places`` returns them.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(lambda place: _objects(s3, bucket, place), found))


def _prefix(place: Mapping[str, str]) -> str:
    return _ROOT + "".join(f"{name}={value}/" for name, value in place.items())


def _values(s3: Any, bucket: str, place: Mapping[str, str], part: str) -> Iterator[str]:  # noqa: ANN401 - boto3
    prefix = f"{_prefix(place)}{part}="
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    for page in pages:
        for each in page.get("CommonPrefixes", ()):
            yield each["Prefix"].removeprefix(prefix).removesuffix("/")


def _objects(s3: Any, bucket: str, place: Mapping[str, str]) -> Objects:  # noqa: ANN401 - boto3
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=_prefix(place))
    listed = [each for page in pages for each in page.get("Contents", ())]
    read = [each["Size"] for each in listed if each.get("StorageClass") not in _UNREAD_CLASSES]
    return Objects(place, len(read), sum(read), len(listed) - len(read))
