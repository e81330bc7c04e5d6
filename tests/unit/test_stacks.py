"""Which stack follows which, and which a change touches."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ops.report import MARK
from ops.stacks import StacksError, chain, ordered, read, touched

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["app-dev", "app-prod", "archive"]
APPLICATIONS = [{"account": "222222222222", "regions": {"eu-west-1": {"logGroups": ["a"]}}}]


def project(folder: Path, **promoted_from: str | None) -> Path:
    for stack, before in promoted_from.items():
        config: dict[str, object] = {"archiveStack": "archive", "applications": APPLICATIONS}
        if before is None:
            config = {"archive": {"account": "111111111111", "region": "eu-west-1", "destinationRegions": ["eu-west-1"],
                                  "senders": {"accounts": ["222222222222"]}}}  # fmt: skip
        elif before:
            config["promotedFrom"] = before
        keys = {f"central-log-archive:{key}": value for key, value in config.items()}
        (folder / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": keys}), encoding="utf-8")
    return folder


def test_the_example_stacks_follow_one_another() -> None:
    assert chain("app-prod", read(ROOT)) == ["archive", "app-dev", "app-prod"]
    assert chain("app-dev", read(ROOT)) == ["archive", "app-dev"]
    assert chain("archive", read(ROOT)) == ["archive"]


def test_a_stack_follows_its_archive_unless_it_says_otherwise(tmp_path: Path) -> None:
    stacks = read(project(tmp_path, archive=None, dev="", prod="organization/project/dev"))
    assert chain("prod", stacks) == ["archive", "dev", "prod"]


@pytest.mark.parametrize(
    ("promoted_from", "problem"),
    [
        ({"prod": "dev", "dev": "prod"}, "prod → dev → prod: promotedFrom goes in a circle"),
        ({"prod": "staging"}, r"no Pulumi\.staging\.yaml, which prod follows .* there are prod"),
        ({"dev": ""}, r"there is no Pulumi\.prod\.yaml; there are dev"),
    ],
)
def test_stacks_that_do_not_follow_one_another_are_told(
    tmp_path: Path, promoted_from: dict[str, str], problem: str
) -> None:
    with pytest.raises(StacksError, match=problem):
        chain("prod", read(project(tmp_path, **promoted_from)))


@pytest.mark.parametrize(
    ("paths", "stacks"),
    [
        (["Pulumi.app-dev.yaml", "docs/cost.md", "README.md"], ["app-dev"]),
        (["Pulumi.app-prod.yaml", "Pulumi.archive.yaml"], ["app-prod", "archive"]),
        (["components/providers.py"], NAMES),
        (["Pulumi.app-dev.yaml", "requirements.txt"], NAMES),
        (["Pulumi.yaml"], NAMES),
        (["Pulumi.gone.yaml"], NAMES),
        (["transforms-of-mine/command.py"], NAMES),
        (["docs/cost.md", "tests/unit/test_stacks.py", ".github/workflows/ci.yml"], []),
    ],
)
def test_a_stack_is_touched_by_its_own_file_and_all_are_by_code(paths: list[str], stacks: list[str]) -> None:
    assert touched(paths, NAMES) == stacks


def test_what_is_told_to_be_beside_the_stacks_is_there() -> None:
    beside = [path for path in (".github", "benchmarks", "docs", "ops", "sandbox", "tests") if (ROOT / path).is_dir()]
    assert len(beside) == 6
    assert touched([f"{path}/any" for path in beside], NAMES) == []


@pytest.mark.parametrize("workflow", ["promote.yml", "drift.yml"])
def test_the_workflows_know_every_stack_in_the_order_of_promotion(workflow: str) -> None:
    (job,) = yaml.safe_load((ROOT / ".github/workflows" / workflow).read_text(encoding="utf-8"))["jobs"].values()
    assert job["strategy"]["matrix"]["stack"] == ordered(read(ROOT))


def test_the_workflow_finds_its_comment_by_the_mark_of_the_report() -> None:
    assert f"mark='{MARK}'" in (ROOT / ".github/workflows/preview.yml").read_text(encoding="utf-8")


def test_ci_runs_the_engine_that_the_program_is_made_for() -> None:
    action = yaml.safe_load((ROOT / ".github/actions/pulumi/action.yml").read_text(encoding="utf-8"))
    (engine,) = [each["with"]["pulumi-version"] for each in action["runs"]["steps"] if "Pulumi" in each["name"]]
    assert f'"pulumi=={engine}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
