"""Pulumi commands on a sandbox of a test's own."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from sandbox.command import arguments_for
from sandbox.instance import Instance, ask, root_client
from sandbox.prepare import prepare
from sandbox.server import ROOT
from tests.stacks import EXAMPLES_FOLDER
from topology.patterns import CANARIES
from topology.stacks import files_in, promotion_order, read

SETTINGS = read(files_in(EXAMPLES_FOLDER))
EXAMPLES = promotion_order(SETTINGS)
"""The example stacks, in the order of promotion."""


@dataclass
class Stacks:
    """A sandbox with accounts prepared for the stack files of a folder, in which tests bring stacks up."""

    instance: Instance
    folder: Path = EXAMPLES_FOLDER
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.instance.up()
        self.environment = self.instance.pulumi_environment(os.environ, Console(stderr=True))
        prepare(files_in(self.folder), self.instance.environment())

    def pulumi(self, *arguments: str, config: dict[str, Any] | None = None, ok: bool = True) -> str:
        """Run a command; return all that it printed.

        Args:
            arguments: of ``pulumi``.
            config: a stack's config by the project's keys, instead of its file.
            ok: whether it has to succeed; else it has to fail.
        """
        extra = [] if config is None else ["--config-file", str(self.write(config))]
        made = arguments_for(self.instance, [*arguments, *extra], self.environment, self.folder)
        done = subprocess.run(
            ["pulumi", *made, "--color", "never"],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        printed = done.stdout + done.stderr
        assert (done.returncode == 0) is ok, printed
        return printed

    def up(self, stack: str, config: dict[str, Any] | None = None, *, ok: bool = True) -> str:
        return self.pulumi("up", "--yes", "--skip-preview", "-s", stack, config=config, ok=ok)

    def preview(self, stack: str, config: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the steps of a preview."""
        steps: list[dict[str, Any]] = json.loads(self.pulumi("preview", "--json", "-s", stack, config=config))["steps"]
        return steps

    def outputs(self, stack: str) -> dict[str, Any]:
        printed: dict[str, Any] = json.loads(self.pulumi("stack", "output", "--json", "-s", stack))
        return printed

    def client(self, service: str, *, account: str, region: str = "eu-west-1") -> Any:  # noqa: ANN401 - boto3
        endpoint = self.instance.environment()["AWS_ENDPOINT_URL"]
        return root_client(endpoint, service, account=account, region=region)

    def ask(self, question: str) -> Any:  # noqa: ANN401 - JSON
        """Return what the cloud says of itself."""
        return ask(self.instance.environment()["AWS_ENDPOINT_URL"], question)

    def write(self, config: dict[str, Any]) -> Path:
        file = self.instance.folder / "given.yaml"
        keys = {f"central-log-archive:{key}": value for key, value in config.items()}
        file.write_text(yaml.safe_dump({"config": keys}), encoding="utf-8")
        return file


def left_behind(stacks: Stacks) -> list[str]:
    """What the stacks left in the accounts of the examples; deployer roles and existing log groups do not count."""
    (settings,) = [each.archive for each in SETTINGS.values() if each.archive]
    accounts = [application.account for each in SETTINGS.values() for application in each.applications]
    archive, regions = settings.account, settings.destination_regions
    roles = [role["RoleName"] for role in stacks.client("iam", account=archive).list_roles()["Roles"]]
    bootstrap = ("central-log-archive-", settings.sender_role_name)
    left = [role for role in roles if not role.startswith(bootstrap)]
    left += [bucket["Name"] for bucket in stacks.client("s3", account=archive).list_buckets()["Buckets"]]
    left += [f["FunctionName"] for f in stacks.client("lambda", account=archive).list_functions()["Functions"]]
    left += stacks.client("firehose", account=archive).list_delivery_streams()["DeliveryStreamNames"]
    for region in regions:
        left += [t["TopicArn"] for t in stacks.client("sns", account=archive, region=region).list_topics()["Topics"]]
        for account in (archive, *accounts):
            alarms = stacks.client("cloudwatch", account=account, region=region).describe_alarms()["MetricAlarms"]
            left += [alarm["AlarmArn"] for alarm in alarms]
        logs = stacks.client("logs", account=archive, region=region)
        left += [destination["arn"] for destination in logs.describe_destinations()["destinations"]]
        left += [group["arn"] for group in logs.describe_log_groups()["logGroups"]]
        for account in accounts:
            logs = stacks.client("logs", account=account, region=region)
            for group in logs.describe_log_groups()["logGroups"]:
                left += [group["arn"]] if group["logGroupName"] in CANARIES else []
                filters = logs.describe_subscription_filters(logGroupName=group["logGroupName"])
                left += [each["filterName"] for each in filters["subscriptionFilters"]]
    return left


def write(stacks: Stacks, message: str, *, account: str = "222222222222", group: str = "aws-waf-logs-shop") -> None:
    """Write an event into a log group, by default one of the example stack app-dev."""
    logs = stacks.client("logs", account=account)
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName=group, logStreamName="s")
    events = [{"timestamp": int(time.time() * 1000), "message": message}]
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)


def archived(
    stacks: Stacks, bucket: str, prefix: str = "logs/", *, account: str = "111111111111"
) -> list[dict[str, Any]]:
    """The records under a prefix of a bucket, unpacked."""
    s3 = stacks.client("s3", account=account)
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]
    bodies = [gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]
    return [json.loads(line) for body in bodies for line in body.splitlines()]
