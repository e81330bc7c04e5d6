"""Records that Firehose could not process, as it keeps them under the error prefix: a line of JSON each.

Sources: Firehose Developer Guide, "Handle failure in data transformation" and "Handling errors for data format
conversion".
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from topology.compression import UNDECOMPRESSABLE, record


@dataclass(frozen=True)
class FailedRecord:
    """A record.

    Attributes:
        code: the error code.
        message: the error message.
        data: the record as Firehose keeps it.
        content: the same, decompressed.
    """

    code: str
    message: str
    data: bytes
    content: bytes


def parse(line: bytes) -> FailedRecord:
    """Return the record of a line of an error object.

    Raises:
        ValueError: it has none, or it is damaged or too large. The text says why.
    """
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    # The guide spells the code in three ways: errorCode, ErrorCode and lastErrorCode.
    fields = {k.lower().removeprefix("last"): v for k, v in entry.items()} if isinstance(entry, dict) else {}
    if "rawdata" not in fields:
        raise ValueError("it has no rawData: it is no record")
    try:
        data = base64.b64decode(fields["rawdata"], validate=True)
    except (ValueError, TypeError):
        raise ValueError("rawData is not base64") from None
    try:
        content = record(data)
    except UNDECOMPRESSABLE as error:
        raise ValueError(f"rawData cannot be decompressed: {error}") from None
    return FailedRecord(
        str(fields.get("errorcode", "unknown")), str(fields.get("errormessage", "no message")), data, content
    )
