"""One running sandbox: cloud, plugin host, program host, and their Pulumi state, in a folder of a checkout."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
from rich.console import Console

from sandbox import engine, server

MANAGEMENT_ACCOUNT = "999999999999"
REGION = "eu-west-1"
PASSPHRASE = "sandbox"  # noqa: S105 - of state that holds no secret and goes away with the cloud
ENCRYPTION_SALT = "v1:gxJUBTcYEqc=:v1:XN2gluP4hgXwqqHF:0RklfDnYGBgnoPGI7icv7yoxWuzaow=="
"""A salt of the passphrase, as the engine writes it into the file of a stack that it creates."""
_LAUNCHER = Path(__file__).resolve().parent / "plugin" / "launcher"
_PYTHON = Path(__file__).resolve().parent / "program" / "python"
_WRAPPERS = Path(__file__).resolve().parent / "engine" / "bin"
_VENV_BIN = Path(sys.executable).parent
_FORKS = sys.platform == "linux"  # elsewhere, a fork of a process that has imported the SDKs may crash


@dataclass(frozen=True)
class Instance:
    """A sandbox in a folder of its own, so that two checkouts, or two tests, do not disturb each other.

    Attributes:
        folder: where its files are.
        detached: whether its servers keep running when the process that started them ends.
        hosts: the folder of the plugin host and the program host, if several sandboxes share them. Then they run on
            when the sandbox ends.
    """

    folder: Path
    detached: bool = True
    hosts: Path | None = None

    @property
    def state(self) -> Path:
        """The folder of Pulumi's state."""
        return self.folder / "state"

    def up(self) -> None:
        """Start what is not running. A new cloud is empty, so the state of an old one goes.

        Raises:
            server.ServerError: a server did not start.
        """
        with self._alone():
            if server.find(self._cloud) is None:
                shutil.rmtree(self.state, ignore_errors=True)
                server.start("sandbox.cloud", self._cloud, environment=os.environ, detached=self.detached)
            for module, file in self._hosts.items():
                if server.find(file) is None:
                    server.start(module, file, environment=os.environ, detached=self.detached)
            self.state.mkdir(exist_ok=True)

    def down(self) -> bool:
        """End the servers and remove the folder; return whether anything was running."""
        with self._alone():
            own = self._hosts.values() if self.hosts is None else ()
            ended = [server.stop(file) for file in (*own, self._cloud)]
        shutil.rmtree(self.folder)
        return any(ended)

    def cloud(self) -> server.Server | None:
        """Return the running cloud, or None."""
        return server.find(self._cloud)

    def environment(self) -> dict[str, str]:
        """Return the variables with which any AWS client talks to the cloud, as the management account.

        Raises:
            server.ServerError: the sandbox is not running.
        """
        return {
            "AWS_ENDPOINT_URL": endpoint_of(self._running()),
            "AWS_ACCESS_KEY_ID": MANAGEMENT_ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }

    def pulumi_environment(self, inherited: Mapping[str, str], console: Console) -> dict[str, str]:
        """Return all variables for the engine, with nothing of AWS or Pulumi taken over from outside.

        Args:
            inherited: the variables of this process.
            console: where the progress of a build of the engine is shown.
        """
        binaries = engine.folder(console)
        foreign = ("AWS_", "PULUMI_")
        environment = {
            **{key: value for key, value in inherited.items() if not key.startswith(foreign)},
            **self.environment(),
            "PATH": os.pathsep.join([str(_WRAPPERS), str(_VENV_BIN), str(binaries), inherited.get("PATH", "")]),
            "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "true",  # an engine from Go modules does not know its version
            "PULUMI_BACKEND_URL": f"file://{self.state}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            # State in a folder is written whole for each step, which is most of what an update would cost. Here it is
            # written at the end: an update that is interrupted leaves resources that the state does not know.
            "PULUMI_EXPERIMENTAL": "true",
            "PULUMI_SKIP_CHECKPOINTS": "true",
            "PULUMI_HOME": str(self.folder / "pulumi-home"),
            "PULUMI_PYTHON_CMD": str(_PYTHON),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "SANDBOX_ENGINE": str(binaries),
            "SANDBOX_PACKAGES": str(self._packages),
            "SANDBOX_PLUGIN_HOST": str(self._plugin.with_suffix(".sock")),
            **({"SANDBOX_PROGRAM_HOST": str(self._program.with_suffix(".sock"))} if _FORKS else {}),
        }
        environment.pop("PYTHONPATH", None)
        if os.environ.get("SANDBOX_PLUGIN") == "official":
            return {**environment, **self.proxy()}
        self._install_plugin(environment)
        return environment

    def proxy(self) -> dict[str, str]:
        """Return the variables with which the AWS SDK for Go reaches S3 Control, too.

        It puts the account before the host of the endpoint, a name that does not resolve. So the cloud is the proxy for
        all names but its own.
        """
        return {"HTTP_PROXY": f"http://127.0.0.1:{self._running().port}", "NO_PROXY": "127.0.0.1"}

    def _install_plugin(self, environment: Mapping[str, str]) -> None:
        """Install the sandbox's own aws plugin into the sandbox's own PULUMI_HOME, where it shadows no other."""
        sdk = version("pulumi-aws")
        installed = Path(environment["PULUMI_HOME"]) / "plugins" / f"resource-aws-v{sdk}"
        with self._alone():
            if not installed.is_dir():
                command = ["pulumi", "plugin", "install", "resource", "aws", sdk, "--file", str(_LAUNCHER)]
                subprocess.run(command, env=dict(environment), check=True, capture_output=True)

    @property
    def _cloud(self) -> Path:
        return self.folder / "cloud.json"

    @property
    def _plugin(self) -> Path:
        return (self.hosts or self.folder) / "plugin.json"

    @property
    def _program(self) -> Path:
        return (self.hosts or self.folder) / "program.json"

    @property
    def _packages(self) -> Path:
        """What pip says of the packages, until the folder of one is added or removed."""
        changed = Path(sysconfig.get_path("purelib")).stat().st_mtime_ns
        return (self.hosts or self.folder) / f"packages-{changed}.json"

    @property
    def _hosts(self) -> dict[str, Path]:
        """Module → file of each server that the engine needs."""
        return {"sandbox.plugin": self._plugin, **({"sandbox.program": self._program} if _FORKS else {})}

    def _running(self) -> server.Server:
        running = self.cloud()
        if running is None:
            raise server.ServerError("the sandbox is not running; start it with: python -m sandbox up")
        return running

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from starting or ending servers, and other users from reading their files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        umask = os.umask(0o077)
        try:
            with (self.folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        finally:
            os.umask(umask)


def endpoint_of(cloud: server.Server) -> str:
    """Return the endpoint of a cloud, with the secret that requests have to contain, as every AWS client sends it."""
    return f"http://127.0.0.1:{cloud.port}/{cloud.secret}"


def root_client(endpoint: str, service: str, *, account: str, region: str) -> Any:  # noqa: ANN401 - boto3 has no types
    """Return a boto3 client of the cloud that is the root of ``account``."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=account,
        aws_secret_access_key="sandbox",  # noqa: S106 - any secret is a root's in the sandbox
    )


def of_checkout() -> Instance:
    """Return the sandbox of this checkout, or the one that SANDBOX_HOME names."""
    return Instance(Path(os.environ.get("SANDBOX_HOME") or server.ROOT / ".sandbox").resolve())


def ask(endpoint: str, question: str) -> Any:  # noqa: ANN401 - JSON
    """Ask a cloud about itself: ``calls``, ``idle``; or tell it what no API does: ``join/ACCOUNT/ORGANIZATION``."""
    host, _, secret = endpoint.removeprefix("http://").partition("/")
    with contextlib.closing(http.client.HTTPConnection(host)) as connection:
        connection.request("GET", f"/{secret}/_sandbox/{question}")
        return json.loads(connection.getresponse().read())
