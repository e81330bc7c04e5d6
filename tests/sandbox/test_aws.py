"""The tests on AWS run, fail and are swept on the sandbox, with the same code and variables."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sandbox.instance import MANAGEMENT_ACCOUNT, Instance, ask, root_client
from sandbox.server import ROOT
from tests.sandbox.existing_archive import eventually

CENTRAL, A, B = "111111111111", "222222222222", "333333333333"
HOME, AWAY = "eu-west-1", "us-east-1"
DEPLOYER, TESTER = "archive-test-deployer", "archive-test-tester"
TRUSTED = f"arn:aws:iam::{MANAGEMENT_ACCOUNT}:root"


@dataclass(frozen=True)
class Accounts:
    """A cloud whose accounts are prepared as docs/aws-tests.md says."""

    instance: Instance
    variables: Mapping[str, str]

    def client(self, service: str, *, account: str, region: str = HOME) -> Any:  # noqa: ANN401 - boto3
        return root_client(self.variables["AWS_ENDPOINT_URL"], service, account=account, region=region)

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env={**self.variables, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, status: int = 0, **variables: str) -> str:
        """Run a module; return all that it printed."""
        process = self.start(*command, **variables)
        printed, _ = process.communicate()
        assert process.returncode == status, printed
        return printed

    def tests(self, *arguments: str, status: int = 0, **variables: str) -> str:
        """Run the tests, as ``make test-aws`` does."""
        return self.run("pytest", "tests/aws/end_to_end.py", "--capture", "no", "--tb", "short", *arguments, status=status, **variables)

    def sweep(self, *arguments: str, status: int = 0) -> str:
        """Run the sweeper, as ``make sweep-aws`` does."""
        return self.run("tests.aws.sweep", *arguments, status=status)


def deploy(client: Callable[..., Any], account: str, template: str, **parameters: str) -> None:
    """Deploy a template, as an administrator of the account does it once."""
    formation = client("cloudformation", account=account)
    name = f"archive-test-{Path(template).stem}"
    formation.create_stack(
        StackName=name,
        TemplateBody=(ROOT / template).read_text(encoding="utf-8"),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 0.05})


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    instance = Instance(tmp_path_factory.mktemp("sandbox"), detached=False)
    instance.up()
    running = Accounts(
        instance,
        {
            **instance.pulumi_environment(os.environ, Console(stderr=True)),
            "TEST_AWS_CENTRAL_ACCOUNT": CENTRAL,
            "TEST_AWS_APPLICATION_ACCOUNTS": f"{A},{B}",
            "TEST_AWS_REGIONS": f"{HOME},{AWAY}",
            "TEST_AWS_DEPLOYER_ROLE": DEPLOYER,
            "TEST_AWS_TESTER_ROLE": TESTER,
            "TEST_AWS_PATIENCE_SECONDS": "20",
        },
    )
    roles = {"TrustedPrincipals": TRUSTED, "Verifiers": TRUSTED, "RoleName": DEPLOYER}
    deploy(running.client, CENTRAL, "bootstrap/archive-account.yaml", SenderRoleName="archive-test-*", **roles)
    for account in (A, B):
        more = {"ArchiveAccount": CENTRAL, "Subscriber": "true", **roles}
        deploy(running.client, account, "bootstrap/application-account.yaml", **more)
    for account in (CENTRAL, A, B):
        deploy(running.client, account, "tests/aws/tester.yaml", TrustedPrincipals=TRUSTED)
    yield running
    instance.down()


def test_a_run_passes_and_leaves_nothing(accounts: Accounts) -> None:
    printed = accounts.tests()
    assert "left" not in printed.splitlines()[-1]
    assert "0 resources" in accounts.sweep("--hours", "0")
