"""Decompression within a limit: what is compressed may have been written to exhaust the memory of who reads it."""

from __future__ import annotations

import gzip
import io
import zlib

import cramjam

UNDECOMPRESSABLE = (ValueError, OSError, EOFError, zlib.error, cramjam.DecompressionError)
"""What decompression raises if the data is damaged, or larger than the limit."""
_MAX_OBJECT_BYTES = 2**30  # a buffer has at most 128 MiB, perhaps of records that were still compressed
_MAX_RECORD_BYTES = 32 * 2**20  # as in the transform
_GZIP = b"\x1f\x8b"


def decompressed(key: str, body: bytes) -> bytes:
    """Return the content of an object, decompressed if its key has the extension of a compressed one.

    Raises:
        UNDECOMPRESSABLE: it is damaged or too large.
    """
    if key.endswith(".gz"):
        return _gunzip(body, _MAX_OBJECT_BYTES)
    if key.endswith(".snappy"):
        return bytes(cramjam.snappy.decompress(body))  # at most twentyfold: a copy of 64 bytes takes three
    return body


def record(data: bytes) -> bytes:
    """Return a record that was put into a stream, decompressed if it is gzip.

    Raises:
        UNDECOMPRESSABLE: it is damaged or too large.
    """
    return _gunzip(data, _MAX_RECORD_BYTES) if data.startswith(_GZIP) else data


def _gunzip(data: bytes, limit: int) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it decompresses to more than {limit} bytes")
    return content
