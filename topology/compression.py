"""Decompression of objects in the bucket, by the extension of their keys."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping

import cramjam

_DECOMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".snappy": lambda body: bytes(cramjam.snappy.decompress(body)),
}


def decompressed(key: str, body: bytes) -> bytes:
    """Return the content of an object, decompressed if its key has the extension of a compressed one."""
    return next((decompress(body) for extension, decompress in _DECOMPRESS.items() if key.endswith(extension)), body)
