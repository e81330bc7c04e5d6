"""Brings one commit through the stacks, from the archive to a target: preview, gate, update, proof that events arrive.

Which commit a stack runs, its own history of updates says, and whether it delivers is proved anew each time. So nothing
has to be kept beside Pulumi's state, and a promotion that was interrupted goes on where it was.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from pulumi import automation

from ops import gate, outputs, preview
from ops.report import Summary, summary
from ops.verify import verify
from topology import stacks
from topology.settings import Settings


class PromotionError(Exception):
    """The promotion has come to an end. The text says why, and what can be done."""


@dataclass(frozen=True)
class Step:
    """A stack on the way to the target.

    Attributes:
        stack: its name.
        done: ``already``, when it ran the commit before; or ``promoted``.
        summary: what the update changed, where there was one.
        delivers: in how many accounts and regions it was proved that events arrive.
    """

    stack: str
    done: Literal["already", "promoted"]
    summary: Summary | None
    delivers: int


@dataclass(frozen=True)
class Told:
    """Who is told of what happens, and asked.

    Attributes:
        says: gets a line of progress.
        verified: gets the stack, the number of events that have arrived or cannot, and that of all.
        engine: gets what the engine prints.
        confirms: gets what a stack would change; returns whether to go on.
    """

    says: Callable[[str], object]
    verified: Callable[[str, int, int], object]
    engine: Callable[[str], object]
    confirms: Callable[[Summary], bool]


@dataclass
class Promotion:
    """A promotion of the checked out commit.

    Attributes:
        root: folder of the project.
        target: the stack that it ends with.
        only: refuse where a stack before the target does not run the commit, instead of bringing it up first.
        allow: logical names of resources that hold data and may go.
        seconds: how long to wait for the events of a stack; None: as long as its stream may gather them.
        told: who is told.
        steps: what is done.
    """

    root: Path
    target: str
    only: bool
    allow: Collection[str]
    seconds: float | None
    told: Told
    steps: list[Step] = field(default_factory=list)

    def run(self) -> None:
        """Go from the first stack to the target.

        Raises:
            PromotionError: something forbids to go on; ``steps`` says how far it came.
            SettingsError: a stack file cannot be used, or the stacks do not follow one another.
            OutputsError: the archive cannot be found.
        """
        settings = stacks.read(stacks.files_in(self.root))
        chain = stacks.chain(self.target, settings)
        commit = self._commit()
        for stack in chain:
            history = self._stack(stack).history(show_secrets=False)
            ran = _ran(history)
            if ran == commit:
                self.told.says(f"{stack} runs {commit[:12]} already")
                self.steps.append(Step(stack, "already", None, self._deliver(stack, settings[stack])))
            elif self.only and stack != self.target:
                raise PromotionError(
                    f"{stack} comes before {self.target} and runs {ran or 'no commit that is known'}, not {commit}: "
                    f"promote to {stack} first"
                )
            else:
                back = _back(stack, history)
                changes = self._bring(stack, commit, back)
                try:
                    delivers = self._deliver(stack, settings[stack])
                except PromotionError as error:
                    raise PromotionError(f"{error}\n{back}") from None
                self.steps.append(Step(stack, "promoted", changes, delivers))

    def _commit(self) -> str:
        if changed := self._git("status", "--porcelain", "--untracked-files=no"):
            raise PromotionError(f"a commit is promoted, and here are changes that are in none:\n{changed}")
        return self._git("rev-parse", "HEAD")

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PromotionError(f"git {' '.join(arguments)} failed: {done.stderr.strip()}")
        return done.stdout.strip()

    def _stack(self, stack: str) -> automation.Stack:
        try:
            return automation.select_stack(stack, work_dir=str(self.root))
        except automation.StackNotFoundError:
            raise PromotionError(f"there is no stack {stack}: pulumi stack init {stack}") from None

    def _bring(self, stack: str, commit: str, back: str) -> Summary:
        """Update a stack, after its preview and what it says were found to be in order."""
        self.told.says(f"previewing {stack}")
        previewed = self._preview(stack)
        if reasons := gate.reasons(previewed, self.allow):
            raise PromotionError("\n  ".join([f"{stack} must not be applied:", *reasons]))
        changes = summary(previewed)
        if not self.told.confirms(changes):
            raise PromotionError(f"{stack} is left as it is, and so is all that comes after it")
        self.told.says(f"bringing up {stack}")
        try:
            self._stack(stack).up(message=f"promote {commit}", on_output=self.told.engine, color="never")
        except automation.ConcurrentUpdateError:
            raise PromotionError(
                f"{stack} is locked: another update runs, or one was interrupted. Wait for it, or give it up with "
                f"pulumi cancel -s {stack}; then run this again"
            ) from None
        except automation.CommandError as error:
            raise PromotionError(
                f"the update of {stack} failed:\n{error}\n"
                f"Mend what it says and run this again: it goes on with {stack}; {back}"
            ) from None
        return changes

    def _preview(self, stack: str) -> preview.Preview:
        printed: list[str] = []
        command = automation.LocalWorkspace(work_dir=str(self.root)).pulumi_command
        try:
            command.run(
                ["preview", "--json", "--show-sames", "--non-interactive", "--stack", stack],
                str(self.root),
                {},
                on_output=printed.append,
            )
        except automation.CommandError as error:
            if not any(line.startswith("{") for line in printed):
                raise PromotionError(f"the preview of {stack} failed:\n{error}") from None
        return preview.parse("\n".join(printed), f"the preview of {stack}", stack)

    def _deliver(self, stack: str, settings: Settings) -> int:
        """Prove that all accounts and regions of a stack deliver; return how many they are."""
        if not settings.applications:
            return 0
        self.told.says(f"verifying {stack}")
        archive = outputs.archive_of(stack, settings)
        verdicts = verify(
            settings.applications,
            stack,
            archive,
            seconds=self.seconds,
            told=partial(self.told.verified, stack),
        )
        if lost := [verdict for verdict in verdicts if verdict.loss]:
            lines = [
                f"account {each.account}, region {each.region}: lost at the {each.loss.stage}: {each.loss.reason}; "
                f"{each.loss.remedy}"
                for each in lost
                if each.loss
            ]
            raise PromotionError("\n  ".join([f"{stack} does not deliver:", *lines]))
        return len(verdicts)


def _back(stack: str, history: list[automation.UpdateSummary]) -> str:
    """Say how a stack gets back to the latest commit that it ran successfully."""
    for entry in history:  # the latest first
        if entry.kind == "update" and entry.result == "succeeded" and (good := entry.environment.get("git.head")):
            return f"to go back: git switch --detach {good} && python -m ops promote --to {stack}"
    return f"there is no earlier commit of {stack} to go back to"


def _ran(history: list[automation.UpdateSummary]) -> str | None:
    """Return the commit of the last successful update, if it was one, whole, and nothing came after it."""
    for entry in history:
        if entry.kind == "destroy":
            return None
        if entry.kind == "update":
            known = entry.result == "succeeded" and entry.environment.get("git.dirty") != "true"
            return entry.environment.get("git.head") if known else None
    return None
