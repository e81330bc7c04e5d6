"""``python -m ops retire``."""

from __future__ import annotations

import typer

from ops import ROOT
from ops.adopt.leftovers import file_of, recall, usages
from ops.adopt.retire import delete, judged
from ops.cli.common import AsJson, ConfigFile, Stack, Yes, progress_bar, read_settings
from terminal.console import print_json, stderr, stdout
from terminal.table import Table
from topology.stack_file import file_name


def retire(
    stack: Stack,
    config_file: ConfigFile = None,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete subscription filters that the program's own filters supersede, so that no event is archived twice.

    Filters that lead to the archive and stay are listed, each with the reason. Then everything is listed that an
    adoption left behind, with what still uses it, or the command that deletes it.

    Exit status: 0; 1 if the filters were kept; 2 if they could not be found out, or not all be deleted.
    """
    settings = read_settings(stack, config_file)
    with progress_bar("reading accounts") as on_progress:
        filters, kept = judged(settings, stack, on_progress)
    table = Table("account", "region", "log group", "filter", title=f"Superseded filters: {len(filters)}")
    for each in filters:
        table.add_row(each.account, each.region, each.log_group, each.name)
    stderr.print(table)
    if kept:
        table = Table("account", "region", "log group", "filter", "why", title=f"Filters that stay: {len(kept)}")
        for stays in kept:
            table.add_row(stays.account, stays.region, stays.log_group, stays.name, stays.reason)
        stderr.print(table)
    if filters and not (yes or typer.confirm("Delete them?", err=True)):
        raise typer.Exit(1)
    with progress_bar("deleting filters") as on_progress:
        delete(filters, settings, stack, on_progress)
    leftovers = recall(file_of(ROOT / file_name(stack)))
    left, unread = usages(leftovers, settings.archive, stack) if settings.archive is not None else ([], ())
    if as_json:
        print_json({"stack": stack, "deleted": filters, "kept": kept, "left": left, "unread": unread})
        return
    stdout.print(f"deleted {len(filters)} filters")
    if left:
        table = Table("left by the adoption", "used by", "delete with")
        for found in left:
            table.add_row(found.name, ", ".join(found.used_by) or "nothing", found.delete)
        stdout.print(table)
        if unread:
            stdout.print(f"Could not be looked at, not enabled or denied: {', '.join(unread)}")
