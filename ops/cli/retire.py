"""``python -m ops retire``."""

from __future__ import annotations

import typer

from ops.adopt.retire import delete, superseded
from ops.cli.common import AsJson, ConfigFile, Stack, Yes, progress_bar, read_settings
from terminal.console import print_json, stderr, stdout
from terminal.table import Table


def retire(
    stack: Stack,
    config_file: ConfigFile = None,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete subscription filters that the program's own filters supersede, so that no event is archived twice.

    If the archive was adopted with a new stream, the old one can be deleted afterwards, once it has written what it
    buffers.

    Exit status: 0; 1 if the filters were kept; 2 if they could not be found out, or not all be deleted.
    """
    settings = read_settings(stack, config_file)
    with progress_bar("reading accounts") as on_progress:
        filters = superseded(settings, stack, on_progress)
    table = Table("account", "region", "log group", "filter", title=f"Superseded filters: {len(filters)}")
    for each in filters:
        table.add_row(each.account, each.region, each.log_group, each.name)
    stderr.print(table)
    if filters and not (yes or typer.confirm("Delete them?", err=True)):
        raise typer.Exit(1)
    with progress_bar("deleting filters") as on_progress:
        delete(filters, settings, stack, on_progress)
    if as_json:
        print_json({"stack": stack, "deleted": filters})
    else:
        stdout.print(f"deleted {len(filters)} filters")
