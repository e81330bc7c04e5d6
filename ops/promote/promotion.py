"""Promotes a commit through the stacks, from the archive to a target: preview, gate, update, verify.

Which commit a stack runs is in its own update history, and whether it delivers is verified each time. So there is no
state to keep outside Pulumi, and an interrupted promotion resumes where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from pulumi import automation

from ops import outputs
from ops.errors import OperatorError
from ops.promote.git import git
from ops.review import gate
from ops.review.preview import Preview, parse
from ops.review.report import Summary, summary
from ops.verify.canaries import check_delivery
from topology.settings import Settings
from topology.stacks import chain, files_in, read


@dataclass(frozen=True)
class Step:
    """A stack on the way to the target.

    Attributes:
        stack: name of the stack.
        done: ``already`` if it ran the commit before; or ``promoted``.
        summary: what the update changed, if there was one.
        delivers: in how many accounts and regions delivery was verified.
    """

    stack: str
    done: Literal["already", "promoted"]
    summary: Summary | None
    delivers: int


@dataclass(frozen=True)
class Reporter:
    """Shows the progress of a promotion, and confirms its updates.

    Attributes:
        on_step: called with what happens next.
        on_delivery: called with a stack, how many of its events arrived or were lost, and how many there are.
        on_engine_output: called with a line of the engine's output.
        confirm: called with what an update would change; returns whether to apply it.
    """

    on_step: Callable[[str], object]
    on_delivery: Callable[[str, int, int], object]
    on_engine_output: Callable[[str], object]
    confirm: Callable[[Summary], bool]


@dataclass
class Promotion:
    """A promotion of the checked-out commit.

    Attributes:
        root: folder of the project.
        target: the last stack to promote.
        only: fail if a stack before the target does not run the commit, instead of updating it first.
        allow: logical names of resources that hold data and may be deleted or replaced.
        timeout: seconds to wait for the events of a stack; None: the stream's buffer interval and three minutes.
        reporter: shows the progress.
        steps: the stacks promoted so far.
    """

    root: Path
    target: str
    only: bool
    allow: Collection[str]
    timeout: float | None
    reporter: Reporter
    steps: list[Step] = field(default_factory=list)

    def run(self) -> None:
        """Promote the commit from the first stack to the target.

        Raises:
            OperatorError: the promotion stopped (status 1), or could not be started (2); ``steps`` shows how far it
                came.
            SettingsError: a stack file is not valid.
        """
        settings = read(files_in(self.root))
        stacks = chain(self.target, settings)
        commit = self._commit()
        for stack in stacks:
            history = self._stack(stack).history(show_secrets=False)
            deployed = _deployed_commit(history)
            if deployed == commit:
                self.reporter.on_step(f"{stack} already runs {commit[:12]}")
                self.steps.append(Step(stack, "already", None, self._verify(stack, settings[stack])))
            elif self.only and stack != self.target:
                raise OperatorError(
                    f"{stack} is promoted before {self.target} and runs {deployed or 'an unknown commit'} instead of "
                    f"{commit}: promote to {stack} first",
                    status=1,
                )
            else:
                rollback = _rollback(stack, history)
                changes = self._update(stack, commit, rollback)
                try:
                    delivers = self._verify(stack, settings[stack])
                except OperatorError as error:
                    raise OperatorError(f"{error}\n{rollback}", status=error.status) from None
                self.steps.append(Step(stack, "promoted", changes, delivers))

    def _commit(self) -> str:
        if changed := git(self.root, "status", "--porcelain", "--untracked-files=no"):
            raise OperatorError(f"the working tree has uncommitted changes; commit them first:\n{changed}", status=1)
        return git(self.root, "rev-parse", "HEAD")

    def _stack(self, stack: str) -> automation.Stack:
        try:
            return automation.select_stack(stack, work_dir=str(self.root))
        except automation.StackNotFoundError:
            raise OperatorError(
                f"stack {stack} does not exist; create it with pulumi stack init {stack}", status=1
            ) from None

    def _update(self, stack: str, commit: str, rollback: str) -> Summary:
        """Update a stack if its preview passes the gate and is confirmed."""
        self.reporter.on_step(f"previewing {stack}")
        preview = self._preview(stack)
        if reasons := gate.reasons(preview, self.allow):
            raise OperatorError(f"{stack} must not be applied:", *reasons, status=1)
        changes = summary(preview)
        if not self.reporter.confirm(changes):
            raise OperatorError(f"the update of {stack} was declined; nothing was changed", status=1)
        self.reporter.on_step(f"updating {stack}")
        try:
            self._stack(stack).up(
                message=f"promote {commit}",
                policy_packs=[str(self.root / "policy")],  # now it judges what was unknown in the preview
                on_output=self.reporter.on_engine_output,
                color="never",
            )
        except automation.ConcurrentUpdateError:
            raise OperatorError(
                f"{stack} is locked: another update is running, or one was interrupted. Wait for it, or cancel it with "
                f"pulumi cancel -s {stack}; then run this command again",
                status=1,
            ) from None
        except automation.CommandError as error:
            raise OperatorError(
                f"the update of {stack} failed:\n{error}\n"
                f"Fix the problem and run this command again: it resumes with {stack}; {rollback}",
                status=1,
            ) from None
        return changes

    def _preview(self, stack: str) -> Preview:
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
                raise OperatorError(f"the preview of {stack} failed:\n{error}", status=1) from None
        return parse("\n".join(printed), f"the preview of {stack}", stack)

    def _verify(self, stack: str, settings: Settings) -> int:
        """Verify that all accounts and regions of a stack deliver; return how many there are."""
        if not settings.applications:
            return 0
        self.reporter.on_step(f"verifying {stack}")
        verdicts = check_delivery(
            settings.applications,
            stack,
            outputs.archive_of(stack, settings),
            timeout=self.timeout,
            on_progress=partial(self.reporter.on_delivery, stack),
        )
        if losses := [
            f"account {each.account}, region {each.region}: lost at the {each.loss.stage}: {each.loss.reason}; "
            f"{each.loss.remedy}"
            for each in verdicts
            if each.loss
        ]:
            raise OperatorError(f"{stack} does not deliver:", *losses, status=1)
        return len(verdicts)


def _rollback(stack: str, history: list[automation.UpdateSummary]) -> str:
    """Return how to roll a stack back to the latest commit that it ran successfully."""
    for entry in history:  # latest first
        if entry.kind == "update" and entry.result == "succeeded" and (good := entry.environment.get("git.head")):
            return f"to roll back: git switch --detach {good} && python -m ops promote --to {stack}"
    return f"{stack} has no earlier commit to roll back to"


def _deployed_commit(history: list[automation.UpdateSummary]) -> str | None:
    """Return the commit of the latest update, if it succeeded, with a clean working tree, and nothing came after it."""
    for entry in history:
        if entry.kind == "destroy":
            return None
        if entry.kind == "update":
            known = entry.result == "succeeded" and entry.environment.get("git.dirty") != "true"
            return entry.environment.get("git.head") if known else None
    return None
