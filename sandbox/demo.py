"""The main job, on the sandbox: the project's stacks deployed, events written in every account, all of them archived.

Stack files are taken as they are, and say what has to arrive.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.archived import WAF_LOG_GROUPS, Bucket, Place
from sandbox.cloud.filter_pattern import matcher
from sandbox.command import arguments_for
from sandbox.events import application_events, waf_events
from sandbox.instance import Instance, ask, root_client
from sandbox.prepare import prepare
from sandbox.server import ROOT
from terminal.console import PlainConsole
from topology import stacks
from topology.patterns import entries_of
from topology.settings import Archive, RegionLogGroups, Settings
from topology.stack_file import file_name

_WAIT_SECONDS = 60.0
_BATCH = 100
_HOURS = 2  # over which events are spread, so that there is something to see over time


class DemoError(Exception):
    """A step failed. The text says which, and what it printed."""


@dataclass
class Archived:
    """What the archive of a stack received.

    Attributes:
        own_transform: the folder with a function of the operator's own, which decides what becomes of an event.
        sent: number of events that the stack files want in the archive, by place.
        arrived: number of events in the archive, by place.
        unknown: number of lines that do not say what they come from.
        failed: number of records that the stream could not process.
        blocked: rows of the query, where the objects can be queried.
        dashboard: whether a dashboard shows them.
    """

    own_transform: str | None
    sent: Counter[Place] = field(default_factory=Counter)
    arrived: Counter[Place] = field(default_factory=Counter)
    unknown: int = 0
    failed: int = 0
    blocked: list[list[str]] = field(default_factory=list)
    dashboard: bool = False

    @property
    def complete(self) -> bool:
        """Whether all that was sent arrived, once. What a transform of the operator's own makes is not compared."""
        return not self.failed and (self.own_transform is not None or self.sent == self.arrived)


def run(instance: Instance, console: PlainConsole, folder: Path = ROOT) -> dict[str, Archived]:
    """Run the demo on a fresh cloud, which keeps running; return what each archive received, by its stack.

    Args:
        instance: the sandbox; what was in it is removed.
        console: where progress is shown.
        folder: where the stack files are.

    Raises:
        DemoError: there is no archive, or a deployment failed.
        SettingsError: a stack file cannot be used.
    """
    files = stacks.files_in(folder)
    settings = stacks.read(files, console.print)
    order = stacks.promotion_order(settings)
    archives = {stack: each.archive for stack, each in settings.items() if each.archive is not None}
    if not archives:
        raise DemoError(f"no stack file in {folder} has an archive section; write one as docs/starting.md shows")
    console.print(f"Stack files: {', '.join(map(file_name, order))}")
    instance.down()
    with console.status("") as status:
        status.update("starting the cloud")
        instance.up()
        environment = instance.pulumi_environment(os.environ, console)
        endpoint = environment["AWS_ENDPOINT_URL"]
        status.update("making what the stack files presume")
        prepare(files, environment)
        for stack in order:
            status.update(f"pulumi up -s {stack}")
            _pulumi(instance, environment, folder, "up", "--yes", "--skip-preview", "--stack", stack)
        received = {
            stack: Archived(_own_transform(archive), dashboard=archive.analysis is not None)
            for stack, archive in archives.items()
        }
        chance = random.Random(0)  # noqa: S311 - the same events in every run
        for place, patterns in _wanted(endpoint, settings).items():
            status.update(f"writing events in {', '.join(place)}")
            messages = _write(endpoint, place, chance)
            for stack, pattern in patterns.items():
                received[stack].sent[place] = sum(map(matcher(pattern), messages))
        status.update("waiting until the streams have written all events")
        _until_idle(endpoint)
        for stack, archive in archives.items():
            status.update(f"reading what arrived in the archive of {stack}")
            outputs = json.loads(_pulumi(instance, environment, folder, "stack", "output", "--json", "--stack", stack))
            _read(Bucket(endpoint, archive, outputs), received[stack])
    return received


def _own_transform(archive: Archive) -> str | None:
    return archive.transform.code if archive.transform is not None and archive.transform.is_folder else None


def _pulumi(instance: Instance, environment: Mapping[str, str], folder: Path, *arguments: str) -> str:
    command = ["pulumi", *arguments_for(instance, list(arguments), environment, folder)]
    done = subprocess.run(command, cwd=ROOT, env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoError(f"pulumi {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def _wanted(endpoint: str, settings: Mapping[str, Settings]) -> dict[Place, dict[str, str]]:
    """Return log group → stack of the archive that wants its events → filter pattern."""
    wanted: dict[Place, dict[str, str]] = defaultdict(dict)
    for stack, each in settings.items():
        archive = stacks.archive_stack_of(stack, each)
        for application in each.sources:
            for region, groups in application.regions.items():
                logs = root_client(endpoint, "logs", account=application.account, region=region)
                for page in logs.get_paginator("describe_log_groups").paginate():
                    for name in (group["logGroupName"] for group in page["logGroups"]):
                        if (pattern := filter_pattern_of(groups, name)) is not None:
                            wanted[application.account, region, name][archive] = pattern
    return wanted


def filter_pattern_of(wanted: RegionLogGroups, name: str) -> str | None:
    """Return which events of a log group are archived; None: none of them."""
    entries, exclude = {entry.name: entry for entry in wanted.log_groups}, wanted.exclude or ()
    if meant := entries_of(name, entries, exclude):
        return entries[meant[0]].filter_pattern
    return wanted.all.filter_pattern if wanted.all is not None and entries_of(name, ["*"], exclude) else None


def _write(endpoint: str, place: Place, chance: random.Random) -> list[str]:
    """Write realistic events into a log group; return their messages."""
    account, region, group = place
    logs = root_client(endpoint, "logs", account=account, region=region)
    made = waf_events if group.startswith(WAF_LOG_GROUPS) else application_events
    messages = list(made(account, region, group, chance))
    logs.create_log_stream(logGroupName=group, logStreamName="demo")
    now, step = time.time(), _HOURS * 3600 / len(messages)
    events = [
        {"timestamp": int(1000 * (now - step * (len(messages) - index))), "message": message}
        for index, message in enumerate(messages)
    ]
    for start in range(0, len(events), _BATCH):
        logs.put_log_events(logGroupName=group, logStreamName="demo", logEvents=events[start : start + _BATCH])
    return messages


def _until_idle(endpoint: str) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not ask(endpoint, "idle")["idle"]:
        if time.monotonic() > deadline:
            raise DemoError(f"the streams have not written all events within {_WAIT_SECONDS:.0f} seconds")
        time.sleep(0.2)


def _read(bucket: Bucket, received: Archived) -> None:
    received.arrived, received.unknown = bucket.count()
    received.failed = bucket.failed()
    if any(number and group.startswith(WAF_LOG_GROUPS) for (*_, group), number in received.sent.items()):
        received.blocked = bucket.query()
