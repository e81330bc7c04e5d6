"""Reads what an archive on the sandbox received, in whatever form its stack file asks for."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator

from sandbox.instance import root_client
from topology.compression import decompressed
from topology.settings import Archive

Place = tuple[str, str, str]  # account, region, log group
WAF_LOG_GROUPS = "aws-waf-logs-"

_QUERY = f"""
SELECT json_extract_scalar(message, '$.httpRequest.country') AS country,
       json_extract_scalar(message, '$.terminatingRuleId') AS rule,
       count(*) AS blocked,
       count(DISTINCT owner) AS accounts
FROM archive.events CROSS JOIN UNNEST(transform(logevents, e -> e.message)) AS u (message)
WHERE messagetype = 'DATA_MESSAGE'
  AND loggroup LIKE '{WAF_LOG_GROUPS}%'
  AND json_extract_scalar(message, '$.action') = 'BLOCK'
GROUP BY 1, 2
ORDER BY blocked DESC, country, rule
"""  # noqa: S608 - a constant


class QueryError(Exception):
    """Athena did not answer. The text says why."""


class Bucket:
    """The bucket of an archive, as the root of its account reads it."""

    def __init__(self, endpoint: str, archive: Archive, name: str) -> None:
        """Take the bucket.

        Args:
            endpoint: of the cloud.
            archive: what its stack file says.
            name: of the bucket.
        """
        self._endpoint, self._archive, self._name = endpoint, archive, name
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
        """Return the requests that AWS WAF blocked, over all accounts; nothing where the objects take another query."""
        if self._archive.transform is not None or self._archive.delivery.compression == "snappy":
            return []
        glue = root_client(self._endpoint, "glue", account=self._archive.bucket_owner, region=self._archive.region)
        athena = root_client(self._endpoint, "athena", account=self._archive.bucket_owner, region=self._archive.region)
        glue.create_database(DatabaseInput={"Name": "archive"})
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
        glue.create_table(DatabaseName="archive", TableInput={"Name": "events", "StorageDescriptor": storage})
        started = athena.start_query_execution(
            QueryString=_QUERY,
            QueryExecutionContext={"Database": "archive"},
            ResultConfiguration={"OutputLocation": f"s3://{self._name}/queries/"},
        )["QueryExecutionId"]
        while (execution := athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"])[
            "State"
        ] in ("QUEUED", "RUNNING"):
            time.sleep(0.1)
        if execution["State"] != "SUCCEEDED":
            raise QueryError(f"the query failed: {execution.get('StateChangeReason')}")
        _, *rows = athena.get_query_results(QueryExecutionId=started)["ResultSet"]["Rows"]
        return [[cell.get("VarCharValue", "") for cell in row["Data"]] for row in rows]

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
