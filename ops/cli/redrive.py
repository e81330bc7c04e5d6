"""``python -m ops redrive``."""

from __future__ import annotations

from typing import Annotated

import typer

from ops import outputs
from ops.cli.common import AsJson, ConfigFile, Stack, moment, progress_bar, read_settings
from ops.errors import OperatorError
from ops.redrive import Outcome, Redrive, totals
from terminal.console import print_json, stderr, stdout
from terminal.table import Table

_STYLES = {"redriven": "green", "redrivable": "", "redriven before": "dim", "unreadable": "red"}


def redrive(
    stack: Stack,
    since: Annotated[
        str,
        typer.Option(
            "--from", help="Day or moment, in UTC, from which on they arrived: 2026-05-01 or 2026-05-01T09:30."
        ),
    ],
    until: Annotated[
        str, typer.Option("--to", help="Day up to which they arrived, inclusive, or moment before which they did.")
    ],
    config_file: ConfigFile = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be put back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put the records under errors/ back into the stream, each object once, and list what cannot be read.

    Fix the cause first: what fails again is written under errors/ again, with the date of that day.

    Exit status: 0; 1 if something cannot be read; 2 if the command could not be completed.
    """
    period = moment("--from", since), moment("--to", until, end=True)
    if period[0] >= period[1]:
        raise OperatorError(f"--to {until} is not later than --from {since}")
    errors = Redrive(outputs.archive_of(stack, read_settings(stack, config_file)), stack)
    keys = errors.keys(*period)
    done: list[Outcome] = []
    try:
        with progress_bar("reading objects" if dry_run else "putting records") as on_progress:
            for key in keys:
                on_progress(len(done), len(keys))
                done.append(errors.run(key, dry_run=dry_run))
    finally:  # what was done is printed even if an object cannot be
        if as_json:
            print_json({"stack": stack, "dryRun": dry_run, "objects": done, "totals": totals(done)})
        else:
            _print_tables(done)
    if any(outcome.result == "redriven" for outcome in done):
        stderr.print("what fails again will be under errors/ again, with today's date, once the stream has written it")
    if any(outcome.unreadable for outcome in done):
        raise typer.Exit(1)


def _print_tables(done: list[Outcome]) -> None:
    table = Table("object", "result", "records", "bytes", "unreadable", title=f"Objects: {len(done)}")
    for each in done:
        result = f"{each.result}, {each.redriven}" if each.result == "redriven before" else each.result
        records, size = sum(cause.records for cause in each.causes), sum(cause.bytes for cause in each.causes)
        style = "red" if each.unreadable else _STYLES[each.result]
        table.add_row(each.key, result, records, size, "; ".join(each.unreadable), style=style)
    stdout.print(table)
    table = Table("error type", "error code", "objects", "records", "bytes", title="Totals")
    for total in totals(done):
        table.add_row(total.error_type, total.code, total.objects, total.records, total.bytes)
    stdout.print(table)
