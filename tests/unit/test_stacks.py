"""In which order stacks are promoted, and which of them a change affects."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from ops.promote.stacks import affected
from ops.review.report import MARK
from tests.stacks import EXAMPLES_FOLDER
from topology.settings import SettingsError
from topology.stacks import chain, files_in, promotion_order, read

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
    stacks = read(files_in(EXAMPLES_FOLDER))
    assert chain("app-prod", stacks) == ["archive", "app-dev", "app-prod"]
    assert chain("app-dev", stacks) == ["archive", "app-dev"]
    assert chain("archive", stacks) == ["archive"]


def test_every_stack_is_listed_once_and_after_its_predecessor(tmp_path: Path) -> None:
    stacks = read(files_in(project(tmp_path, archive=None, alpha="beta", beta="gamma", gamma="")))
    assert promotion_order(stacks) == ["archive", "gamma", "beta", "alpha"]


def test_a_stack_is_promoted_after_its_archive_unless_promoted_from_names_another(tmp_path: Path) -> None:
    stacks = read(files_in(project(tmp_path, archive=None, dev="", prod="organization/project/dev")))
    assert chain("prod", stacks) == ["archive", "dev", "prod"]


def test_a_project_without_stack_files_has_no_stacks(tmp_path: Path) -> None:
    assert promotion_order(read(files_in(tmp_path))) == []


@pytest.mark.parametrize(
    "text",
    ["encryptionsalt: v1:x\n", "", "config:\n", "config: {other-project:archive: {}}\n", "- a list\n"],
)
def test_a_file_without_keys_of_the_program_is_skipped_with_a_message(tmp_path: Path, text: str) -> None:
    (project(tmp_path, archive=None) / "Pulumi.mine.yaml").write_text(text, encoding="utf-8")
    messages: list[str] = []
    assert list(read(files_in(tmp_path), messages.append)) == ["archive"]
    assert messages == ["Pulumi.mine.yaml is skipped: it has no key that begins with central-log-archive:"]


def test_a_file_that_is_not_yaml_is_reported(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.mine.yaml").write_text("config: {", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"Pulumi\.mine\.yaml cannot be read as a stack file: while parsing"):
        read(files_in(tmp_path))


@pytest.mark.parametrize(
    ("promoted_from", "problem"),
    [
        ({"prod": "dev", "dev": "prod"}, "prod → dev → prod: promotedFrom is circular"),
        ({"prod": "staging"}, r"Pulumi\.staging\.yaml does not exist, the predecessor of prod .*; stacks: prod"),
        ({"dev": ""}, r"Pulumi\.prod\.yaml does not exist; stacks: dev"),
    ],
)
def test_a_broken_chain_is_rejected(tmp_path: Path, promoted_from: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        chain("prod", read(files_in(project(tmp_path, **promoted_from))))


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
        (["transforms-of-mine/README.md"], NAMES),
        (["docs/cost.md", "tests/unit/test_stacks.py", ".github/workflows/ci.yml"], []),
        (["CONTRIBUTING.md", ".pre-commit-config.yaml", ".devcontainer/devcontainer.json", "Makefile"], []),
        (["LICENSE", "pyproject.toml", "requirements-dev.txt", "bootstrap/archive-account.yaml"], []),
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
def test_the_workflows_find_the_stacks(workflow: str) -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows" / workflow).read_text(encoding="utf-8"))["jobs"]
    (find,) = [step["run"] for step in jobs["stacks"]["steps"] if step.get("id") == "find"]
    assert "python -m ops stacks --json" in find
    job = jobs[workflow.removesuffix(".yml")]
    assert job["strategy"]["matrix"] == {"include": "${{ fromJSON(needs.stacks.outputs.stacks) }}"}
    assert job["if"] == "needs.stacks.outputs.stacks != '[]'"  # GitHub fails a workflow whose matrix is empty


def test_a_promotion_updates_one_stack_after_another_each_behind_its_environment() -> None:
    job = yaml.safe_load((ROOT / ".github/workflows/promote.yml").read_text(encoding="utf-8"))["jobs"]["promote"]
    assert (job["strategy"]["max-parallel"], job["strategy"]["fail-fast"]) == (1, True)
    assert job["environment"] == "${{ matrix.stack }}"


def test_the_workflow_finds_its_comment_by_the_mark_of_the_report() -> None:
    assert f"mark='{MARK}'" in (ROOT / ".github/workflows/preview.yml").read_text(encoding="utf-8")


def test_ci_runs_the_engine_that_the_program_is_written_for() -> None:
    action = yaml.safe_load((ROOT / ".github/actions/pulumi/action.yml").read_text(encoding="utf-8"))
    (engine,) = [each["with"]["pulumi-version"] for each in action["runs"]["steps"] if "Pulumi" in each["name"]]
    assert f'"pulumi=={engine}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_a_merge_of_a_release_leaves_the_stack_files_as_they_are(tmp_path: Path) -> None:
    """With the merge driver that .gitattributes names, as docs/starting.md explains."""

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    def commit(**files: str) -> None:
        for name, text in files.items():
            (tmp_path / name.replace("__", ".")).write_text(text, encoding="utf-8")
        git("add", "--all")
        git("commit", "--message", "a change")

    shutil.copy(ROOT / ".gitattributes", tmp_path)
    git("init", "--initial-branch", "main")
    git("config", "merge.ours.driver", "true")
    commit(Pulumi__archive__yaml="of the example", Makefile="of the first release")
    git("switch", "--create", "release")
    commit(Pulumi__archive__yaml="of a later example", Makefile="of a later release")
    git("switch", "main")
    commit(Pulumi__archive__yaml="of a company")
    git("merge", "release")
    assert (tmp_path / "Pulumi.archive.yaml").read_text(encoding="utf-8") == "of a company"
    assert (tmp_path / "Makefile").read_text(encoding="utf-8") == "of a later release"
