"""The program host, and the executor that asks it for a fork."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import server
from sandbox.server import ROOT

EXECUTOR = ROOT / "sandbox/engine/language/pulumi-language-python-exec"
SLEEPS = "import os, sys, time\nprint(os.getpid())\ntime.sleep(600)\n"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    ready = tmp_path_factory.mktemp("programs") / "program.json"
    server.start("sandbox.program", ready, environment=os.environ, detached=False)
    yield ready.with_suffix(".sock")
    server.stop(ready)


def started(folder: Path, code: str, host: Path | None, *arguments: str) -> subprocess.Popen[str]:
    """Start an executor whose original is ``code``."""
    executor = folder / EXECUTOR.name
    shutil.copy(EXECUTOR, executor)
    executor.with_name(f"{executor.name}.py").write_text(code, encoding="utf-8")
    (folder / "elsewhere").mkdir()
    return subprocess.Popen(
        [sys.executable, "-u", executor, *arguments],
        cwd=folder / "elsewhere",
        env={"GIVEN": "a value", **({} if host is None else {"SANDBOX_PROGRAM_HOST": str(host)})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


SAYS = """
import os, sys
known = "pulumi_aws.kinesis.firehose_delivery_stream" in sys.modules, "components" in sys.modules
print(sys.argv[1:], os.getcwd(), os.environ["GIVEN"], "PATH" in os.environ, *known)
print("an error", file=sys.stderr)
sys.exit(32)
"""


@pytest.mark.parametrize("forked", [True, False])
def test_a_program_runs_as_without_a_host_but_knows_the_sdk(tmp_path: Path, host: Path, *, forked: bool) -> None:
    program = started(tmp_path, SAYS, host if forked else None, "--stack", "archive")
    output, errors = program.communicate()
    folder = tmp_path / "elsewhere"
    assert output == f"['--stack', 'archive'] {folder} a value False {forked} False\n"
    assert (errors, program.returncode) == ("an error\n", 32)


def test_an_error_of_a_program_reaches_the_engine(tmp_path: Path, host: Path) -> None:
    program = started(tmp_path, "raise ValueError('no such thing')", host)
    assert "ValueError: no such thing" in program.communicate()[1]
    assert program.returncode == 1


def test_a_program_ends_when_the_engine_kills_its_executor(tmp_path: Path, host: Path) -> None:
    program = started(tmp_path, SLEEPS, host)
    assert program.stdout is not None
    forked = int(program.stdout.readline())
    assert forked != program.pid
    program.send_signal(signal.SIGKILL)
    program.communicate()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{forked}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_nobody_else_can_run_programs_through_the_host(host: Path) -> None:
    assert host.stat().st_mode & 0o077 == 0
