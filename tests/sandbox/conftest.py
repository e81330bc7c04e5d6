"""The sandbox's cloud, one for each test process, ended with it."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from sandbox import server


@dataclass(frozen=True)
class Cloud:
    """A running cloud."""

    endpoint: str

    @functools.cache  # noqa: B019 - one for the session
    def client(self, service: str, *, account: str, region: str = "eu-west-1") -> Any:  # noqa: ANN401 - boto3
        """Return a client that is the root of ``account``."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key="any",
        )

    def ask(self, question: str) -> Any:  # noqa: ANN401 - JSON
        """Return what the cloud says of itself: ``calls`` or ``idle``."""
        connection = http.client.HTTPConnection(self.endpoint.removeprefix("http://"))
        with contextlib.closing(connection):
            connection.request("GET", f"/_sandbox/{question}")
            return json.loads(connection.getresponse().read())


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    ready: Path = tmp_path_factory.mktemp("cloud") / "cloud.json"
    environment = {**os.environ, "SANDBOX_BUFFER_SECONDS": "0.2"}
    running = server.start("sandbox.cloud", ready, environment=environment, outlive=False)
    yield Cloud(f"http://127.0.0.1:{running.port}")
    server.stop(ready)
