"""The AWS SDK for Go, which the official provider makes its calls with, as a client of the cloud."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from sandbox.go_modules import built, go

_HERE = Path(__file__).resolve().parent
_MODULE = _HERE / "client"
Credentials = dict[str, str]


class GoSdkError(Exception):
    """AWS rejected a call. The text is the SDK's, which begins with the operation."""


class GoSdk:
    """A process that makes calls, to be used in a ``with`` statement.

    Args:
        environment: with AWS_ENDPOINT_URL, and the proxy that S3 Control needs.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        binary = built("go-sdk", [_MODULE], lambda work, to: _compile(work / _MODULE.name, to)) / "client"
        self._process = subprocess.Popen(
            [binary], env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> GoSdk:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._process.communicate()

    def assume(self, account: str, role: str, management_account: str) -> Credentials:
        """Return credentials of a role, assumed by the root user of the management account."""
        root = {"AccessKeyID": management_account, "SecretAccessKey": "any"}
        wanted = {"RoleArn": f"arn:aws:iam::{account}:role/{role}", "RoleSessionName": "go-sdk"}
        given = self.call(root, "sts", "AssumeRole", wanted)["Credentials"]
        return {
            "AccessKeyID": given["AccessKeyId"],
            "SecretAccessKey": given["SecretAccessKey"],
            "SessionToken": given["SessionToken"],
        }

    def call(
        self,
        credentials: Credentials,
        service: str,
        operation: str,
        parameters: dict[str, Any],
        *,
        region: str = "eu-west-1",
        body: bytes | None = None,
    ) -> Any:  # noqa: ANN401 - as AWS spells it
        """Make a call; return its output.

        Raises:
            GoSdkError: AWS rejected it.
        """
        call = {
            "Service": service,
            "Operation": operation,
            "Region": region,
            "Credentials": credentials,
            "Input": parameters,
            "Body": None if body is None else base64.b64encode(body).decode(),
        }
        to, back = self._process.stdin, self._process.stdout
        assert to is not None
        assert back is not None
        to.write(json.dumps(call) + "\n")
        to.flush()
        result = json.loads(back.readline())
        if "Error" in result:
            raise GoSdkError(result["Error"])
        return result["Output"]


def _compile(module: Path, binaries: Path) -> None:
    go(module, "build", "-mod=readonly", "-buildvcs=false", "-o", f"{binaries}/client", ".")
