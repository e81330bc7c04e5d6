"""Servers of the sandbox: started in the background, known by a file that they keep locked, ended by their id.

A server holds a lock on its file as long as it lives. The kernel drops the lock however the process ends, so a killed
run leaves nothing behind that could be taken for a running server, and no other process can be taken for it.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
_POLL_SECONDS = 0.02
_STOP_SECONDS = 10.0

_announced: list[IO[str]] = []  # open for the life of the process: closing the file would drop the lock
_children: dict[int, subprocess.Popen[bytes]] = {}  # what this process started and has to reap


class ServerError(Exception):
    """A server did not start; the text says why and where its log is."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server.

    Attributes:
        pid: its process id.
        port: the loopback port that it listens on; 0: a socket beside its file.
        secret: what only who may read its file knows, and requests have to contain; empty: none.
    """

    pid: int
    port: int
    secret: str = ""


def announce(file: Path, port: int, secret: str = "") -> None:
    """Tell whoever started this process where it listens, and hold ``file`` locked from here on."""
    handle = file.open("a+", encoding="utf-8")
    os.fchmod(handle.fileno(), 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    handle.truncate(0)
    handle.write(json.dumps(asdict(Server(pid=os.getpid(), port=port, secret=secret))) + "\n")
    handle.flush()
    _announced.append(handle)


def ready_file(module: str, about: str | None) -> Path:
    """Read the command line that ``start`` gives a server, and return the file for ``announce``."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    parser.add_argument("--ready", type=Path, required=True, help="file that is written once the server listens")
    parser.add_argument("--end-with-parent", action="store_true", help="end when the process that started it is gone")
    arguments = parser.parse_args()
    if arguments.end_with_parent:
        _end_with_parent()
    return Path(arguments.ready)


def _end_with_parent() -> None:
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()


def listen(ready: Path) -> socket.socket:
    """Return a socket beside a file, which only this user can connect to; no page can.

    The path of a socket may have no more than 107 bytes, so this process changes to its folder.
    """
    os.chdir(ready.parent)
    name = ready.with_suffix(".sock").name
    Path(name).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    umask = os.umask(0o077)
    listener.bind(name)
    os.umask(umask)
    listener.listen()
    return listener


def find(file: Path) -> Server | None:
    """Return the server that holds ``file``, or None when there is none."""
    try:
        with file.open(encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = handle.read()
                return Server(**json.loads(text)) if text.endswith("\n") else None
            return None
    except FileNotFoundError:
        return None


def start(module: str, file: Path, *, environment: Mapping[str, str], detached: bool, timeout: float = 60.0) -> Server:
    """Run ``python -m module --ready file`` in the background and wait until it listens.

    Its output goes to a ``.log`` beside ``file``. Unless ``detached``, the server ends with this process.

    Raises:
        ServerError: it ended or did not listen within ``timeout`` seconds; the text holds the end of its log.
    """
    log = file.with_suffix(".log")
    command = [sys.executable, "-m", module, "--ready", str(file)] + ([] if detached else ["--end-with-parent"])
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    _children[process.pid] = process
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if (server := find(file)) is not None and server.pid == process.pid:
            return server
        if process.poll() is not None:
            break
        time.sleep(_POLL_SECONDS)
    process.kill()
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
    raise ServerError(f"{module} did not start (log: {log}):\n{tail}")


def stop(file: Path) -> bool:
    """End the server that holds ``file``, by its id, and wait until it is gone; return whether there was one."""
    server = find(file)
    if server is None:
        return False
    for ending in (signal.SIGTERM, signal.SIGKILL):
        os.kill(server.pid, ending)
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            if find(file) is None:
                file.unlink(missing_ok=True)
                if server.pid in _children:
                    _children.pop(server.pid).wait()
                return True
            time.sleep(_POLL_SECONDS)
    raise ServerError(f"process {server.pid} did not end")
