"""What an operator runs beside ``pulumi up``. It finds AWS as Pulumi does: by the variables of the environment."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from accounts.session import AWS_ERRORS
from ops import adoption, by_hand, importing, outputs, stacks
from ops import coverage as covering
from ops import gate as gating
from ops import preview as previewing
from ops import promotion as promoting
from ops import report as reporting
from ops import retire as retiring
from ops import verify as verifying
from topology import stack_file
from topology.settings import DEPLOYER_ROLE, Settings, SettingsError
from topology.stacks import files_in, ordered
from topology.stacks import read as read_stacks

ROOT = Path(__file__).resolve().parents[1]
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
output = Console()
progress = Console(stderr=True)
Stack = Annotated[str, typer.Option("--stack", "-s", help="The stack, like app-prod.")]
ConfigFile = Annotated[Path | None, typer.Option(help="The stack's file; default: Pulumi.STACK.yaml of the project.")]
Files = Annotated[
    list[Path] | None, typer.Argument(help="What pulumi preview --json --show-sames printed, a file for each stack.")
]
Allow = Annotated[
    list[str] | None,
    typer.Option(help="Logical name of a resource that holds data and may go. Can be given more than once."),
]
Timeout = Annotated[
    float | None, typer.Option(help="Seconds to wait; default: what the stream may gather events for, and 180.")
]
Account = Annotated[str, typer.Option(help="Id of the central account.")]
Region = Annotated[str, typer.Option(help="Home region, where the stream is.")]
StreamName = Annotated[str | None, typer.Option(help="The stream, where destinations lead to several.")]
Applications = Annotated[
    list[str] | None,
    typer.Option(
        "--application", help="Id of an account that sends; default: all that the destinations name. Can be repeated."
    ),
]
DeployerRole = Annotated[str, typer.Option(help="The role to assume in every account.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_REFUSED = (
    SettingsError, ValueError, adoption.AdoptionError, by_hand.ByHandError, importing.ImportingError,
    outputs.OutputsError, previewing.PreviewError, stacks.StacksError,
)  # fmt: skip
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def refusals() -> Iterator[None]:
    """End the command with status 2 and a text, where something cannot be found out."""
    try:
        yield
    except (*_REFUSED, *AWS_ERRORS) as error:
        progress.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None


@contextmanager
def shown(what: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """Show a bar while something goes on; yield what moves it, with the arguments of ``Progress.update``."""
    with Progress(console=progress, transient=True) as bar:
        yield partial(bar.update, bar.add_task(what, total=total))


def settings_of(stack: str, config_file: Path | None) -> Settings:
    """Return what the file of a stack says, or the one that is given instead."""
    return stack_file.read(config_file or ROOT / stack_file.file_name(stack))


@app.command()
def coverage(
    stack: Stack,
    config_file: ConfigFile = None,
    require: Annotated[
        list[str] | None,
        typer.Option(help="Fail unless so much is archived: 100%, or PATTERN=100%. Can be given more than once."),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List every log group of the accounts: whether it is archived, by which entry, and why not.

    Exit status: 0; 1 when a requirement is not met; 2 when it could not be found out.
    """
    with refusals():
        requirements = [covering.Requirement.parse(text) for text in require or ()]
        settings = settings_of(stack, config_file)
        with shown("reading accounts", total=len(settings.applications)) as update:
            lines = covering.survey(settings.applications, stack, lambda: update(advance=1))
    unmet = [text for requirement in requirements if (text := requirement.unmet(lines))]
    totals = covering.totals(lines)
    if as_json:
        data = {"stack": stack, "logGroups": lines, "totals": totals, "unmet": unmet}
        output.print_json(json.dumps(data, default=asdict))
    else:
        labels = {application.account: application.label for application in settings.applications}
        _show(lines, totals, labels)
    for text in unmet:
        progress.print(text, style="red", markup=False, highlight=False)
    if unmet:
        raise typer.Exit(1)


@app.command()
def verify(
    stack: Stack,
    config_file: ConfigFile = None,
    timeout: Timeout = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Prove that every account and region delivers: write a marked event in each, and wait for it in the bucket.

    Exit status: 0; 1 when an event was lost; 2 when it could not be found out.
    """
    with refusals():
        settings = settings_of(stack, config_file)
        if not settings.applications:
            raise SettingsError(f"stack {stack} has no applications; verify the stacks that have")
        archive = outputs.archive_of(stack, settings)
        with shown("waiting for the events in the bucket") as update:
            verdicts = verifying.verify(
                settings.applications,
                stack,
                archive,
                seconds=timeout,
                told=lambda done, of: update(completed=done, total=of),
            )
    lost = [verdict for verdict in verdicts if verdict.loss]
    if as_json:
        output.print_json(json.dumps({"stack": stack, "delivers": not lost, "verdicts": verdicts}, default=asdict))
    else:
        labels = {application.account: application.label for application in settings.applications}
        table = Table("account", "region", "", "what to do")
        for each in verdicts:
            place = labels[each.account], each.region
            if each.loss is None:
                table.add_row(*place, f"delivered in {each.seconds:.0f} s", "", style="green")
            else:
                lost_at = f"lost at the {each.loss.stage}: {each.loss.reason}"
                table.add_row(*place, lost_at, each.loss.remedy, style="red")
        output.print(table)
    if lost:
        raise typer.Exit(1)


@app.command()
def promote(
    to: Annotated[str, typer.Option(help="The stack to end with, like app-prod.")],
    allow: Allow = None,
    timeout: Timeout = None,
    *,
    only: Annotated[
        bool, typer.Option("--only", help="Refuse where a stack before it does not run this commit, or not deliver.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before each update.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the checked out commit through the stacks, from the archive on: preview, gate, update, verify each.

    Exit status: 0; 1 when it came to an end before; 2 when it could not begin. Run again, it goes on where it was.
    """

    def confirms(summary: reporting.Summary) -> bool:
        table = Table(*summary.counts, title=f"{summary.stack} would change")
        table.add_row(*map(str, summary.counts.values()))
        progress.print(table)
        for line in [*summary.stateful, *(f"{each} joins" for each in summary.joins),
                     *(f"{each} leaves" for each in summary.leaves), *summary.warnings]:  # fmt: skip
            progress.print(line, markup=False, highlight=False, soft_wrap=True)
        return yes or typer.confirm(f"Update {summary.stack}?", err=True)

    said: set[tuple[str, int]] = set()

    def verified(stack: str, done: int, of: int) -> None:
        if (stack, done) not in said:
            said.add((stack, done))
            progress.print(f"{stack}: {done} of {of} events are decided", style="dim", highlight=False)

    told = promoting.Told(
        says=lambda text: progress.print(text, style="bold", highlight=False),
        verified=verified,
        engine=lambda text: progress.print(text, style="dim", markup=False, highlight=False, soft_wrap=True),
        confirms=confirms,
    )
    promotion = promoting.Promotion(ROOT, to, only=only, allow=allow or (), seconds=timeout, told=told)
    ended: str | None = None
    with refusals():
        try:
            promotion.run()
        except promoting.PromotionError as error:
            ended = str(error)
    if as_json:
        output.print_json(json.dumps({"target": to, "steps": promotion.steps, "ended": ended}, default=asdict))
    else:
        table = Table("stack", "", Column("delivers from", justify="right"))
        for step in promotion.steps:
            table.add_row(step.stack, step.done, f"{step.delivers} places" if step.delivers else "")
        output.print(table)
    if ended:
        progress.print(ended, style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)


@app.command("stacks")
def list_stacks(
    since: Annotated[
        str | None, typer.Option(help="A commit or branch, like origin/main: only what a change since then touches.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the stacks in the order of promotion. A change touches a stack by its own file, and all of them by code.

    With --json, each stack comes with the number of its application accounts.
    """
    with refusals():
        settings = read_stacks(files_in(ROOT), lambda text: progress.print(text, markup=False, highlight=False))
        found = ordered(settings)
        if since is not None:
            touched = stacks.touched(_changed(since), settings)
            found = [stack for stack in found if stack in touched]
    if as_json:
        typer.echo(json.dumps([{"stack": each, "applications": len(settings[each].applications)} for each in found]))
    else:
        for stack in found:
            typer.echo(stack)


def _changed(since: str) -> list[str]:
    command = ["git", "diff", "--name-only", f"{since}...HEAD"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise stacks.StacksError(f"what changed since {since} is not known: {done.stderr.strip()}")
    return done.stdout.splitlines()


@app.command()
def report(files: Files = None, *, as_json: AsJson = False) -> None:
    """Print what previews would change, as Markdown for a pull request."""
    previews = _previews(files)
    if as_json:
        output.print_json(json.dumps([asdict(reporting.summary(each)) for each in previews]))
    else:
        typer.echo(reporting.comment(previews))


@app.command()
def gate(
    files: Files = None,
    allow: Allow = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Say whether previews may be applied. Exit status: 0; 1 when one must not; 2 when it could not be found out."""
    against = {preview.stack: gating.reasons(preview, allow or ()) for preview in _previews(files)}
    if as_json:
        output.print_json(json.dumps(against))
    else:
        for stack, reasons in against.items():
            output.print(f"{stack}: {'must not be applied' if reasons else 'may be applied'}", highlight=False)
            for reason in reasons:
                output.print(f"  {reason}", markup=False, highlight=False, soft_wrap=True)
    if any(against.values()):
        raise typer.Exit(1)


@app.command()
def adopt(
    stack: Stack,
    account: Account,
    region: Region,
    stream: StreamName = None,
    application: Applications = None,
    deployer_role: DeployerRole = DEPLOYER_ROLE,
    *,
    as_json: AsJson = False,
) -> None:
    """Read an archive that was made by hand; write the stack file that takes it over, and what Pulumi has to import.

    Nothing is changed in AWS. A stack file that is there already is left as it is, so that it can be corrected.
    Exit status: 0; 2 when the archive cannot be read, or not be adopted.
    """
    file = ROOT / stack_file.file_name(stack)
    imports = ROOT / f"import-{stack_file.stack_of(file)}.json"
    with refusals():
        with shown("reading accounts") as update:
            found = by_hand.read(
                account,
                region,
                stream=stream,
                applications=application or (),
                deployer_role=deployer_role,
                stack=stack,
                told=lambda done, of: update(completed=done, total=of),
            )
        plan = adoption.plan(found)
        written = importing.write_stack_file(file, plan.config)
        progress.print(f"{file.name} {'is written' if written else 'is there already, and is left as it is'}")
        archive = stack_file.read(file).archive
        if archive is None:
            raise SettingsError(f"{file.name} has no archive section, so it cannot take one over")
        needed = {
            "archive-account.yaml": archive.bootstrap_parameters,
            "application-account.yaml": {"ArchiveAccount": account, **archive.bootstrap_parameters_of_senders},
        }
        for template, parameters in needed.items():
            line = f"bootstrap/{template} needs {by_hand.parameters(parameters)}"
            progress.print(line, markup=False, highlight=False, soft_wrap=True)
        progress.print("previewing what Pulumi would make")
        adopted = importing.write_import_file(imports, ROOT, stack, adoption.ids(found, archive))
    if as_json:
        data = {"stackFile": file.name, "importFile": imports.name, "adopted": adopted, "bootstrap": needed}
        output.print_json(json.dumps({**data, "changes": plan.changes, "left": plan.left}))
        return
    table = Table("adopted", "id")
    for name, resource_id in adopted.items():
        table.add_row(name, resource_id)
    output.print(table)
    for title, lines in (("The first update changes", plan.changes), ("What stays beside the program", plan.left)):
        output.print(f"{title}:", style="bold")
        for line in lines:
            output.print(f"- {line}", markup=False, highlight=False, soft_wrap=True)
    output.print("Next:", style="bold")
    for command in (
        f"pulumi import -s {stack} --file {imports.name} --protect=false --generate-code=false",
        f"pulumi up -s {stack}",
        f"python -m ops verify -s {stack}",
        f"python -m ops retire -s {stack}",
    ):
        output.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def retire(
    stack: Stack,
    config_file: ConfigFile = None,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete subscription filters made by hand whose place the program's own have taken, so that no event comes twice.

    Exit status: 0; 1 when the filters were left; 2 when they could not be found out, or not all be deleted.
    """
    with refusals():
        settings = settings_of(stack, config_file)
        with shown("reading accounts", total=len(retiring.accounts(settings))) as update:
            filters = retiring.superseded(settings, stack, lambda: update(advance=1))
        table = Table("account", "region", "log group", "filter", title=f"Superseded filters: {len(filters)}")
        for each in filters:
            table.add_row(each.account, each.region, each.log_group, each.name)
        progress.print(table)
        if filters and not (yes or typer.confirm("Delete them?", err=True)):
            raise typer.Exit(1)
        with shown("deleting filters", total=len(filters)) as update:
            retiring.delete(filters, settings, stack, lambda: update(advance=1))
    if as_json:
        output.print_json(json.dumps({"stack": stack, "deleted": filters}, default=asdict))
    else:
        output.print(f"{len(filters)} filters are deleted.", highlight=False)


def _previews(files: list[Path] | None) -> list[previewing.Preview]:
    with refusals():
        return [previewing.read(file, file.stem) for file in files or ()]


def _show(lines: list[covering.Line], totals: list[covering.Totals], labels: dict[str, str]) -> None:
    styles = {"archived": "green", "excluded": "dim", "missed": "red"}
    listed = Table("account", "region", "log group", "", "by", "why")
    for line in lines:
        listed.add_row(
            labels[line.account], line.region, line.log_group, line.status, line.entry, line.reason,
            style=styles[line.status],
        )  # fmt: skip
    summed = Table("account", "region", *(Column(name, justify="right") for name in styles))
    for each in totals:
        summed.add_row(labels[each.account], each.region, str(each.archived), str(each.excluded), str(each.missed))
    output.print(listed)
    output.print(summed)


if __name__ == "__main__":
    app()
