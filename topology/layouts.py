"""How objects are laid out in the bucket: prefixes, and the jq queries that extract their partition keys.

``functions/transform`` finds the same partition keys without jq; a test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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

OTHER = "other"
"""Partition of what is no account, or no region that the archive serves. Test messages of CloudWatch Logs have none."""

MAX_GROUP_CHARACTERS = 400
"""How much of a log group's name becomes a partition: of 512 characters, so that the prefix of an object stays within
its 512 (Firehose Developer Guide, "Custom prefixes"), and its key within S3's 1,024 bytes."""

# Only builtins of jq 1.6 that need no regular expressions.
_IS_DIGIT = ".>47 and .<58"
_ACCOUNT = f"select(length==12 and (explode|all({_IS_DIGIT})))"
_REGION = f"select(length>0 and length<21 and (explode|all(.==45 or ({_IS_DIGIT}) or (.>96 and .<123))))"
_IN_NAMES = f".==35 or .==45 or .==46 or ({_IS_DIGIT}) or (.>64 and .<91) or (.>96 and .<123)"  # and 95, an underscore


@dataclass(frozen=True)
class Layout:
    """Where Firehose writes objects.

    Attributes:
        prefix: prefix of objects with events, with Firehose's expressions.
        prefix_of_transformed: the same, if a transform returns the partition keys.
        partitioned_by: names of the partition keys.
    """

    prefix: str
    prefix_of_transformed: str
    partitioned_by: tuple[str, ...] = ()

    @property
    def is_partitioned(self) -> bool:
        """Whether the stream uses dynamic partitioning."""
        return bool(self.partitioned_by)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts of the prefix below ``logs/``, each of which is ``NAME=VALUE``."""
        return tuple(re.findall(r"(\w+)=", self.prefix))

    def query(self, account: str, regions: Iterable[str]) -> str | None:
        """Return the jq query that returns the partition keys of a record; None: there are none.

        AWS states the owner of a record, but whoever sends it chooses the name of its filter. So the region in that
        name is a partition only if the archive serves it, and system fields, which a filter pattern could imitate, are
        believed of the central account only: there they say where the events of a centralized log group come from.

        Args:
            account: ID of the central account.
            regions: regions that the archive serves.
        """
        if not self.is_partitioned:
            return None
        field = f'select(.owner=="{account}")|.logEvents[0].extractedFields'
        served = ",".join(f'"{region}"' for region in regions)
        name = '.subscriptionFilters[0]//""|split(".")|.[-1]'
        queries = {
            "root": 'if .messageType=="DATA_MESSAGE" then "logs" else "control" end',
            "account": f'({field}["@aws.account"]|{_ACCOUNT})//(.owner|{_ACCOUNT})//"{OTHER}"',
            "region": f'({field}["@aws.region"]|{_REGION})//({name}|select(.==({served})))//"{OTHER}"',
            "group": f".logGroup|explode|.[0:{MAX_GROUP_CHARACTERS}]|map(if {_IN_NAMES} then . else 95 end)|implode"
            f'|if .=="" then "{OTHER}" else . end',
        }
        return "{" + ",".join(f"{key}:({queries[key]})" for key in ("root", *self.partitioned_by)) + "}"

    def prefix_at(self, moment: datetime, *, account: str, region: str, log_group: str) -> str:
        """Return the prefix of objects with events of a log group that arrive at a moment, in UTC."""
        values = {
            "root": "logs", "account": account, "region": region,
            "group": log_group.replace("/", "_")[:MAX_GROUP_CHARACTERS],
            "yyyy-MM-dd": f"{moment:%Y-%m-%d}", "HH": f"{moment:%H}",
        }  # fmt: skip
        return re.sub(r"!\{\w+:([\w-]+)\}", lambda found: values[found[1]], self.prefix)


def _partitioned_by(*parts: str) -> Layout:
    def segments(source: str) -> str:
        return "".join(f"{part}=!{{{source}:{part}}}/" for part in parts) + _DATE

    return Layout(
        prefix="!{partitionKeyFromQuery:root}/" + segments("partitionKeyFromQuery"),
        prefix_of_transformed="logs/" + segments("partitionKeyFromLambda"),  # transforms drop test messages
        partitioned_by=parts,
    )


_DATED = "logs/" + _DATE + "hour=!{timestamp:HH}/"
LAYOUTS: Mapping[str, Layout] = MappingProxyType({
    "dated": Layout(_DATED, _DATED),
    "partitioned": _partitioned_by("account", "region"),
    "partitioned-by-group": _partitioned_by("account", "region", "group"),
})  # fmt: skip
"""Layouts by their names in a stack file."""
