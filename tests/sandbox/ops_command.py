"""``python -m ops`` on a sandbox, as operators and CI run it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sandbox.server import ROOT
from tests.sandbox.stacks import Stacks


def ops(
    stacks: Stacks, *arguments: str, config: dict[str, Any] | None = None, status: int = 0, folder: Path = ROOT
) -> str:
    """Run a command, with a config if one is given; return its output, errors included if it has to fail."""
    given = [] if config is None else ["--config-file", str(stacks.write(config))]
    environment = {**stacks.environment, "COLUMNS": "200"}
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        run = _run_forked if "SANDBOX_PROGRAM_HOST" in environment else _run
        ended = run([*arguments, *given], environment, folder, output, errors)
        output.seek(0)
        errors.seek(0)
        printed = output.read(), errors.read()
    assert ended == status, "".join(printed)
    return printed[0] if status == 0 else "".join(printed)


def _run(arguments: list[str], environment: dict[str, str], folder: Path, output: IO[str], errors: IO[str]) -> int:
    command = [sys.executable, "-m", "ops", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, stdout=output, stderr=errors, check=False).returncode


def _run_forked(
    arguments: list[str], environment: dict[str, str], folder: Path, output: IO[str], errors: IO[str]
) -> int:
    """Run it in a fork of the sandbox's program host, which has its imports already."""
    host = Path(environment["SANDBOX_PROGRAM_HOST"])
    request = {"module": "ops", "arguments": ["ops", *arguments], "environment": environment, "folder": str(folder)}
    body = json.dumps(request).encode()
    with (
        socket.socket(socket.AF_UNIX) as connection,
        Path(os.devnull).open() as nothing,
        _opened(host.parent) as parent,
    ):
        connection.connect(
            f"/proc/self/fd/{parent}/{host.name}"
        )  # the path of a socket may have no more than 107 bytes
        descriptors = [each.fileno() for each in (nothing, output, errors)]
        socket.send_fds(connection, [len(body).to_bytes(4, "big")], descriptors)
        connection.sendall(body)
        return connection.recv(1)[0]


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def coverage(stacks: Stacks, *arguments: str, config: dict[str, Any], status: int = 0) -> str:
    return ops(stacks, "coverage", "-s", "app-dev", *arguments, config=config, status=status)
