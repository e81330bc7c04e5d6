"""``python -m ops coverage``."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

import typer

from ops import outputs
from ops.cli.common import AsJson, ConfigFile, Stack, progress_bar, read_settings
from ops.coverage import Line, Requirement, Totals, survey, totals
from ops.errors import OperatorError
from terminal.console import print_json, stderr, stdout
from terminal.table import Table

_STYLES = {"archived": "green", "excluded": "dim", "missed": "red"}


def coverage(
    stack: Stack,
    config_file: ConfigFile = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            help="Minimum share of archived log groups: 100%, or PATTERN=100%. Can be specified multiple times."
        ),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List every log group of the accounts: whether it is archived, by which entry, and why not.

    Exit status: 0; 1 if a requirement is not met; 2 if it could not be found out.
    """
    requirements = [Requirement.parse(text) for text in require or ()]
    settings = read_settings(stack, config_file)
    try:
        archive = outputs.archive_of(stack, settings)
    except (OperatorError, FileNotFoundError) as error:  # only pulumi can be missing, and the rest needs none of it
        archive = None
        stderr.print(f"destinations are not compared with those of the archive: {error}", style="yellow")
    with progress_bar("reading accounts") as on_progress:
        lines = survey(settings, stack, archive, on_progress)
    sums = totals(lines)
    unmet = [text for requirement in requirements if (text := requirement.unmet(lines))]
    if as_json:
        print_json({"stack": stack, "logGroups": lines, "totals": sums, "unmet": unmet})
    else:
        _print_tables(lines, sums, {source.account: source.label for source in settings.sources})
    if unmet:
        raise OperatorError("\n".join(unmet), status=1)


def _print_tables(lines: list[Line], sums: list[Totals], labels: dict[str, str]) -> None:
    for (account, region), group in groupby(lines, key=lambda line: (line.account, line.region)):
        table = Table("log group", "status", "entry", "reason", title=f"{labels[account]}, {region}")
        for line in group:
            table.add_row(line.log_group, line.status, line.entry, line.reason, style=_STYLES[line.status])
        stdout.print(table)
    table = Table("account", "region", "archived", "excluded", "missed", title="Totals")
    for each in sums:
        table.add_row(labels[each.account], each.region, each.archived, each.excluded, each.missed)
    stdout.print(table)
