"""Compares the program with a flat program that has the same resources: ``python -m benchmarks.scale``.

Each previews and deploys the same application stack on its own sandbox, for increasing numbers of accounts, regions and
log groups. The program's cost includes reading the accounts at preview.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from sandbox.command import arguments_for
from sandbox.instance import Instance
from sandbox.prepare import prepare
from sandbox.server import ROOT

REGIONS = ("eu-west-1", "us-east-1", "eu-central-1", "us-west-2")
FLAT = Path(__file__).parent / "flat"
_SAMPLE_SECONDS = 0.2
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
progress = Console(stderr=True)


@dataclass(frozen=True)
class Size:
    """Numbers of accounts, of regions in each account, and of log groups in each region."""

    accounts: int
    regions: int
    log_groups: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """Parse a size like ``50x3x20``."""
        accounts, regions, log_groups = map(int, text.split("x"))
        if not 1 <= regions <= len(REGIONS):
            raise typer.BadParameter(f"{text} has {regions} regions; use 1 to {len(REGIONS)}")
        return cls(accounts, regions, log_groups)

    def config(self) -> dict[str, Any]:
        """Return the config of an application stack of this size."""
        groups = [f"/aws/lambda/function-{index:03d}" for index in range(self.log_groups)]
        regions = {region: {"logGroups": groups} for region in REGIONS[: self.regions]}
        accounts = [f"{200_000_000_000 + index:012d}" for index in range(self.accounts)]
        return {
            "archiveStack": "archive",
            "applications": [{"account": account, "regions": regions} for account in accounts],
        }


@dataclass
class Cost:
    """Cost of a command: seconds, peak memory (MiB), and peak number of provider processes."""

    seconds: float = 0
    program_mib: float = 0
    engine_mib: float = 0
    providers: int = 0


def measure(size: Size) -> dict[str, Cost]:
    """Return the costs of ``program preview``, ``program up``, ``flat preview`` and ``flat up``."""
    costs = {}
    for kind in ("program", "flat"):
        with _sandbox(size) as (instance, environment):
            for command in (["preview"], ["up", "--yes", "--skip-preview"]):
                costs[f"{kind} {command[0]}"] = _run(kind, command, instance, environment)
    return costs


@contextmanager
def _sandbox(size: Size) -> Iterator[tuple[Instance, dict[str, str]]]:
    """Start a sandbox with the accounts and an archive that serves them, but without subscriptions."""
    config = size.config()
    archive = {
        "account": "111111111111",
        "region": REGIONS[0],
        "destinationRegions": list(REGIONS[: size.regions]),
        "senders": {"accounts": [application["account"] for application in config["applications"]]},
    }
    with tempfile.TemporaryDirectory() as folder:
        instance = Instance(Path(folder) / "sandbox", detached=False)
        instance.up()
        try:
            engine = instance.pulumi_environment(os.environ, progress)
            environment = {
                **{key: value for key, value in engine.items() if key != "SANDBOX_PROGRAM_HOST"},  # as a user's machine
                "FLAT_TOPOLOGY": str(Path(folder) / "topology.json"),
            }
            Path(environment["FLAT_TOPOLOGY"]).write_text(json.dumps(config), encoding="utf-8")
            for name, keys in (("archive", {"archive": archive}), ("program", config), ("flat", {})):
                named = {f"central-log-archive:{key}": value for key, value in keys.items()}
                _file(instance, name).write_text(yaml.safe_dump({"config": named}), encoding="utf-8")
            prepare([_file(instance, "archive"), _file(instance, "program")], instance.environment())
            _run("archive", ["up", "--yes", "--skip-preview"], instance, environment)
            yield instance, environment
        finally:
            instance.down()


def _file(instance: Instance, stack: str) -> Path:
    return instance.folder / f"Pulumi.{stack}.yaml"


def _pulumi(stack: str, command: list[str], instance: Instance, environment: dict[str, str]) -> subprocess.Popen[str]:
    given = [*command, "--stack", stack, "--config-file", str(_file(instance, stack)), "--non-interactive"]
    return subprocess.Popen(
        ["pulumi", *arguments_for(instance, given, environment)],
        cwd=FLAT if stack == "flat" else ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _run(stack: str, command: list[str], instance: Instance, environment: dict[str, str]) -> Cost:
    started = time.monotonic()
    running = _pulumi(stack, command, instance, environment)
    cost, done = Cost(), threading.Event()

    def watch() -> None:
        while not done.wait(_SAMPLE_SECONDS):
            _sample(running.pid, cost)

    watcher = threading.Thread(target=watch)
    watcher.start()
    printed, _ = running.communicate()
    done.set()
    watcher.join()
    if running.returncode:
        raise SystemExit(printed)
    cost.seconds = time.monotonic() - started
    return cost


def _sample(engine: int, cost: Cost) -> None:
    """Update the peaks with current memory and processes."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    family = {engine}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    program, engine_mib, providers = 0.0, 0.0, 0
    for pid in family:
        with contextlib.suppress(OSError):
            command = (Path("/proc") / str(pid) / "cmdline").read_text()
            mib = int((Path("/proc") / str(pid) / "statm").read_text().split()[1]) * _PAGE_BYTES / 2**20
            if "pulumi-language-python-exec" in command:
                program += mib
            elif "pulumi-resource-aws" in command:
                providers += 1
            elif pid == engine:
                engine_mib = mib
    cost.program_mib = max(cost.program_mib, program)
    cost.engine_mib = max(cost.engine_mib, engine_mib)
    cost.providers = max(cost.providers, providers)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    sizes: Annotated[str, typer.Option(help="Sizes, as ACCOUNTSxREGIONSxLOG_GROUPS, separated by commas.")] = (
        "5x1x5,5x3x20,25x3x20,50x3x20"
    ),
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare the program with the flat one. Each command takes minutes for the largest size."""
    measured = {}
    with Progress(console=progress, transient=True) as bar:
        for text in bar.track(sizes.split(","), description="sizes"):
            measured[text] = measure(Size.parse(text))
    if as_json:
        Console().print_json(json.dumps(measured, default=asdict))
        return
    table = Table("size", "command", *(Column(name, justify="right") for name in (
        "program, s", "over flat", "program, MiB", "over flat", "engine, MiB", "over flat", "providers",
    )))  # fmt: skip
    for text, costs in measured.items():
        for command in ("preview", "up"):
            ours, flat = costs[f"program {command}"], costs[f"flat {command}"]
            table.add_row(
                text, command,
                f"{ours.seconds:.1f}", f"{ours.seconds / flat.seconds:.2f}",
                f"{ours.program_mib:.0f}", f"{ours.program_mib / flat.program_mib:.2f}",
                f"{ours.engine_mib:.0f}", f"{ours.engine_mib / flat.engine_mib:.2f}",
                str(ours.providers),
            )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    app()
