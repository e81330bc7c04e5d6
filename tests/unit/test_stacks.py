"""In which order stacks are promoted, and which of them a change affects."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ops.errors import OperatorError
from ops.promote.stacks import affected, chain, promotion_order, read_stacks
from ops.review.report import MARK

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


def test_the_example_stacks_are_promoted_one_after_another() -> None:
    assert chain("app-prod", read_stacks(ROOT)) == ["archive", "app-dev", "app-prod"]
    assert chain("app-dev", read_stacks(ROOT)) == ["archive", "app-dev"]
    assert chain("archive", read_stacks(ROOT)) == ["archive"]


def test_a_stack_is_promoted_after_its_archive_unless_promoted_from_names_another(tmp_path: Path) -> None:
    stacks = read_stacks(project(tmp_path, archive=None, dev="", prod="organization/project/dev"))
    assert chain("prod", stacks) == ["archive", "dev", "prod"]


@pytest.mark.parametrize(
    ("promoted_from", "problem"),
    [
        ({"prod": "dev", "dev": "prod"}, "prod → dev → prod: promotedFrom is circular"),
        ({"prod": "staging"}, r"Pulumi\.staging\.yaml does not exist, the predecessor of prod .*; stacks: prod"),
        ({"dev": ""}, r"Pulumi\.prod\.yaml does not exist; stacks: dev"),
    ],
)
def test_a_broken_chain_is_rejected(tmp_path: Path, promoted_from: dict[str, str], problem: str) -> None:
    with pytest.raises(OperatorError, match=problem):
        chain("prod", read_stacks(project(tmp_path, **promoted_from)))


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
def test_a_stack_is_affected_by_its_own_file_and_all_are_by_code(paths: list[str], stacks: list[str]) -> None:
    assert affected(paths, NAMES) == stacks


def test_the_folders_that_no_stack_uses_exist() -> None:
    folders = [
        path
        for path in (".github", "benchmarks", "docs", "ops", "sandbox", "terminal", "tests")
        if (ROOT / path).is_dir()
    ]
    assert len(folders) == 7
    assert affected([f"{path}/any" for path in folders], NAMES) == []


@pytest.mark.parametrize("workflow", ["promote.yml", "drift.yml"])
def test_the_workflows_know_every_stack_in_the_order_of_promotion(workflow: str) -> None:
    (job,) = yaml.safe_load((ROOT / ".github/workflows" / workflow).read_text(encoding="utf-8"))["jobs"].values()
    assert job["strategy"]["matrix"]["stack"] == promotion_order(read_stacks(ROOT))


def test_the_workflow_finds_its_comment_by_the_mark_of_the_report() -> None:
    assert f"mark='{MARK}'" in (ROOT / ".github/workflows/preview.yml").read_text(encoding="utf-8")


def test_ci_runs_the_engine_that_the_program_is_made_for() -> None:
    action = yaml.safe_load((ROOT / ".github/actions/pulumi/action.yml").read_text(encoding="utf-8"))
    (engine,) = [each["with"]["pulumi-version"] for each in action["runs"]["steps"] if "Pulumi" in each["name"]]
    assert f'"pulumi=={engine}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
