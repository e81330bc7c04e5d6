"""What no tool checks: links, paths, hooks, decisions, owners, and versions that appear in several places."""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md")])
DECISIONS = sorted(ROOT.glob("docs/adr/*.md"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
DEVCONTAINER = ROOT / ".devcontainer" / "devcontainer.json"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:[\w.-]+/)+[\w.-]*")
# Prefixes of objects, metric namespaces, what commands create, and folders of the operator.
_ELSEWHERE = re.compile(
    r"(?:AWS|central-log-archive|control|digests|errors|logs|originals|mutants|transforms|\.sandbox|\.venv)/"
)
_STACK_FILE = re.compile(r"Pulumi\..+\.yaml")


def read(path: str) -> Any:  # noqa: ANN401 - YAML or JSON
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub creates for the headings of a page."""
    found: Counter[str] = Counter()
    for heading in re.findall(r"^#+ (.+)$", _BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        found[re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")] += 1
    return {f"{anchor}-{number}" if number else anchor for anchor, count in found.items() for number in range(count)}


def broken_links(page: Path) -> Iterator[str]:
    text = _SPAN.sub("", _BLOCK.sub("", page.read_text(encoding="utf-8")))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if ":" in path or _STACK_FILE.fullmatch(target.name):  # stack files are the operator's: any of them may be gone
            continue
        if not (target.exists() and (not anchor or anchor in anchors(target))):
            yield link


def missing_paths(page: Path) -> Iterator[str]:
    """Yield the paths in code spans that the repository does not have. Paths with placeholders are ignored."""
    for span in _SPAN.findall(_BLOCK.sub("", page.read_text(encoding="utf-8"))):
        path = span.split()[0]
        if _PATH.fullmatch(path) and not _ELSEWHERE.match(path) and not (ROOT / path).exists():
            yield path


def make_targets(text: str) -> set[str]:
    """Return the targets that code on a page calls ``make`` with."""
    code = [block for language, block in _BLOCK.findall(text) if language == "sh"]
    code += _SPAN.findall(_BLOCK.sub("", text))
    return {target for each in code for target in re.findall(r"^make ([a-z-]+)", each, re.MULTILINE)}


def hook_of(command: str) -> dict[str, object]:
    """Return the hook that runs a command of the Makefile. Pre-commit has no shell: it passes the files of a glob."""
    words = command.strip().replace("$(BIN)", ".venv/bin").split()
    globs = [word for word in words if "*" in word]
    entry = " ".join(word for word in words if word not in globs)
    if not globs:
        return {"entry": entry, "pass_filenames": False, "always_run": True}
    (glob,) = globs
    pattern = re.escape(glob).replace(r"\*", "[^/]+")
    return {"entry": entry, "files": f"^{pattern}$"}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert list(broken_links(page)) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Two `words`, one [link](a)\n# Twice\n```\n# code\n```\n# Twice\n")
    page = tmp_path / "page.md"
    good = "[a](other.md) [b](other.md#two-words-one-link) [c](other.md#twice-1) [d](https://aws.amazon.com) `[e](f)`"
    page.write_text(f"# Here\n{good} [f](#here) [g](gone.md) [h](other.md#code) [i](#there)\n[j](other.md#twice-2)\n")
    assert list(broken_links(page)) == ["gone.md", "other.md#code", "#there", "other.md#twice-2"]


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_path_in_a_code_span_exists(page: Path) -> None:
    assert list(missing_paths(page)) == []


def test_a_missing_path_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    good = "`ops/cli/` `sandbox/pulumi up` `errors/` `date=…/` `/aws/lambda/*` `logs:PutLogEvents`\n```\n`gone/`\n```\n"
    page.write_text(f"{good} `transform/` `ops/gone.py --json` [`topology/gone`](x)\n")
    assert list(missing_paths(page)) == ["transform/", "ops/gone.py", "topology/gone"]


@pytest.mark.parametrize("page", [*PAGES, DEVCONTAINER], ids=page_name)
def test_every_target_of_make_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = make_targets(text if page.suffix == ".md" else f"`{json.loads(text)['postCreateCommand']}`")
    assert named <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def test_targets_of_make_are_found_in_code_only() -> None:
    page = "make sense of `make one`:\n```sh\nmake two   # make three\n```\n```mermaid\nmake four\n```\n"
    assert make_targets(page) == {"one", "two"}


def test_the_hooks_of_a_commit_are_the_commands_of_make_check() -> None:
    (commands,) = re.findall(r"^check:.*\n((?:\t.+\n)+)", MAKEFILE, re.MULTILINE)
    (repository,) = read(".pre-commit-config.yaml")["repos"]
    hooks = [{key: hook[key] for key in hook.keys() - {"id", "name", "language"}} for hook in repository["hooks"]]
    assert hooks == [hook_of(command) for command in commands.splitlines()]


@pytest.mark.parametrize("page", DECISIONS, ids=page_name)
def test_a_decision_has_its_number_a_status_and_a_date(page: Path) -> None:
    title, _, status, day, blank, *_ = page.read_text(encoding="utf-8").splitlines()
    assert title.startswith(f"# {int(page.name[:4])}. ")
    assert re.fullmatch(r"- Status: (proposed|accepted|rejected|deprecated|superseded by \[.+\]\(.+\))", status)
    assert date.fromisoformat(day.removeprefix("- Date: "))
    assert blank == ""


def test_dependabot_covers_every_go_module() -> None:
    files = [file for folder in ("sandbox", "tests") for file in ROOT.glob(f"{folder}/**/go.mod")]
    modules = [f"/{file.parent.relative_to(ROOT)}" for file in files]
    updates = read(".github/dependabot.yml")["updates"]
    covered = [update["directories"] for update in updates if update["package-ecosystem"] == "gomod"]
    assert sorted(modules) == sorted(itertools.chain(*covered))


def test_what_has_an_owner_exists() -> None:
    lines = (ROOT / ".github" / "CODEOWNERS").read_text(encoding="utf-8").splitlines()
    owned = [line.split()[0] for line in lines if line and not line.startswith("#")]
    assert [path for path in owned if path != "*" and not (ROOT / path.removeprefix("/")).exists()] == []


def test_the_engine_has_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (package,) = re.findall(r"^pulumi==(.+)$", "\n".join(project["dependencies"]), re.MULTILINE)
    go_module = (ROOT / "sandbox" / "engine" / "cli" / "go.mod").read_text(encoding="utf-8")
    (built,) = re.findall(r"github\.com/pulumi/pulumi/pkg/v3 v(\S+)", go_module)
    steps = read(".github/actions/pulumi/action.yml")["runs"]["steps"]
    (installed,) = [step["with"]["pulumi-version"] for step in steps if "pulumi-version" in step.get("with", {})]
    assert package == built == installed


def test_the_development_container_has_the_python_and_go_of_ci() -> None:
    steps = read(".github/workflows/ci.yml")["jobs"]["test"]["steps"]
    versions = {key: step["with"][key] for step in steps for key in step.get("with", {}) if key.endswith("-version")}
    container = json.loads(DEVCONTAINER.read_text(encoding="utf-8"))
    assert container["image"].rpartition(":")[2] == versions["python-version"]
    assert container["features"]["ghcr.io/devcontainers/features/go:1"]["version"] == versions["go-version"]


def test_the_changelog_has_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased, latest, *_ = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    assert unreleased == "Unreleased"
    assert re.fullmatch(rf"{re.escape(project['version'])} - \d{{4}}-\d{{2}}-\d{{2}}", latest)
