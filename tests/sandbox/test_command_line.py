"""The sandbox's own commands, as people and `make` run them."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sandbox import server
from sandbox.instance import Instance, endpoint_of, root_client
from sandbox.server import ROOT
from tests.sandbox.checkout import copy_project
from tests.sandbox.existing_archive import eventually
from tests.stacks import EXAMPLES_FOLDER
from topology import policies


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the project with the example stacks, all of it committed."""
    folder: Path = tmp_path_factory.mktemp("clone") / "project"
    copy_project(folder)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    for command in (["init"], ["add", "--all"], ["commit", "--message", "all"]):
        git(folder, *command)
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("home")
    yield folder
    Instance(folder).down()


def run(home: Path, *arguments: str, ok: bool = True, cwd: Path = ROOT) -> str:
    """Run ``python -m sandbox``, or the wrapper when the first argument names it.

    The examples are in the clone: what needs them runs there.
    """
    environment = {**os.environ, "SANDBOX_HOME": str(home)}
    wrapper = arguments[0].startswith("/")
    command = [*arguments] if wrapper else [sys.executable, "-m", "sandbox", *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is ok, done.stdout + done.stderr
    return done.stdout if ok else done.stdout + done.stderr


@pytest.fixture(scope="module")
def shown(home: Path, project: Path) -> list[dict[str, Any]]:
    """What the demo printed, which leaves the example stacks deployed."""
    archives: list[dict[str, Any]] = json.loads(run(home, "demo", "--json", cwd=project))
    return archives


def test_the_demo_archives_every_event_and_asks_athena(shown: list[dict[str, Any]]) -> None:
    (result,) = shown
    assert (result["stack"], result["complete"]) == ("archive", True)
    assert len(result["events"]) == 12
    assert {event["account"] for event in result["events"]} == {"222222222222", "333333333333", "444444444444"}
    assert all(event["sent"] == event["arrived"] > 0 for event in result["events"])
    country, rule, blocked, accounts = result["blocked"][0]
    assert country
    assert rule
    assert int(blocked) > 0
    assert accounts == "3"


def test_the_official_plugin_reaches_names_that_do_not_resolve_through_the_cloud(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANDBOX_PLUGIN", "official")
    run(home, "up")
    exported = dict(shlex.split(line)[1].split("=", 1) for line in run(home, "env", "--engine").splitlines())
    assert exported["AWS_ENDPOINT_URL"].startswith(f"{exported['HTTP_PROXY']}/")
    assert exported["NO_PROXY"] == "127.0.0.1"


@pytest.mark.usefixtures("shown")
def test_status_tells_where_the_cloud_is_and_which_stacks_there_are(home: Path) -> None:
    status = json.loads(run(home, "status", "--json"))
    assert status["running"]
    assert {"app-dev", "app-prod", "archive"} <= set(status["stacks"])


def test_env_prints_what_a_client_needs(home: Path) -> None:
    run(home, "up")
    exported = dict(shlex.split(line)[1].split("=", 1) for line in run(home, "env").splitlines())
    port = json.loads(run(home, "status", "--json"))["port"]
    assert exported["AWS_ENDPOINT_URL"].startswith(f"http://127.0.0.1:{port}/")
    assert exported["AWS_ACCESS_KEY_ID"] == "999999999999"


@pytest.mark.usefixtures("shown")
def test_env_with_the_engine_is_enough_to_verify_what_the_demo_left(home: Path, project: Path) -> None:
    exported = dict(shlex.split(line)[1].split("=", 1) for line in run(home, "env", "--engine").splitlines())
    done = subprocess.run(
        [sys.executable, "-m", "ops", "verify", "-s", "app-prod", "--json"],
        cwd=project, env={**os.environ, **exported}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert said["delivers"]
    assert len(said["verdicts"]) == 4


@pytest.mark.usefixtures("shown")
def test_the_wrapper_runs_from_any_folder_and_leaves_the_stack_file_alone(
    home: Path, project: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text((EXAMPLES_FOLDER / "Pulumi.app-dev.yaml").read_text().replace("shop-dev", "mine"))
    before = mine.read_bytes()
    printed = run(
        home, str(project / "sandbox/pulumi"), "preview", "-s", "mine", "--config-file", str(mine), "--json",
        cwd=project / "components",
    )  # fmt: skip
    assert json.loads(printed)["changeSummary"] == {"create": 13}
    assert mine.read_bytes() == before


def test_no_command_of_the_wrapper_writes_into_the_project(home: Path, project: Path, tmp_path: Path) -> None:
    run(home, "prepare", cwd=project)
    state = str(tmp_path / "state.json")
    for command in (
        ["stack", "init", "new"],
        ["stack", "select", "new"],
        ["stack", "rename", "-s", "new", "renamed"],
        ["stack", "ls"],
        ["stack", "output", "-s", "archive"],
        ["config", "-s", "app-dev"],
        ["config", "get", "archiveStack", "-s", "app-dev"],
        ["preview", "-s", "archive"],
        ["up", "--yes", "--skip-preview", "-s", "archive", "--config", "central-log-archive:retain=false"],
        ["refresh", "--yes", "--skip-preview", "-s", "archive"],
        ["stack", "export", "-s", "archive", "--file", state],
        ["stack", "import", "-s", "archive", f"--file={state}"],
        ["stack", "change-secrets-provider", "-s", "archive", "passphrase"],
        ["cancel", "--yes", "-s", "archive"],
        ["destroy", "--yes", "--skip-preview", "-s", "archive"],
        ["stack", "rm", "--yes", "renamed"],
        ["stack", "rm", "--yes", "-s", "archive"],
        ["up", "--help"],
    ):
        run(home, str(project / "sandbox/pulumi"), *command, cwd=project)
        assert git(project, "status", "--porcelain") == "", command
    for command in (
        ["new", "aws-python", "--yes", "--offline"],
        ["config", "set", "central-log-archive:retain", "false", "-s", "app-dev"],
        ["config", "rm", "central-log-archive:archiveStack", "-s", "app-dev"],
        ["config", "set-all", "-s", "app-dev", "--plaintext", "central-log-archive:retain=false"],
    ):
        printed = run(home, str(project / "sandbox/pulumi"), *command, ok=False, cwd=project)
        assert git(project, "status", "--porcelain") == "", command
        if command[0] == "config":
            assert f"the sandbox never writes to a stack file; edit {project / 'Pulumi.app-dev.yaml'}" in printed


def test_a_relative_file_is_one_of_the_folder_that_a_command_runs_in(home: Path, project: Path, tmp_path: Path) -> None:
    wrapper = str(project / "sandbox/pulumi")
    run(home, wrapper, "stack", "export", "-s", "exported", "--file", "state.json", cwd=tmp_path)
    run(home, wrapper, "stack", "import", "-s", "exported", "--file=state.json", cwd=tmp_path)
    assert json.loads((tmp_path / "state.json").read_text(encoding="utf-8"))["version"] == 3


def test_what_a_real_backend_wrote_into_a_stack_file_does_not_reach_the_sandbox(
    home: Path, project: Path, tmp_path: Path
) -> None:
    file = tmp_path / "Pulumi.archive.yaml"
    text = (EXAMPLES_FOLDER / "Pulumi.archive.yaml").read_text(encoding="utf-8")
    file.write_text(
        "secretsprovider: awskms:///alias/none?region=eu-west-1\nencryptedkey: AQICAH\n"
        "environment:\n  - central-log-archive/deploy\n\n# the archive\n" + text + "encryptionsalt: v1:another:v1:x\n",
        encoding="utf-8",
    )
    run(home, "prepare", str(file))
    run(home, "pulumi", "preview", "-s", "archive", "--config-file", str(file), cwd=project)


def test_a_cloud_hands_no_endpoint_of_another_cloud_to_its_functions(tmp_path: Path) -> None:
    """It hands its environment to them."""
    ready = tmp_path / "cloud.json"
    environment = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_PROFILE": "real"}
    running = server.start("sandbox.cloud", ready, environment=environment, detached=False)
    try:
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as packed:
            packed.writestr("main.py", "import os\ndef handler(event, context):\n    return dict(os.environ)\n")
        functions, iam = (
            root_client(endpoint_of(running), service, account="111111111111", region="eu-west-1")
            for service in ("lambda", "iam")
        )
        role = iam.create_role(RoleName="tell", AssumeRolePolicyDocument=policies.function_role_trust())["Role"]
        functions.create_function(
            FunctionName="tell", Role=role["Arn"], Runtime="python3.13", Handler="main.handler",
            Code={"ZipFile": code.getvalue()},
        )  # fmt: skip
        told = json.loads(functions.invoke(FunctionName="tell")["Payload"].read())
    finally:
        server.stop(ready)
    assert told["AWS_ENDPOINT_URL"] == endpoint_of(running)
    assert "AWS_PROFILE" not in told


def test_a_command_without_a_stack_says_how_to_name_one(home: Path) -> None:
    assert "name the stack: -s NAME" in run(home, "pulumi", "preview", ok=False)


def test_a_stack_without_a_file_says_how_to_name_one(home: Path) -> None:
    printed = run(home, "pulumi", "preview", "-s", "nowhere", ok=False)
    assert "there is no Pulumi.nowhere.yaml; name the stack's config with --config-file FILE" in printed


def test_prepare_makes_what_a_topology_presumes_and_nothing_twice(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.own.yaml"
    file.write_text(
        """
config:
  central-log-archive:archive: {account: "111111111111", region: eu-west-1}
  central-log-archive:applications:
    - account: "666666666666"
      regions:
        eu-west-1: {logGroups: [a, b, {name: c, create: true, retentionDays: 7}]}
"""
    )
    first, second = (json.loads(run(home, "prepare", str(file), "--json")) for _ in range(2))
    assert [(line["account"], line["made"], line["present"]) for line in first] == [
        ("111111111111", 0, 0),
        ("666666666666", 2, 0),
    ]
    assert [(line["made"], line["present"]) for line in second] == [(0, 0), (0, 2)]


def test_prepare_skips_a_file_without_keys_of_the_program_and_names_one_that_it_cannot_use(
    home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "Pulumi.mine.yaml"
    file.write_text("encryptionsalt: v1:x\n", encoding="utf-8")
    assert json.loads(run(home, "prepare", str(file), "--json")) == []
    file.write_text("config: {central-log-archive:archive: {}}\n", encoding="utf-8")
    assert "Pulumi.mine.yaml has" in run(home, "prepare", str(file), ok=False)


def test_prepare_takes_the_stack_files_of_the_project_by_default(home: Path, project: Path) -> None:
    prepared = json.loads(run(home, "prepare", "--json", cwd=project))
    assert {line["account"] for line in prepared} == {f"{digit}" * 12 for digit in (1, 2, 3, 4)}


def test_a_killed_cloud_is_started_anew_with_empty_state(tmp_path: Path) -> None:
    run(tmp_path, "pulumi", "stack", "init", "lost")
    try:
        cloud = Instance(tmp_path).cloud()
        assert cloud is not None
        os.kill(cloud.pid, 9)
        run(tmp_path, "up")
        status = json.loads(run(tmp_path, "status", "--json"))
    finally:
        run(tmp_path, "down")
    assert status["running"]
    assert status["pid"] != cloud.pid
    assert status["stacks"] == []


def test_a_lock_that_a_killed_engine_left_does_not_stop_the_next(home: Path, project: Path) -> None:
    run(home, "prepare", cwd=project)
    lock = home / "state/.pulumi/locks/organization/central-log-archive/archive/dead.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(
        json.dumps({"pid": 2**22 + 1, "username": "x", "hostname": "x", "timestamp": "2026-01-01T00:00:00Z"})
    )
    run(home, "pulumi", "preview", "-s", "archive", cwd=project)
    assert not lock.exists()


def test_two_sandboxes_do_not_see_each_other(home: Path, tmp_path: Path) -> None:
    run(home, "up")
    try:
        run(tmp_path, str(ROOT / "sandbox/pulumi"), "stack", "ls")  # starts the cloud when there is none
        one, two = (json.loads(run(each, "status", "--json")) for each in (home, tmp_path))
        assert one["port"] != two["port"]
    finally:
        run(tmp_path, "down")
    assert json.loads(run(home, "status", "--json"))["running"]
    assert not json.loads(run(tmp_path, "status", "--json"))["running"]


@pytest.mark.parametrize(("wanted", "installed"), [("official", 0), ("", 1)])
def test_the_sandbox_installs_its_own_plugin_unless_the_official_one_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wanted: str, installed: int
) -> None:
    monkeypatch.setenv("SANDBOX_PLUGIN", wanted)
    instance = Instance(tmp_path, detached=False)
    instance.up()
    try:
        environment = instance.pulumi_environment({**os.environ, "AWS_PROFILE": "real"}, Console(stderr=True))
        assert len([*tmp_path.glob("pulumi-home/plugins/resource-aws-v*/")]) == installed
        assert "AWS_PROFILE" not in environment
    finally:
        instance.down()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(server.ServerError, match=r"No module named sandbox\.nowhere"):
        server.start("sandbox.nowhere", tmp_path / "x.json", environment=os.environ, detached=False)


def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    ready = tmp_path / "cloud.json"
    script = (
        "import os; from pathlib import Path; from sandbox import server;"
        f"server.start('sandbox.cloud', Path({str(ready)!r}), environment=os.environ, detached=False); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    assert eventually(lambda: server.find(ready) is None)


def test_the_plugin_refuses_to_run_outside_the_sandbox() -> None:
    launcher = ROOT / "sandbox/plugin/launcher/pulumi-resource-aws"
    environment = {key: value for key, value in os.environ.items() if key != "SANDBOX_PLUGIN_HOST"}
    done = subprocess.run([launcher], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "run it with sandbox/pulumi" in done.stderr
