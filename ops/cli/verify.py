"""``python -m ops verify``."""

from __future__ import annotations

import typer

from ops import outputs
from ops.cli.common import AsJson, ConfigFile, Stack, Timeout, progress_bar, read_settings
from ops.errors import OperatorError
from ops.verify.canaries import check_delivery
from terminal.console import print_json, stdout
from terminal.table import Table


def verify(
    stack: Stack,
    config_file: ConfigFile = None,
    timeout: Timeout = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Verify that every account and region delivers: write a marked event in each, and find it in the bucket.

    Exit status: 0; 1 if an event was lost; 2 if it could not be found out.
    """
    settings = read_settings(stack, config_file)
    if not settings.applications:
        raise OperatorError(f"stack {stack} has no applications; verify the stacks that have some")
    archive = outputs.archive_of(stack, settings)
    with progress_bar("waiting for the events in the bucket") as on_progress:
        verdicts = check_delivery(settings.applications, stack, archive, timeout=timeout, on_progress=on_progress)
    delivers = not any(verdict.loss for verdict in verdicts)
    if as_json:
        print_json({"stack": stack, "delivers": delivers, "verdicts": verdicts})
    else:
        labels = {application.account: application.label for application in settings.applications}
        table = Table("account", "region", "result", "remedy")
        for each in verdicts:
            place = labels[each.account], each.region
            if each.loss is None:
                table.add_row(*place, f"delivered in {each.seconds:.0f} s", None, style="green")
            else:
                result = f"lost at the {each.loss.stage}: {each.loss.reason}"
                table.add_row(*place, result, each.loss.remedy, style="red")
        stdout.print(table)
    if not delivers:
        raise typer.Exit(1)
