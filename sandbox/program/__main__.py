"""Runs Python programs in forks of one process: ``python -m sandbox.program --ready FILE``.

A program spends two seconds of processor time on imports before its first line runs. This process imports the SDKs
once, and each program starts as a copy of it that has them already. Everything else is as without it: the copy runs
the file, or the module, with the arguments, environment, folder, and output of the process that asked for it. The
sandbox runs Pulumi's own executor so, and tests run ``ops``.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import re
import runpy
import signal
import socket
import sys
import threading
import traceback
import warnings
from pathlib import Path

from sandbox.server import ROOT, announce, listen, ready_file

_PACKAGES = ("components", "ops")  # between them, they import everything that is run here

_SERVICES = re.compile(r"\baws\.([a-z0-9_]+)\.[A-Z]")  # in the code of components


def main() -> None:
    """Serve until SIGTERM."""
    ready = ready_file("sandbox.program", __doc__)
    _import_packages()
    listener = listen(ready)  # whoever connects runs code as this user
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel keeps no ended copies
    announce(ready, port=0)  # it listens on no port
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _run(connection)
        connection.close()


def _import_packages() -> None:
    """Import what programs import, and forget the modules of this checkout: a program imports its own.

    The SDK for AWS loads the module of a service when it is first used, which here is now.
    """
    with warnings.catch_warnings():  # the SDK warns of its own deprecated names
        warnings.simplefilter("ignore", DeprecationWarning)
        for package in _PACKAGES:
            for file in sorted((ROOT / package).rglob("*.py")):
                parts = file.relative_to(ROOT).with_suffix("").parts
                importlib.import_module(".".join(parts).removesuffix(".__init__"))
                for service in set(_SERVICES.findall(file.read_text(encoding="utf-8"))):
                    hasattr(importlib.import_module(f"pulumi_aws.{service}"), "any attribute")
    for module in [name for name, each in sys.modules.items() if _is_ours(each)]:
        del sys.modules[module]
    gc.freeze()  # the memory that copies share stays shared


def _is_ours(module: object) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).is_relative_to(ROOT) and ".venv" not in Path(file).parts


def _run(connection: socket.socket) -> None:
    """Become the process that asked, run the file or module as Python would, and return its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    request = json.loads(connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv[:] = request["arguments"]
    for output in (sys.stdout, sys.stderr):
        output.reconfigure(write_through=True)  # type: ignore[union-attr] # as python -u does
    module = request.get("module")
    sys.path[0] = request["folder"] if module else str(Path(sys.argv[0]).parent)
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
    status = 1
    try:
        if module:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - nothing is left to handle it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(bytes([status]))
        os._exit(status)


def _end_with(connection: socket.socket) -> None:
    connection.recv(1)  # returns when the process that asked is gone
    os._exit(1)


if __name__ == "__main__":
    main()
