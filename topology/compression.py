"""How objects in the bucket are compressed, as their keys say."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping

import cramjam

_DECOMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".snappy": lambda body: bytes(cramjam.snappy.decompress(body)),
}


def decompressed(key: str, body: bytes) -> bytes:
    """Return what an object holds, decompressed where its key has the extension of a compressed one."""
    return next((decompress(body) for extension, decompress in _DECOMPRESS.items() if key.endswith(extension)), body)
