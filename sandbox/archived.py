"""Reads what an archive on the sandbox received, in whatever form its stack file asks for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from queries import NONE, Statement
from queries.athena import Workgroup, run
from queries.bucket import places
from sandbox.instance import root_client
from topology.compression import decompressed
from topology.layouts import LAYOUTS
from topology.settings import Archive

Place = tuple[str, str, str]  # account, region, log group
WAF_LOG_GROUPS = "aws-waf-logs-"

_BLOCKED = f"""
SELECT json_extract_scalar(message, '$.httpRequest.country') AS country,
       json_extract_scalar(message, '$.terminatingRuleId') AS rule,
       count(*) AS blocked,
       count(DISTINCT account) AS accounts
FROM events
WHERE log_group LIKE '{WAF_LOG_GROUPS}%' AND json_extract_scalar(message, '$.action') = 'BLOCK' AND {{condition}}
GROUP BY 1, 2
ORDER BY blocked DESC, country, rule
"""  # noqa: S608 - a constant
_EVENTS = """
WITH events AS (
  SELECT owner AS account, loggroup AS log_group, message
  FROM records CROSS JOIN UNNEST(transform(logevents, e -> e.message)) AS u (message)
  WHERE messagetype = 'DATA_MESSAGE'
)
"""
"""What an archive without analysis has no view for."""
_OWN = Workgroup("demo", "archive", 0)
_QUERY_SECONDS = 60.0


class Bucket:
    """The bucket of an archive, as the root of its account reads it."""

    def __init__(self, endpoint: str, archive: Archive, outputs: Mapping[str, Any]) -> None:
        """Take the bucket.

        Args:
            endpoint: of the cloud.
            archive: what its stack file says.
            outputs: of its stack.
        """
        self._endpoint, self._archive, self._name = endpoint, archive, str(outputs["bucket"])
        self._analysis = outputs.get("analysis") if archive.bucket_owner == archive.account else None
        self._s3 = root_client(endpoint, "s3", account=archive.bucket_owner, region=archive.region)

    def count(self) -> tuple[Counter[Place], int]:
        """Return the number of events by place, and that of lines which do not say what they come from."""
        events: Counter[Place] = Counter()
        unknown = 0
        for line in self._lines("logs/"):
            found = place_and_number(line)
            if found is None:
                unknown += 1
            else:
                events[found[0]] += found[1]
        return +events, unknown  # without test messages, which have no events

    def failed(self) -> int:
        """Return the number of records that the stream could not process."""
        return sum(1 for _ in self._lines("errors/"))

    def query(self) -> list[list[str]]:
        """Return the requests that AWS WAF blocked, over all accounts; nothing where Athena cannot read the objects.

        With analysis, the view ``events`` of the archive is asked, in its workgroup.
        """
        if self._archive.delivery.compression == "snappy" or (self._archive.transform and not self._analysis):
            return []
        athena = root_client(self._endpoint, "athena", account=self._archive.bucket_owner, region=self._archive.region)
        statement, workgroup = Statement(_EVENTS + _BLOCKED.format(condition="true"), ()), _OWN
        if self._analysis:
            statement, workgroup = self._of_the_view(), Workgroup.of(self._analysis)
        else:
            self._describe(athena)
        rows = run(athena, statement, workgroup, seconds=_QUERY_SECONDS).rows
        return [["" if cell is None else str(cell) for cell in row] for row in rows]

    def _of_the_view(self) -> Statement:
        parts = LAYOUTS[self._archive.delivery.layout].parts
        if "group" not in parts:
            return Statement(_BLOCKED.format(condition="true"), ())
        found = places(self._s3, self._name, parts[: parts.index("group") + 1], lambda _: True)
        groups = sorted({f"'{place['group']}'" for place in found}) or [f"'{NONE}'"]
        return Statement(_BLOCKED.format(condition=f'"group" IN ({", ".join("?" * len(groups))})'), tuple(groups))

    def _describe(self, athena: Any) -> None:  # noqa: ANN401 - boto3
        """Create a table over the records, and a workgroup."""
        glue = root_client(self._endpoint, "glue", account=self._archive.bucket_owner, region=self._archive.region)
        glue.create_database(DatabaseInput={"Name": _OWN.database})
        storage = {
            "Location": f"s3://{self._name}/logs/",
            "Columns": [
                {"Name": "messageType", "Type": "string"},
                {"Name": "owner", "Type": "string"},
                {"Name": "logGroup", "Type": "string"},
                {"Name": "logEvents", "Type": "array<struct<id:string,timestamp:bigint,message:string>>"},
            ],
            "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
        }
        glue.create_table(DatabaseName=_OWN.database, TableInput={"Name": "records", "StorageDescriptor": storage})
        location = {"OutputLocation": f"s3://{self._name}/queries/"}
        athena.create_work_group(Name=_OWN.name, Configuration={"ResultConfiguration": location})

    def _lines(self, prefix: str) -> Iterator[bytes]:
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix):
            for item in page.get("Contents", []):
                body = self._s3.get_object(Bucket=self._name, Key=item["Key"])["Body"].read()
                yield from decompressed(item["Key"], body).splitlines()


def place_and_number(line: bytes) -> tuple[Place, int] | None:
    """Return what a line comes from, and how many events it holds; None if it does not say so.

    A line is a record of CloudWatch Logs, or an event as the bundled transform writes it.
    """
    try:
        document = json.loads(line)
    except ValueError:
        return None
    match document:
        case {"messageType": "CONTROL_MESSAGE"}:
            return ("", "", ""), 0
        case {
            "owner": str(account),
            "logGroup": str(group),
            "subscriptionFilters": [str(name)],
            "logEvents": list(events),
        }:
            return (account, name.rpartition(".")[2], group), len(events)  # only the filter's name says the region
        case {"account": str(account), "region": str(region), "logGroup": str(group)}:
            return (account, region, group), 1
    return None
