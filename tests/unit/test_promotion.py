"""Which stacks a promotion updates, when it stops, and what it says then."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml
from pulumi import automation

from components.archive_outputs import ArchiveOutputs
from ops.errors import OperatorError
from ops.promote.git import git
from ops.promote.promotion import Promotion, Reporter, Step
from ops.review.report import Summary
from ops.verify.canaries import Verdict
from ops.verify.diagnosis import Loss
from tests.unit.command_line import Ops, rows
from tests.unit.fakes import Pulumi, failed

CENTRAL, SHOP, BANK = "111111111111", "222222222222", "333333333333"
OUTPUTS = {
    "account": CENTRAL, "region": "eu-west-1", "bucket": "logs", "stream": "stream", "layout": "dated",
    "originals": False, "destinations": {"eu-west-1": "arn"}, "topics": {}, "admittedAccounts": [SHOP, BANK],
}  # fmt: skip


def applications(*accounts: str) -> dict[str, object]:
    regions = {"eu-west-1": {"logGroups": ["a"]}}
    return {"applications": [{"account": account, "regions": regions} for account in accounts]}


STACKS: dict[str, dict[str, object]] = {
    "archive": {"archive": {
        "account": CENTRAL, "region": "eu-west-1", "destinationRegions": ["eu-west-1"],
        "senders": {"accounts": [SHOP, BANK]},
    }},
    "dev": {"archiveStack": "archive", **applications(SHOP)},
    "prod": {"archiveStack": "archive", "promotedFrom": "dev", **applications(SHOP, BANK)},
}  # fmt: skip


def commit_all(folder: Path) -> str:
    """Commit all files of a folder, and return the commit."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
    git(folder, *identity, "commit", "--quiet", "--message", "all")
    return git(folder, "rev-parse", "HEAD")


def entry(commit: str | None, kind: str = "update", result: str = "succeeded", *, dirty: bool = False) -> Any:  # noqa: ANN401
    """An entry of the history of a stack."""
    environment = {"git.dirty": str(dirty).lower(), **({"git.head": commit} if commit else {})}
    return automation.UpdateSummary(kind, datetime(2026, 5, 1, tzinfo=UTC), "", environment, {}, result)


def created(stack: str) -> dict[str, Any]:
    urn = f"urn:pulumi:{stack}::central-log-archive::central-log-archive:index:AppAccountSubscription::shop"
    return {"op": "create", "urn": urn, "newState": {"urn": urn}}


def deleted_bucket(stack: str) -> dict[str, Any]:
    urn = f"urn:pulumi:{stack}::central-log-archive::aws:s3/bucket:Bucket::archive-bucket"
    return {"op": "delete", "urn": urn, "oldState": {"urn": urn}}


def preview(*steps: dict[str, Any], **messages: str) -> list[str]:
    """The lines that a preview prints, with an error or a warning."""
    diagnostics = [{"message": f"{severity}: {text}", "severity": severity} for severity, text in messages.items()]
    return ["Previewing", *json.dumps({"steps": steps, "diagnostics": diagnostics}, indent=2).splitlines()]


@dataclass
class World:
    """A project whose checked-out commit is promoted.

    Attributes:
        commit: the commit.
        pulumi: the Pulumi CLI.
        previews: stack → what its preview prints, if it is not that nothing changes.
        losses: stack → account → where its event was lost.
        verified: stacks that were verified, with the arguments.
        repeats: how often a state of delivery is reported.
        said: what was reported, in its order.
        confirmed: whether updates are confirmed.
    """

    folder: Path
    commit: str
    pulumi: Pulumi
    previews: dict[str, list[str]] = field(default_factory=dict)
    losses: dict[str, dict[str, Loss]] = field(default_factory=dict)
    verified: list[tuple[str, tuple[str, ...], ArchiveOutputs, float | None]] = field(default_factory=list)
    repeats: int = 1
    said: list[object] = field(default_factory=list)
    confirmed: bool = True

    def promotion(self, target: str = "prod", *, only: bool = False, allow: tuple[str, ...] = ()) -> Promotion:
        reporter = Reporter(
            on_step=self.said.append,
            on_delivery=lambda *state: self.said.append(state),
            on_engine_output=lambda line: self.said.append(f"> {line}"),
            confirm=self.confirm,
        )
        return Promotion(self.folder, target, only=only, allow=allow, timeout=7, reporter=reporter)

    def stopped(self, target: str = "prod", *, only: bool = False, status: int = 1) -> str:
        """What a promotion says that stops."""
        with pytest.raises(OperatorError) as stopped:
            self.promotion(target, only=only).run()
        assert stopped.value.status == status
        return str(stopped.value)

    def confirm(self, changes: Summary) -> bool:
        self.said.append(changes)
        return self.confirmed

    def command(self, arguments: list[str]) -> list[str]:
        *options, stack = arguments
        assert options == ["preview", "--json", "--show-sames", "--non-interactive", "--stack"]
        return self.previews.get(stack, preview())

    def check(
        self, applications: Any, stack: str, archive: ArchiveOutputs, *, timeout: float | None,  # noqa: ANN401
        on_progress: Callable[[int, int], object],
    ) -> list[Verdict]:  # fmt: skip
        accounts = tuple(each.account for each in applications)
        self.verified.append((stack, accounts, archive, timeout))
        for _ in range(self.repeats):
            on_progress(len(accounts), len(accounts))
        lost = self.losses.get(stack, {})
        return [
            Verdict(account, "eu-west-1", None if account in lost else 1.0, lost.get(account)) for account in accounts
        ]


@pytest.fixture
def world(pulumi: Pulumi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for stack, config in STACKS.items():
        keys = {f"central-log-archive:{key}": value for key, value in config.items()}
        (tmp_path / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": keys}), encoding="utf-8")
    made = World(tmp_path, commit_all(tmp_path), pulumi)
    pulumi.histories = {stack: [] for stack in STACKS}
    pulumi.outputs = {"archive": OUTPUTS}
    pulumi.command = made.command
    pulumi.update = lambda stack: [f"Updating {stack}"]
    monkeypatch.setattr("ops.promote.promotion.check_delivery", made.check)
    return made


def summary(stack: str, **counts: int) -> Summary:
    none = dict.fromkeys(("created", "changed", "replaced", "deleted", "unchanged"), 0)
    return Summary(stack, none | counts, [], [], [], [], [])


def test_every_stack_on_the_way_is_previewed_updated_and_verified(world: World) -> None:
    world.previews = {"archive": preview(created("archive"))}
    promotion = world.promotion()
    promotion.run()
    assert promotion.steps == [
        Step("archive", "promoted", summary("archive", created=1), 0),
        Step("dev", "promoted", summary("dev"), 1),
        Step("prod", "promoted", summary("prod"), 2),
    ]
    assert world.pulumi.done == [(stack, f"promote {world.commit}") for stack in ("archive", "dev", "prod")]
    archive = ArchiveOutputs.of("archive", OUTPUTS)
    assert world.verified == [("dev", (SHOP,), archive, 7), ("prod", (SHOP, BANK), archive, 7)]
    assert world.said == [
        "previewing archive", summary("archive", created=1), "updating archive", "> Updating archive",
        "previewing dev", summary("dev"), "updating dev", "> Updating dev", "verifying dev", ("dev", 1, 1),
        "previewing prod", summary("prod"), "updating prod", "> Updating prod", "verifying prod", ("prod", 2, 2),
    ]  # fmt: skip


@pytest.mark.parametrize("only", [False, True])
def test_a_stack_that_runs_the_commit_is_verified_and_not_updated(world: World, *, only: bool) -> None:
    world.pulumi.histories |= {stack: [entry(world.commit)] for stack in ("archive", "dev")}
    promotion = world.promotion(only=only)
    promotion.run()
    assert promotion.steps == [
        Step("archive", "already", None, 0),
        Step("dev", "already", None, 1),
        Step("prod", "promoted", summary("prod"), 2),
    ]
    assert world.pulumi.done == [("prod", f"promote {world.commit}")]
    assert f"dev already runs {world.commit[:12]}" in world.said


@pytest.mark.parametrize(
    ("history", "runs"),
    [
        ([], "an unknown commit"),
        ([entry("new"), entry("old")], "new"),
        ([entry("new", "preview"), entry("new", "refresh"), entry("new", "import"), entry("old")], "old"),
        ([entry("new", result="failed"), entry("old")], "an unknown commit"),
        ([entry("new", result="in-progress"), entry("old")], "an unknown commit"),
        ([entry("new", dirty=True), entry("old")], "an unknown commit"),
        ([entry(None), entry("old")], "an unknown commit"),
        ([entry("old", "destroy"), entry("old")], "an unknown commit"),
        ([entry("new"), entry("old", "destroy")], "new"),
        ([entry("new", "refresh")], "an unknown commit"),
    ],
)
def test_a_stack_runs_the_commit_of_its_latest_update_if_that_is_all_that_it_runs(
    world: World, history: list[automation.UpdateSummary], runs: str
) -> None:
    world.pulumi.histories["archive"] = history
    assert world.stopped("dev", only=True) == (
        f"archive is promoted before dev and runs {runs} instead of {world.commit}: promote to archive first"
    )
    assert world.pulumi.done == []


ROLLBACK = "to roll back: git switch --detach good && python -m ops promote --to dev"
NO_ROLLBACK = "dev has no earlier commit to roll back to"
LOSS = Loss("filter", "it is missing", "run pulumi up")


@pytest.mark.parametrize(
    ("history", "rollback"),
    [
        ([], NO_ROLLBACK),
        ([entry("good"), entry("older")], ROLLBACK),
        ([entry("bad", result="failed"), entry("good")], ROLLBACK),
        ([entry("bad", "refresh"), entry(None), entry("good")], ROLLBACK),
        ([entry("bad", "destroy"), entry("bad", result="failed")], NO_ROLLBACK),
    ],
)
def test_a_stack_that_does_not_deliver_stops_with_how_to_roll_back(
    world: World, history: list[automation.UpdateSummary], rollback: str
) -> None:
    world.pulumi.histories |= {"archive": [entry(world.commit)], "dev": history}
    world.losses = {"dev": {SHOP: LOSS}}
    promotion = world.promotion()
    with pytest.raises(OperatorError) as stopped:
        promotion.run()
    assert str(stopped.value) == (
        "dev does not deliver:\n"
        f"  account {SHOP}, region eu-west-1: lost at the filter: it is missing; run pulumi up\n{rollback}"
    )
    assert stopped.value.status == 1
    assert promotion.steps == [Step("archive", "already", None, 0)]
    assert world.pulumi.done == [("dev", f"promote {world.commit}")]


def test_a_stack_that_runs_the_commit_and_does_not_deliver_stops_too(world: World) -> None:
    world.pulumi.histories |= {stack: [entry(world.commit)] for stack in STACKS}
    world.losses = {"prod": {BANK: LOSS}}
    assert world.stopped() == (
        f"prod does not deliver:\n  account {BANK}, region eu-west-1: lost at the filter: it is missing; run pulumi up"
    )


def test_an_archive_whose_outputs_cannot_be_read_could_not_be_found_out(world: World) -> None:
    world.pulumi.outputs = {}
    message = world.stopped("dev", status=2)
    assert message.startswith("the outputs of stack archive cannot be read: ")
    assert message.endswith(NO_ROLLBACK)


def test_a_preview_that_must_not_be_applied_stops_before_anyone_is_asked(world: World) -> None:
    world.previews = {"dev": preview(deleted_bucket("dev"))}
    assert world.stopped("dev") == (
        "dev must not be applied:\n"
        "  archive-bucket (Bucket) would be deleted: it holds data; if this is intended, pass --allow archive-bucket"
    )
    assert [stack for stack, _ in world.pulumi.done] == ["archive"]
    assert world.said[-1] == "previewing dev"
    world.promotion("dev", allow=("archive-bucket",)).run()
    assert [stack for stack, _ in world.pulumi.done] == ["archive", "archive", "dev"]


def test_a_preview_that_failed_stops_with_its_errors(world: World) -> None:
    def command(_: list[str]) -> Iterator[str]:
        yield from preview(error="account 5 is not served")
        raise failed("exit status 255")

    world.pulumi.command = command
    assert world.stopped("archive") == ("archive must not be applied:\n  the preview failed: account 5 is not served")


def test_a_preview_that_printed_something_else_stops(world: World) -> None:
    world.previews["archive"] = ["{"]
    assert world.stopped("archive", status=2).startswith("the preview of archive is not the output of pulumi preview")


def test_a_stack_with_an_archive_of_its_own_is_verified_with_that(world: World) -> None:
    archive = {"account": CENTRAL, "region": "eu-west-1"}
    keys = {f"central-log-archive:{key}": value for key, value in {"archive": archive, **applications(SHOP)}.items()}
    file = world.folder / "Pulumi.whole.yaml"
    file.write_text(yaml.safe_dump({"config": keys}), encoding="utf-8")
    world.pulumi.histories["whole"] = []
    world.pulumi.outputs = {"whole": OUTPUTS}
    world.promotion("whole").run()
    assert [(stack, found.stack) for stack, _, found, _ in world.verified] == [("whole", "whole")]


def test_a_preview_that_printed_nothing_stops_with_the_error_of_pulumi(world: World) -> None:
    def command(_: list[str]) -> NoReturn:
        raise failed("no passphrase")

    world.pulumi.command = command
    message = world.stopped("archive")
    assert message.startswith("the preview of archive failed:\n")
    assert "no passphrase" in message


def test_an_update_that_is_declined_changes_nothing(world: World) -> None:
    world.confirmed = False
    assert world.stopped("archive") == "the update of archive was declined; nothing was changed"
    assert world.pulumi.done == []


def test_an_update_that_failed_stops_with_how_to_go_on(world: World) -> None:
    def update(_: str) -> NoReturn:
        raise failed("AccessDenied")

    world.pulumi.update = update
    world.pulumi.histories["archive"] = [entry("good")]
    message = world.stopped("archive")
    assert message.startswith("the update of archive failed:\n")
    assert "AccessDenied" in message
    assert message.endswith(
        "\nFix the problem and run this command again: it resumes with archive; to roll back: git switch --detach good "
        "&& python -m ops promote --to archive"
    )


def test_a_locked_stack_stops_with_how_to_unlock_it(world: World) -> None:
    def update(_: str) -> NoReturn:
        raise automation.ConcurrentUpdateError(automation.CommandResult("", "", 255))

    world.pulumi.update = update
    assert world.stopped("archive") == (
        "archive is locked: another update is running, or one was interrupted. Wait for it, or cancel it with "
        "pulumi cancel -s archive; then run this command again"
    )


def test_a_stack_that_does_not_exist_stops_with_how_to_create_it(world: World) -> None:
    del world.pulumi.histories["archive"]
    assert world.stopped("dev") == "stack archive does not exist; create it with pulumi stack init archive"


def test_only_a_commit_is_promoted(world: World) -> None:
    (world.folder / "untracked").write_text("", encoding="utf-8")
    world.promotion("archive").run()
    file = world.folder / "Pulumi.archive.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    assert world.stopped("archive") == (
        "the working tree has uncommitted changes; commit them first:\n M Pulumi.archive.yaml"
    )
    assert len(world.pulumi.done) == 1


def test_the_command_asks_and_prints_the_steps_and_each_state_of_delivery_once(world: World, ops: Ops) -> None:
    world.repeats = 3
    done = ops("promote", "--to", "dev", "--timeout", "7", answer="y\ny\n")
    assert rows(done.stdout) == [
        ["stack", "result", "delivers from"], ["archive", "promoted", ""], ["dev", "promoted", "1 places"],
    ]  # fmt: skip
    headers = ["created", "changed", "replaced", "deleted", "unchanged"]
    assert rows(done.stderr) == [headers, ["0", "0", "0", "0", "0"]] * 2
    assert "archive would change" in done.stderr
    assert "\nverifying dev\n" in done.stderr
    assert "Update dev? [y/N]" in done.stderr
    assert done.stderr.count("dev: 1 of 1 events arrived or were lost") == 1
    assert "Updating dev" in done.stderr
    assert [each[3] for each in world.verified] == [7]


def test_the_command_shows_what_an_update_would_change_before_it_asks(world: World, ops: Ops) -> None:
    world.previews = {"archive": preview(deleted_bucket("archive"), warning="the stream is replaced")}
    done = ops("promote", "--to", "archive", "--allow", "archive-bucket", answer="n\n", status=1)
    assert "archive-bucket (Bucket) would be deleted" in done.stderr
    assert "the stream is replaced" in done.stderr
    assert "the update of archive was declined; nothing was changed" in done.stderr
    assert world.pulumi.done == []


def test_the_command_stops_with_status_1_and_prints_what_was_promoted(world: World, ops: Ops) -> None:
    world.losses = {"dev": {SHOP: LOSS}}
    done = ops("promote", "--to", "prod", "--yes", "--json", status=1)
    result = json.loads(done.stdout)
    assert (result["target"], [each["stack"] for each in result["steps"]]) == ("prod", ["archive"])
    assert result["ended"].startswith("dev does not deliver:")
    assert "dev does not deliver:" in done.stderr


@pytest.mark.usefixtures("world")
def test_the_command_promotes_only_one_stack_if_it_is_asked_to(ops: Ops) -> None:
    assert json.loads(ops("promote", "--to", "archive", "--only", "--yes", "--json").stdout)["ended"] is None
    assert "promote to archive first" in ops("promote", "--to", "dev", "--only", "--yes", status=1).stderr


def test_a_promotion_that_cannot_start_has_status_2_and_prints_no_steps(world: World, ops: Ops) -> None:
    done = ops("promote", "--to", "staging", "--yes", "--json", status=2)
    assert "Pulumi.staging.yaml does not exist" in done.stderr
    assert done.stdout == ""
    assert world.said == []
