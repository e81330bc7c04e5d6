"""How objects are laid out in the bucket: prefixes, and the jq queries that extract their partition keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

ERROR_PREFIX = "errors/!{firehose:error-output-type}/date=!{timestamp:yyyy-MM-dd}/"
"""Prefix of records that failed processing. It is separate from the events, so that readers of those never see one."""

MAX_PARTITIONS = 500
"""Quota of a stream's active partitions, which AWS can increase ("Amazon Data Firehose Quota"). Records beyond it go to
the error prefix."""

ORIGINALS_PREFIX = "originals/date=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
"""Prefix of the original records, gzipped, if a transform keeps a backup of them."""

# Dates are arrival times: Firehose has no others (Firehose Developer Guide, "Custom prefixes").
_DATE = "date=!{timestamp:yyyy-MM-dd}/"

# A record contains its account and log group. It does not contain its region, but the name of its filter does.
# Test messages of CloudWatch Logs have neither log group nor filter: they get a prefix of their own.
_QUERIES = {
    "root": 'if .messageType == "DATA_MESSAGE" then "logs" else "control" end',
    "account": ".owner",
    "region": '.subscriptionFilters[0] // "none" | split(".") | .[-1]',
    "group": 'if .logGroup == "" then "none" else .logGroup | split("/") | join("_") end',
}


@dataclass(frozen=True)
class Layout:
    """Where Firehose writes objects.

    Attributes:
        prefix: prefix of objects with events, with Firehose's expressions.
        prefix_of_transformed: the same, if a transform returns the partition keys.
        query: jq query that returns the partition keys of a record; None: the prefix contains the time only.
        partitioned_by: names of the partition keys.
    """

    prefix: str
    prefix_of_transformed: str
    query: str | None = None
    partitioned_by: tuple[str, ...] = ()

    @property
    def is_partitioned(self) -> bool:
        """Whether the stream uses dynamic partitioning."""
        return bool(self.partitioned_by)

    def prefix_at(self, moment: datetime, *, account: str, region: str, log_group: str) -> str:
        """Return the prefix of objects with events of a log group that arrive at a moment, in UTC."""
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
        prefix_of_transformed="logs/" + segments("partitionKeyFromLambda"),  # transforms drop test messages
        query="{" + ",".join(f"{key}:({_QUERIES[key]})" for key in ("root", *parts)) + "}",
        partitioned_by=parts,
    )


_DATED = "logs/" + _DATE + "hour=!{timestamp:HH}/"
LAYOUTS: Mapping[str, Layout] = MappingProxyType({
    "dated": Layout(_DATED, _DATED),
    "partitioned": _partitioned_by("account", "region"),
    "partitioned-by-group": _partitioned_by("account", "region", "group"),
})  # fmt: skip
"""Layouts by their names in a stack file."""
