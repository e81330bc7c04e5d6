"""A checkout of the project of a test's own, in which commands write files and commit."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sandbox.server import ROOT
from tests.sandbox.ops_command import ops
from tests.sandbox.stacks import Stacks
from tests.stacks import EXAMPLES_FOLDER
from topology.stacks import files_in

_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".sandbox", "__pycache__", ".*_cache", ".hypothesis", ".own-*")


def copy_project(folder: Path, stack_files: Path = EXAMPLES_FOLDER) -> None:
    """Copy the project into a new folder, with other stack files in its root, those of the examples by default."""

    def left_out(parent: str, names: list[str]) -> set[str]:
        theirs = {file.name for file in files_in(ROOT)} if Path(parent) == ROOT else set()
        return theirs | _LEFT_OUT(parent, names)

    shutil.copytree(ROOT, folder, ignore=left_out)
    for file in files_in(stack_files):
        shutil.copy(file, folder)


@dataclass
class Checkout:
    """The project in a git repository of its own, whose stacks are those of a sandbox."""

    folder: Path
    stacks: Stacks

    def __post_init__(self) -> None:
        copy_project(self.folder)
        self.git("init", "--quiet")

    def init(self, stack: str) -> None:
        """Make a stack, and what the engine writes into its file."""
        self.stacks.pulumi("stack", "ls", "-s", stack)  # the wrapper makes a stack that is not there
        salted = (self.stacks.instance.folder / "project" / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
        with (self.folder / f"Pulumi.{stack}.yaml").open("a", encoding="utf-8") as file:
            file.write(salted)

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.folder, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, change: str = "", *, touch: bool = True) -> str:
        """Commit what is there, with a line more in the archive's stack file if nothing else, and return the commit."""
        if touch:
            with (self.folder / "Pulumi.archive.yaml").open("a", encoding="utf-8") as file:
                file.write(f"# {change}\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", change or "all")
        return self.git("rev-parse", "HEAD")

    def pulumi(self, *arguments: str, ok: bool = True) -> str:
        """Run a command of Pulumi as an operator does, who has none but this project; return what it printed."""
        done = subprocess.run(
            ["pulumi", *arguments, "--color", "never"],
            cwd=self.folder, env=self.stacks.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) is ok, done.stdout + done.stderr
        return done.stdout

    def ops(self, *arguments: str, status: int = 0) -> str:
        """Run a command; return what it printed, errors too where it has to fail."""
        return ops(self.stacks, *arguments, status=status, folder=self.folder)
