"""What an operator runs beside ``pulumi up``. It finds AWS as Pulumi does: by the variables of the environment."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from components import stack_file
from components.inventory import READ_ERRORS
from components.settings import SettingsError
from ops import coverage as covering
from ops import gate as gating
from ops import preview as previewing
from ops import report as reporting

ROOT = Path(__file__).resolve().parents[1]
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
output = Console()
progress = Console(stderr=True)
Files = Annotated[
    list[Path], typer.Argument(help="What pulumi preview --json --show-sames printed, a file for each stack.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def coverage(
    stack: Annotated[str, typer.Option("--stack", "-s", help="The stack, like app-prod.")],
    config_file: Annotated[
        Path | None, typer.Option(help="The stack's file; default: Pulumi.STACK.yaml of the project.")
    ] = None,
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
    try:
        requirements = [covering.Requirement.parse(text) for text in require or ()]
        settings = stack_file.read(config_file or ROOT / f"Pulumi.{stack.rsplit('/', maxsplit=1)[-1]}.yaml")
        with Progress(console=progress, transient=True) as bar:
            task = bar.add_task("reading accounts", total=len(settings.applications))
            lines = covering.survey(settings.applications, stack, lambda: bar.advance(task))
    except (SettingsError, ValueError, *READ_ERRORS) as error:
        progress.print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(2) from None
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
def report(files: Files, *, as_json: AsJson = False) -> None:
    """Print what previews would change, as Markdown for a pull request."""
    previews = _previews(files)
    if as_json:
        output.print_json(json.dumps([asdict(reporting.summary(each)) for each in previews]))
    else:
        typer.echo(reporting.comment(previews))


@app.command()
def gate(
    files: Files,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Logical name of a resource that holds data and may go. Can be given more than once."),
    ] = None,
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


def _previews(files: list[Path]) -> list[previewing.Preview]:
    try:
        return [previewing.read(file, file.stem) for file in files]
    except previewing.PreviewError as error:
        progress.print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(2) from None


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
