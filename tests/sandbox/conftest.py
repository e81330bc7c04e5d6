"""The sandbox's cloud, one for each test process, ended with it."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import server
from sandbox.instance import Instance, ask, endpoint_of, root_client
from tests.sandbox.stacks import Stacks


@dataclass(frozen=True)
class Cloud:
    """A running cloud."""

    endpoint: str

    @functools.cache  # noqa: B019 - one for the session
    def client(self, service: str, *, account: str, region: str = "eu-west-1") -> Any:  # noqa: ANN401 - boto3
        """Return a client that is the root of ``account``."""
        return root_client(self.endpoint, service, account=account, region=region)

    def ask(self, question: str) -> Any:  # noqa: ANN401 - JSON
        """Return what the cloud says of itself: ``calls`` or ``idle``."""
        return ask(self.endpoint, question)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    ready: Path = tmp_path_factory.mktemp("cloud") / "cloud.json"
    running = server.start("sandbox.cloud", ready, environment=os.environ, detached=False)
    yield Cloud(endpoint_of(running))
    server.stop(ready)


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the plugin host and the program host are that all sandboxes of a test process share."""
    folder = tmp_path_factory.mktemp("hosts")
    yield folder
    for file in folder.glob("*.json"):
        server.stop(file)


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory, hosts: Path) -> Iterator[Stacks]:
    """A sandbox of this test module's own, with accounts prepared for the example stacks and nothing deployed."""
    running = Stacks(Instance(tmp_path_factory.mktemp("sandbox"), detached=False, hosts=hosts))
    yield running
    running.instance.down()
