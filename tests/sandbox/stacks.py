"""Pulumi commands on a sandbox of a test's own."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from sandbox.command import arguments_for
from sandbox.instance import Instance, ask, root_client
from sandbox.prepare import prepare
from sandbox.server import ROOT

EXAMPLES = ("archive", "app-dev", "app-prod")


@dataclass
class Stacks:
    """A sandbox with prepared accounts, in which tests bring stacks up."""

    instance: Instance
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.instance.up()
        self.environment = self.instance.pulumi_environment(os.environ, Console(stderr=True))
        prepare([ROOT / f"Pulumi.{stack}.yaml" for stack in EXAMPLES], self.instance.environment())

    def pulumi(self, *arguments: str, config: dict[str, Any] | None = None, ok: bool = True) -> str:
        """Run a command; return all that it printed.

        Args:
            arguments: of ``pulumi``.
            config: a stack's config by the project's keys, instead of its committed file.
            ok: whether it has to succeed; else it has to fail.
        """
        extra = [] if config is None else ["--config-file", str(self.write(config))]
        made = arguments_for(self.instance, [*arguments, *extra], self.environment)
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
