"""The main job, on the sandbox: three stacks deployed, events written in every account, all of them in one bucket."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from sandbox.command import arguments_for
from sandbox.events import application_events, waf_events
from sandbox.instance import Instance, root_client
from sandbox.prepare import prepare
from sandbox.server import ROOT
from topology.settings import Archive
from topology.stack_file import read

STACKS = ("archive", "app-dev", "app-prod")
Place = tuple[str, str, str]  # account, region, log group
_WAIT_SECONDS = 60.0
_BATCH = 100

# Asked of Athena's API. The engine behind it is DuckDB, so the functions have DuckDB's names.
_QUERY = """
SELECT json_extract_string(event.message, '$.httpRequest.country') AS country,
       json_extract_string(event.message, '$.terminatingRuleId') AS rule,
       count(*) AS blocked,
       count(DISTINCT owner) AS accounts
FROM archive.events, UNNEST(logEvents) AS unnested(event)
WHERE messageType = 'DATA_MESSAGE'
  AND logGroup LIKE 'aws-waf-logs-%'
  AND json_extract_string(event.message, '$.action') = 'BLOCK'
GROUP BY 1, 2
ORDER BY blocked DESC, country, rule
"""


class DemoError(Exception):
    """A step failed. The text says which, and what it printed."""


@dataclass(frozen=True)
class Result:
    """What was sent and what arrived, by place, and the answer to the query."""

    sent: Counter[Place]
    archived: Counter[Place]
    blocked: list[list[str]]

    @property
    def complete(self) -> bool:
        """Whether all that was sent has arrived, once."""
        return self.sent == self.archived and bool(self.sent)


def run(instance: Instance, console: Console) -> Result:
    """Run the demo on a fresh cloud, which goes on running afterwards.

    Args:
        instance: the sandbox; what was in it is removed.
        console: where progress is shown.

    Raises:
        DemoError: a deployment failed.
    """
    instance.down()
    with console.status("") as status:
        status.update("starting the cloud")
        instance.up()
        environment = instance.pulumi_environment(os.environ, console)
        status.update("making the accounts' deployer roles and log groups")
        files = [ROOT / f"Pulumi.{stack}.yaml" for stack in STACKS]
        prepare(files, instance.environment())
        for stack in STACKS:
            status.update(f"pulumi up -s {stack}")
            _up(instance, environment, stack)
        settings = {file: read(file) for file in files}
        archive = next(stack.archive for stack in settings.values() if stack.archive)
        cloud = _Cloud(instance.environment()["AWS_ENDPOINT_URL"])
        sent: Counter[Place] = Counter()
        chance = random.Random(0)  # noqa: S311 - the same events in every run
        for stack_settings in settings.values():
            for application in stack_settings.applications:
                for region, groups in application.regions.items():
                    status.update(f"writing events in {application.label}, {region}")
                    for group in groups.log_groups:
                        sent[application.account, region, group.name] = cloud.write(
                            application.account, region, group.name, chance
                        )
        status.update("waiting for the events in the bucket")
        bucket = _output(environment, "bucket")
        archived = _eventually(sent, lambda: cloud.archived(archive, bucket))
        status.update("asking Athena who was blocked")
        return Result(sent, archived, cloud.query(archive, bucket))


def _up(instance: Instance, environment: dict[str, str], stack: str) -> None:
    arguments = arguments_for(instance, ["up", "--yes", "--skip-preview", "--stack", stack], environment)
    done = subprocess.run(
        ["pulumi", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DemoError(f"pulumi up -s {stack} failed:\n{done.stdout}\n{done.stderr}")


def _output(environment: dict[str, str], name: str) -> str:
    command = ["pulumi", "stack", "output", name, "--stack", "archive"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def _eventually(sent: Counter[Place], count: Any) -> Counter[Place]:  # noqa: ANN401 - () → Counter
    deadline = time.monotonic() + _WAIT_SECONDS
    archived: Counter[Place] = count()
    while archived != sent and time.monotonic() < deadline:
        time.sleep(0.2)
        archived = count()
    return archived


class _Cloud:
    """The cloud, as the root of each account in turn."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def write(self, account: str, region: str, group: str, chance: random.Random) -> int:
        """Write realistic events into a log group; return how many."""
        logs = root_client(self._endpoint, "logs", account=account, region=region)
        events = waf_events if group.startswith("aws-waf-logs-") else application_events
        messages = list(events(account, region, group, chance))
        logs.create_log_stream(logGroupName=group, logStreamName="demo")
        for start in range(0, len(messages), _BATCH):
            now = int(time.time() * 1000)
            batch = [{"timestamp": now, "message": message} for message in messages[start : start + _BATCH]]
            logs.put_log_events(logGroupName=group, logStreamName="demo", logEvents=batch)
        return len(messages)

    def archived(self, archive: Archive, bucket: str) -> Counter[Place]:
        """Count the events in the bucket; the region is in the name of the filter that each record came through."""
        count: Counter[Place] = Counter()
        for record in self._records(archive, bucket):
            if record["messageType"] == "DATA_MESSAGE":
                region = record["subscriptionFilters"][0].rpartition(".")[2]
                count[record["owner"], region, record["logGroup"]] += len(record["logEvents"])
        return count

    def query(self, archive: Archive, bucket: str) -> list[list[str]]:
        """Return the rows of the query over the whole bucket."""
        glue = root_client(self._endpoint, "glue", account=archive.account, region=archive.region)
        athena = root_client(self._endpoint, "athena", account=archive.account, region=archive.region)
        glue.create_database(DatabaseInput={"Name": "archive"})
        storage = {
            "Location": f"s3://{bucket}/logs/",
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
            ResultConfiguration={"OutputLocation": f"s3://{bucket}/queries/"},
        )["QueryExecutionId"]
        while (execution := athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"])[
            "State"
        ] in ("QUEUED", "RUNNING"):
            time.sleep(0.1)
        if execution["State"] != "SUCCEEDED":
            raise DemoError(f"the query failed: {execution.get('StateChangeReason')}")
        _, *rows = athena.get_query_results(QueryExecutionId=started)["ResultSet"]["Rows"]
        return [[cell.get("VarCharValue", "") for cell in row["Data"]] for row in rows]

    def _records(self, archive: Archive, bucket: str) -> Iterator[dict[str, Any]]:
        s3 = root_client(self._endpoint, "s3", account=archive.account, region=archive.region)
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="logs/"):
            for item in page.get("Contents", []):
                body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
                yield from map(json.loads, gzip.decompress(body).splitlines())
