"""A small topology of a run's own: an archive in the central account, and log groups in all accounts that send to it.

It is described by two stack files and brought up by the ``pulumi`` on PATH, as an operator does it, in a copy of the
project: nothing is written into this checkout. Whether that reaches AWS or the sandbox is up to the environment.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ops.verify.canaries import VERIFIER
from tests.aws import roles
from tests.aws.environment import APPLICATIONS_SUFFIX, Environment
from tests.aws.progress import report, wait_for
from tests.sandbox.checkout import copy_project
from topology.compression import decompressed
from topology.stack_file import NAMESPACE, file_name

STACK_TAG = "central-log-archive:stack"
"""The tag with the name of the stack, which the program gives to all that it creates."""

_PULUMI_SECONDS = 1800
_WRITE_EVERY_SECONDS = 0.5
_BUFFER_SECONDS = 60  # the shortest that a partitioned stream may have

Options = Mapping[str, Any]
Source = tuple[str, str, str]
"""Account, region and log group of events."""


@dataclass
class Topology:
    """The stacks of a run.

    Attributes:
        environment: the accounts.
        run: name of the run, and of the archive's stack.
        folder: a temporary folder.
    """

    environment: Environment
    run: str
    folder: Path
    _variables: dict[str, str] = field(init=False)
    _numbers: Iterator[int] = field(init=False, default_factory=lambda: itertools.count(1))
    _deployed: dict[str, Options] = field(init=False, default_factory=dict)
    _read: set[str] = field(init=False, default_factory=set)
    _arrived: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        no_stack_files, state = self.folder / "none", self.folder / "state"
        no_stack_files.mkdir()
        state.mkdir()
        copy_project(self.project, no_stack_files)
        (self.project / ".venv").symlink_to(Path(sys.executable).parent.parent)  # Pulumi.yaml names it
        self._variables = {
            **os.environ,
            "PULUMI_BACKEND_URL": self.environment.backend_url or f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": self.run,  # of state without secrets, which goes away with the run
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "COLUMNS": "200",
        }

    @property
    def project(self) -> Path:
        """The copy of the project."""
        return self.folder / "project"

    @property
    def stacks(self) -> tuple[str, str]:
        """The stack of the archive, and that of the applications."""
        return self.run, f"{self.run}{APPLICATIONS_SUFFIX}"

    def group(self, name: str) -> str:
        """Return the name of a log group of the run."""
        return f"{self.run}/{name}"

    @property
    def senders(self) -> list[Source]:
        """The log groups that every stack of the run subscribes: one in each account and region."""
        return [(account, region, self.group("app")) for account, region in self.environment.places]

    @property
    def central(self) -> Source:
        """The log group of the central account, which does not need a destination."""
        return self.environment.central_account, self.environment.home, self.group("central")

    def client(self, service: str, account: str, region: str, *, role: str = "") -> Any:  # noqa: ANN401 - boto3
        """Return a client, as the tester role by default."""
        role = role or self.environment.tester_role
        return roles.client(service, account=account, region=region, role=role, session=self.run)

    def create_log_group(self, source: Source) -> None:
        """Create a log group with the run's mark."""
        account, region, group = source
        logs = self.client("logs", account, region)
        logs.create_log_group(logGroupName=group, tags={STACK_TAG: self.run})
        logs.create_log_stream(logGroupName=group, logStreamName="test")

    def delete_log_group(self, source: Source) -> None:
        """Delete a log group, if it exists."""
        account, region, group = source
        logs = self.client("logs", account, region)
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            logs.delete_log_group(logGroupName=group)

    # Stacks

    def up(self, archive: Options | None = None, region: Options | None = None, *, retain: bool = False) -> None:
        """Bring up both stacks, from whatever they are, with these options; without any, the smallest topology.

        Args:
            archive: keys of the archive's section that differ from the smallest topology.
            region: keys of each region of each application account that do.
            retain: whether a stream that is replaced is retained.
        """
        self.up_archive(archive, retain=retain)
        environment = self.environment
        wanted = {"logGroups": [self.group("app")], **(region or {})}
        applications = [
            {
                "account": account,
                "deployerRole": environment.deployer_role,
                "regions": dict.fromkeys(environment.regions, wanted),
            }
            for account in environment.application_accounts
        ]
        config = {
            "archiveStack": self.run,
            "applications": applications,
            "alarms": bool(archive and "alarms" in archive),
            "retain": False,
        }
        self._up(self.stacks[1], config)

    def up_archive(self, archive: Options | None = None, *, retain: bool = False) -> None:
        """Bring up the archive's stack alone."""
        environment = self.environment
        smallest = {
            "account": environment.central_account,
            "deployerRole": environment.deployer_role,
            "region": environment.home,
            "destinationRegions": list(environment.regions),
            "senders": {"accounts": list(environment.application_accounts)},
            "senderRoleName": "archive-test-sender",
            "ownLogGroups": [self.group("central")],
            "delivery": delivery("dated"),
        }
        self._up(self.run, {"archive": {**smallest, **(archive or {})}, "retain": retain})

    def _up(self, stack: str, config: Options) -> None:
        if self._deployed.get(stack) == config:
            return
        self._deployed.pop(stack, None)
        file = self.project / file_name(stack)
        if not file.exists():
            self.pulumi("stack", "init", stack, "--secrets-provider", "passphrase", "--no-select")
        content = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}
        keys = {f"{NAMESPACE}{key}": value for key, value in config.items()}
        file.write_text(yaml.safe_dump({**content, "config": keys}), encoding="utf-8")
        self.pulumi("up", "--yes", "--skip-preview", "--stack", stack)
        self._deployed[stack] = config

    def destroy(self) -> None:
        """Destroy what is deployed, the subscriptions first."""
        for stack in reversed(self.stacks):
            if (self.project / file_name(stack)).exists():
                self.pulumi("destroy", "--yes", "--skip-preview", "--stack", stack)
                self.pulumi("stack", "rm", "--yes", stack)

    def pulumi(self, *arguments: str) -> str:
        """Run a command of Pulumi; return all that it printed.

        Raises:
            AssertionError: it failed. The text is what it printed.
        """
        return self._run("pulumi", *arguments, "--non-interactive", "--color", "never")

    def ops(self, *arguments: str) -> str:
        """Run a command of ``ops``; return all that it printed.

        Raises:
            AssertionError: it failed. The text is what it printed.
        """
        return self._run(sys.executable, "-m", "ops", *arguments)

    def _run(self, *command: str) -> str:
        shown = " ".join([Path(command[0]).name, *command[1:]])
        report(f"{shown}, {_PULUMI_SECONDS} s at most")
        started = time.monotonic()
        done = subprocess.run(
            command,
            cwd=self.project,
            env=self._variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PULUMI_SECONDS,
        )
        report(f"{shown}: after {time.monotonic() - started:.0f} s, exit status {done.returncode}")
        printed = done.stdout + done.stderr
        assert done.returncode == 0, f"{shown}\n{printed}"
        return printed

    @functools.cached_property
    def bucket(self) -> str:
        """Name of the archive's bucket, which no test replaces."""
        return self.output("bucket")

    def output(self, key: str) -> str:
        """Return an output of the archive's stack."""
        return str(json.loads(self.pulumi("stack", "output", "--json", "--stack", self.run))[key])

    # Events

    def write(self, source: Source) -> str:
        """Write an event; return the token that it contains and no other event does."""
        account, region, group = source
        token = f"{account}.{region}.{group.rpartition('/')[2]}.{next(self._numbers)}"
        event = {"timestamp": time.time_ns() // 10**6, "message": f"{self.run} {token}"}
        logs = self.client("logs", account, region)
        logs.put_log_events(logGroupName=group, logStreamName="test", logEvents=[event])
        return token

    @contextlib.contextmanager
    def writing(self, sources: Sequence[Source]) -> Iterator[list[str]]:
        """Write into each log group twice a second for as long as the block takes; yield the growing list of tokens.

        Raises:
            botocore.exceptions.ClientError: an event could not be written.
        """
        tokens: list[str] = []
        failures: list[Exception] = []
        ended = threading.Event()

        def write(source: Source) -> None:
            try:
                while not ended.wait(_WRITE_EVERY_SECONDS):
                    tokens.append(self.write(source))
            except Exception as error:  # noqa: BLE001 - raised again in the test's own thread
                failures.append(error)

        threads = [threading.Thread(target=write, args=[source]) for source in sources]
        for thread in threads:
            thread.start()
        try:
            yield tokens
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        report(f"{len(tokens)} events were written meanwhile, into {len(sources)} log groups")
        if failures:
            raise failures[0]

    def arrived(self) -> Mapping[str, str]:
        """Return token → key of the object under ``logs/`` that contains it. Every object is read once."""
        s3 = self.client("s3", self.environment.central_account, self.environment.home, role=VERIFIER)
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix="logs/"):
            for key in (item["Key"] for item in page.get("Contents", [])):
                if key not in self._read:
                    body = decompressed(key, s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()).decode()
                    self._arrived |= dict.fromkeys(re.findall(rf"{self.run} ([\w.-]+)", body), key)
                    self._read.add(key)
        return self._arrived

    def expect(self, tokens: Sequence[str], what: str) -> Mapping[str, str]:
        """Wait until all events are in the bucket; return where.

        Raises:
            AssertionError: some are not. The text lists them.
        """
        missing: list[str] = []

        def complete() -> bool:
            missing[:] = sorted(set(tokens) - self.arrived().keys())
            return not missing

        try:
            wait_for(f"{what} ({len(tokens)} events)", complete, seconds=self.environment.patience_seconds)
        except AssertionError:
            raise AssertionError(f"{what}: {len(missing)} of {len(tokens)} events were lost: {missing}") from None
        return self._arrived


def delivery(layout: str) -> Options:
    """Return the archive's ``delivery`` with a layout. Buffers are as short as all layouts allow."""
    return {"layout": layout, "bufferSeconds": _BUFFER_SECONDS}
