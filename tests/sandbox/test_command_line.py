"""The sandbox's own commands, as people and `make` run them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from sandbox import server
from sandbox.instance import Instance
from sandbox.server import ROOT
from tests.sandbox.existing_archive import eventually


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("home")
    yield folder
    Instance(folder).down()


def run(home: Path, *arguments: str, ok: bool = True, cwd: Path = ROOT) -> str:
    """Run ``python -m sandbox``, or the wrapper when the first argument names it."""
    environment = {**os.environ, "SANDBOX_HOME": str(home), "PYTHONPATH": str(ROOT)}
    wrapper = arguments[0].startswith("/")
    command = [*arguments] if wrapper else [sys.executable, "-m", "sandbox", *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is ok, done.stdout + done.stderr
    return done.stdout if ok else done.stdout + done.stderr


def test_the_demo_archives_every_event_and_asks_athena(home: Path) -> None:
    result = json.loads(run(home, "demo", "--json"))
    assert result["complete"]
    assert len(result["events"]) == 12
    assert {event["account"] for event in result["events"]} == {"222222222222", "333333333333", "444444444444"}
    assert all(event["sent"] == event["archived"] > 0 for event in result["events"])
    country, rule, blocked, accounts = result["blocked"][0]
    assert country
    assert rule
    assert int(blocked) > 0
    assert accounts == "3"


def test_status_tells_where_the_cloud_is_and_which_stacks_there_are(home: Path) -> None:
    status = json.loads(run(home, "status", "--json"))
    assert status["running"]
    assert status["stacks"] == ["app-dev", "app-prod", "archive"]


def test_env_prints_what_a_client_needs(home: Path) -> None:
    exported = dict(shlex.split(line)[1].split("=", 1) for line in run(home, "env").splitlines())
    port = json.loads(run(home, "status", "--json"))["port"]
    assert exported["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{port}"
    assert exported["AWS_ACCESS_KEY_ID"] == "999999999999"


def test_env_with_the_engine_is_enough_to_verify_what_the_demo_left(home: Path) -> None:
    exported = dict(shlex.split(line)[1].split("=", 1) for line in run(home, "env", "--engine").splitlines())
    done = subprocess.run(
        [sys.executable, "-m", "ops", "verify", "-s", "app-prod", "--json"],
        cwd=ROOT, env={**os.environ, **exported}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert said["delivers"]
    assert len(said["verdicts"]) == 4


def test_the_wrapper_runs_from_any_folder_and_leaves_the_stack_file_alone(home: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text((ROOT / "Pulumi.app-dev.yaml").read_text().replace("shop-dev", "mine"))
    before = mine.read_bytes()
    printed = run(
        home, str(ROOT / "sandbox" / "pulumi"), "preview", "-s", "mine", "--config-file", str(mine), "--json",
        cwd=ROOT / "components",
    )  # fmt: skip
    assert json.loads(printed)["changeSummary"] == {"create": 13}
    assert mine.read_bytes() == before


def test_a_command_without_a_stack_says_how_to_name_one(home: Path) -> None:
    assert "say which stack: -s NAME" in run(home, "pulumi", "preview", ok=False)


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


def test_prepare_names_the_file_that_it_cannot_use(home: Path, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.bad.yaml").write_text("name: x\n")
    assert "is not a stack file with a config section" in run(
        home, "prepare", str(tmp_path / "Pulumi.bad.yaml"), ok=False
    )


def test_a_killed_cloud_is_started_anew_with_empty_state(home: Path) -> None:
    cloud = Instance(home).cloud()
    assert cloud is not None
    os.kill(cloud.pid, 9)
    run(home, "up")
    status = json.loads(run(home, "status", "--json"))
    assert status["running"]
    assert status["pid"] != cloud.pid
    assert status["stacks"] == []


def test_a_lock_that_a_killed_engine_left_does_not_stop_the_next(home: Path) -> None:
    run(home, "prepare", "Pulumi.archive.yaml")
    lock = home / "state/.pulumi/locks/organization/central-log-archive/archive/dead.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(
        json.dumps({"pid": 2**22 + 1, "username": "x", "hostname": "x", "timestamp": "2026-01-01T00:00:00Z"})
    )
    run(home, "pulumi", "preview", "-s", "archive")
    assert not lock.exists()


def test_two_sandboxes_do_not_see_each_other(home: Path, tmp_path: Path) -> None:
    run(home, "up")
    try:
        run(tmp_path, str(ROOT / "sandbox" / "pulumi"), "stack", "ls")  # starts the cloud when there is none
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
    environment = {key: value for key, value in os.environ.items() if key != "SANDBOX_PLUGIN_PORT"}
    done = subprocess.run([launcher], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "run it with sandbox/pulumi" in done.stderr
