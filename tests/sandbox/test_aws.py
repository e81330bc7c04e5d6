"""The tests on AWS run, fail and are swept on the sandbox, with the same code and variables.

The tests run in their order: the last one looks at what the others asked of the cloud.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sandbox.instance import MANAGEMENT_ACCOUNT, Instance, ask, root_client
from sandbox.server import ROOT
from tests.sandbox.existing_archive import eventually
from tests.sandbox.templates import actions
from topology.patterns import CANARY

CENTRAL, A, B = "111111111111", "222222222222", "333333333333"
HOME, AWAY = "eu-west-1", "us-east-1"
DEPLOYER, TESTER, SENDER = "archive-test-deployer", "archive-test-tester", "archive-test-sender"
PYTEST = ("pytest", "tests/aws/end_to_end.py", "--capture", "no", "--tb", "short")  # as in the Makefile
DENY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "firehose:*", "Resource": "*"}],
}
TAGS = {"central-log-archive:stack": "archive"}
FOREIGN: list[tuple[str, str, str, dict[str, Any]]] = [
    (CENTRAL, "sns", "create_topic", {"Name": "archive-alarms-foreign", "Tags": [
        {"Key": "central-log-archive:stack", "Value": "archive"}]}),
    (CENTRAL, "s3", "create_bucket", {"Bucket": "archive-bucket-foreign", "CreateBucketConfiguration": {
        "LocationConstraint": HOME}}),
    (CENTRAL, "iam", "create_role", {"RoleName": "archive-delivery-role-foreign", "AssumeRolePolicyDocument": "{}"}),
    (A, "logs", "create_log_group", {"logGroupName": "archive-test-foreign", "tags": TAGS}),
    (A, "logs", "create_log_group", {"logGroupName": "foreign"}),
]  # fmt: skip
"""What looks like a resource of a run, but carries another mark, or none."""

TRUSTED = f"arn:aws:iam::{MANAGEMENT_ACCOUNT}:root"


@dataclass(frozen=True)
class Accounts:
    """A cloud whose accounts are prepared as docs/aws-tests.md says."""

    instance: Instance
    variables: Mapping[str, str]

    def client(self, service: str, *, account: str, region: str = HOME) -> Any:  # noqa: ANN401 - boto3
        return root_client(self.variables["AWS_ENDPOINT_URL"], service, account=account, region=region)

    def calls(self) -> list[dict[str, Any]]:
        """Return the decisions of the cloud on all calls of roles."""
        found: list[dict[str, Any]] = ask(self.variables["AWS_ENDPOINT_URL"], "calls")
        return found

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env={**self.variables, "COLUMNS": "250", "PYTHONUNBUFFERED": "1", **variables},
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
        return self.run(*PYTEST, *arguments, status=status, **variables)

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
    deploy(
        running.client,
        CENTRAL,
        "bootstrap/archive-account.yaml",
        SenderRoleName=SENDER,
        SenderAccounts=f"{A},{B}",
        Destroyable="yes",
        **roles,
    )
    for account in (A, B):
        more = {"ArchiveAccount": CENTRAL, "AccountPolicies": "true", "Alarms": "true", "Subscriber": "true", **roles}
        deploy(running.client, account, "bootstrap/application-account.yaml", **more)
    for account in (CENTRAL, A, B):
        deploy(running.client, account, "tests/aws/tester.yaml", TrustedPrincipals=TRUSTED)
    yield running
    instance.down()


def started(process: subprocess.Popen[str]) -> str:
    """Return the name of the run that a process reports when it starts."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"run (archive-test-\S+)", line):
            return found[1]
    raise AssertionError("the tests ended before they started a run")


def resources(accounts: Accounts) -> list[str]:
    """Names of what the tests of this file create beside a run, and of the roles that it needs."""
    iam, s3 = (accounts.client(service, account=CENTRAL) for service in ("iam", "s3"))
    groups = accounts.client("logs", account=A).describe_log_groups()["logGroups"]
    topics = accounts.client("sns", account=CENTRAL).list_topics()["Topics"]
    return [
        *(role["RoleName"] for role in iam.list_roles()["Roles"]),
        *(bucket["Name"] for bucket in s3.list_buckets()["Buckets"]),
        *(group["logGroupName"] for group in groups),
        *(topic["TopicArn"] for topic in topics),
    ]


def has_canary(accounts: Accounts) -> bool:
    """Whether the archive is in place, and the stack of the applications, which comes after it, has begun."""
    logs = accounts.client("logs", account=A)
    return bool(logs.describe_log_groups(logGroupNamePrefix=CANARY)["logGroups"])


def test_a_run_passes_and_leaves_nothing(accounts: Accounts) -> None:
    before = resources(accounts)
    printed = accounts.tests()
    assert re.search(r"0 resources of archive-test-\S+ are left", printed)
    assert resources(accounts) == before
    assert accounts.sweep("--hours", "0").startswith("0 resources")


def test_without_variables_nothing_is_touched_and_what_is_missing_is_said(accounts: Accounts) -> None:
    calls = accounts.calls()
    printed = accounts.tests(status=2, TEST_AWS_CENTRAL_ACCOUNT="", TEST_AWS_REGIONS="mars-1")
    assert "TEST_AWS_CENTRAL_ACCOUNT: is not set; set it to: ID of the account that gets the archive" in printed
    assert accounts.calls() == calls


def test_pytest_does_not_collect_the_tests_on_aws_by_itself(accounts: Accounts) -> None:
    assert "end_to_end" not in accounts.run("pytest", "--collect-only", "-q", "tests/aws", status=5)


def test_a_region_in_which_the_program_is_in_use_is_refused(accounts: Accounts) -> None:
    logs = accounts.client("logs", account=B, region=AWAY)
    logs.create_log_group(logGroupName=CANARY)
    try:
        printed = accounts.tests(status=2)
    finally:
        logs.delete_log_group(logGroupName=CANARY)
    assert f"{B}, {AWAY}: log group {CANARY}" in printed


def test_a_lost_event_fails_the_run(accounts: Accounts) -> None:
    """The sender role is denied the stream when everything is in place, before any event is written."""
    process = accounts.start(*PYTEST, "-k", "every_account", TEST_AWS_PATIENCE_SECONDS="3")
    assert eventually(lambda: has_canary(accounts), seconds=120)
    iam = accounts.client("iam", account=CENTRAL)
    iam.put_role_policy(RoleName=SENDER, PolicyName="deny", PolicyDocument=json.dumps(DENY))
    printed, _ = process.communicate()
    iam.delete_role_policy(RoleName=SENDER, PolicyName="deny")
    accounts.sweep("--hours", "0", "--remove")
    assert process.returncode == 1, printed
    assert "lost at the role" in printed


def test_an_aborted_run_is_swept_and_nothing_else_is(accounts: Accounts) -> None:
    for account, service, call, arguments in FOREIGN:
        getattr(accounts.client(service, account=account), call)(**arguments)
    before = resources(accounts)
    process = accounts.start(*PYTEST, "-k", "every_option")
    run = started(process)
    assert eventually(lambda: has_canary(accounts), seconds=120)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert "0 resources of aborted runs" in accounts.sweep()  # too young
    assert run not in accounts.sweep("--run", "another")
    listed = accounts.sweep("--hours", "0", status=1)
    for kind in ("bucket", "destination", "key", "log group", "role", "stream"):
        assert kind in listed
    assert "Nothing was removed" in listed
    assert "foreign" not in listed
    assert len(resources(accounts)) > len(before)
    removed = accounts.sweep("--run", run, "--remove")
    assert f"{run}" in removed
    assert resources(accounts) == before
    assert accounts.sweep("--hours", "0").startswith("0 resources")


def test_what_a_run_leaves_fails_it(accounts: Accounts) -> None:
    process = accounts.start(*PYTEST, "-k", "every_account")
    run = started(process)
    topics = accounts.client("sns", account=CENTRAL)
    tags = [{"Key": "central-log-archive:stack", "Value": run}]
    topics.create_topic(Name="archive-alarms-left", Tags=tags)
    printed, _ = process.communicate()
    assert process.returncode == 1, printed
    assert f"{CENTRAL}, {HOME}: topic arn:aws:sns:{HOME}:{CENTRAL}:archive-alarms-left" in printed
    assert "archive-alarms-left" in accounts.sweep("--run", run.rpartition("-")[2], "--remove")


def test_the_tester_role_has_the_permissions_that_are_used_and_no_others(accounts: Accounts) -> None:
    """Of all calls in the tests above, which come before in this file."""
    asked = [call for call in accounts.calls() if f":assumed-role/{TESTER}/" in call["principal"]]
    assert [call for call in asked if not call["allowed"]] == []
    assert actions("../tests/aws/tester.yaml", "Tester") - {call["action"] for call in asked} <= {
        "logs:TagResource",  # AWS requires it to create log groups with tags; the emulator does not
        "s3:BypassGovernanceRetention",  # the emulator does not check it
    }
