"""How objects are laid out in the bucket: prefixes, and the jq query that finds the parts of a record they name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

ERROR_PREFIX = "errors/!{firehose:error-output-type}/date=!{timestamp:yyyy-MM-dd}/"
"""What could not be processed. It has to be apart from the events, or readers of those would stumble over it."""

MAX_PARTITIONS = 500
"""Partitions that a stream writes at a time; what is beyond them goes to the error prefix ("Amazon Data Firehose
Quota", active partitions; it can be raised)."""

ORIGINALS_PREFIX = "originals/date=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
"""Records as they came, gzipped, beside what a transform made of them."""

# Dates are of a record's arrival: Firehose knows no other (Firehose Developer Guide, "Custom prefixes").
_DATE = "date=!{timestamp:yyyy-MM-dd}/"

# A record names its owner and its log group. It does not say which region it comes from, but its filter's name does.
# Test messages of CloudWatch Logs have neither group nor filter: they get a prefix of their own, beside the events.
_QUERIES = {
    "root": 'if .messageType == "DATA_MESSAGE" then "logs" else "control" end',
    "account": ".owner",
    "region": '.subscriptionFilters[0] // "none" | split(".") | .[-1]',
    "group": 'if .logGroup == "" then "none" else .logGroup | split("/") | join("_") end',
}


@dataclass(frozen=True)
class Layout:
    """Where Firehose puts objects.

    Attributes:
        prefix: of the events' objects, with Firehose's expressions.
        query: jq, from a record to an object of partition keys; None: the prefix knows the time only.
        prefix_of_transformed: as ``prefix``, where a transform says the partition keys.
        partitioned_by: the parts of a record that the prefix names.
    """

    prefix: str
    prefix_of_transformed: str
    query: str | None = None
    partitioned_by: tuple[str, ...] = ()

    def prefix_at(self, moment: datetime, *, account: str, region: str, log_group: str) -> str:
        """Return the prefix of the objects that get what a log group brings at a moment, which is in UTC."""
        values = {
            "root": "logs", "account": account, "region": region, "group": log_group.replace("/", "_"),
            "yyyy-MM-dd": f"{moment:%Y-%m-%d}", "HH": f"{moment:%H}",
        }  # fmt: skip
        return re.sub(r"!\{\w+:([\w-]+)\}", lambda found: values[found[1]], self.prefix)


def _partitioned_by(*parts: str) -> Layout:
    def segments(source: str) -> str:
        return "".join(f"{part}=!{{{source}:{part}}}/" for part in parts) + _DATE

    return Layout(
        prefix="!{partitionKeyFromQuery:root}/" + segments("partitionKeyFromQuery"),
        prefix_of_transformed="logs/" + segments("partitionKeyFromLambda"),  # a transform drops test messages
        query="{" + ",".join(f"{key}:({_QUERIES[key]})" for key in ("root", *parts)) + "}",
        partitioned_by=parts,
    )


_DATED = "logs/" + _DATE + "hour=!{timestamp:HH}/"
LAYOUTS: Mapping[str, Layout] = MappingProxyType({
    "dated": Layout(_DATED, _DATED),
    "partitioned": _partitioned_by("account", "region"),
    "partitioned-by-group": _partitioned_by("account", "region", "group"),
})  # fmt: skip
"""Layouts by the names that a stack file gives them."""
