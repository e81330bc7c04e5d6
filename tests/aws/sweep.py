"""``make sweep-aws``: removes what aborted runs left in the accounts, and nothing that does not carry a run's mark."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from accounts.session import AWS_ERRORS
from terminal.console import stderr, stdout
from terminal.table import Table
from tests.aws.environment import VariablesError, age, read
from tests.aws.leftovers import find, remove

_HOURS = 6.0  # a run takes about one


def sweep(
    hours: Annotated[float, typer.Option(help="Only what belongs to runs that started this long ago.")] = _HOURS,
    run: Annotated[
        str, typer.Option(help="Only what belongs to runs whose names are or end with this, whatever their age.")
    ] = "",
    *,
    remove_it: Annotated[bool, typer.Option("--remove", help="Remove it. Without, it is only listed.")] = False,
) -> None:
    """List what runs left in the accounts that the variables of docs/aws-tests.md name, and remove it with --remove.

    Exit status: 0; 1 if something is left; 2 if it could not be found out.
    """
    try:
        environment = read(os.environ)
        found = find(environment)
    except (VariablesError, *AWS_ERRORS) as error:
        stderr.print(str(error), style="red")
        raise typer.Exit(2) from None
    now = datetime.now(UTC)
    chosen = [
        each
        for each in found
        if (f"-{each.run}".endswith(f"-{run}") if run else age(each.run, now) >= timedelta(hours=hours))
    ]
    table = Table("run", "account", "region", "kind", "name", "result")
    left = False
    for each in chosen:
        problem = remove(environment, each) if remove_it else "found"
        left = left or problem is not None
        table.add_row(each.run, each.account, each.region, each.kind, each.name, problem or "removed")
    younger = len(found) - len(chosen)
    if chosen:
        stdout.print(table)
    stdout.print(f"{len(chosen)} resources of aborted runs; {younger} of other runs, which are left alone.")
    if left:
        if not remove_it:
            stdout.print("Nothing was removed. To remove what is listed, add --remove.")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(sweep)
