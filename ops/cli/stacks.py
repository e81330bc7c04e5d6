"""``python -m ops stacks``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ops import ROOT
from ops.cli.common import AsJson
from ops.promote.stacks import affected, changed_files
from terminal.console import stderr, stdout
from topology.stacks import files_in, promotion_order, read


def stacks(
    since: Annotated[
        str | None,
        typer.Option(help="Only list stacks affected by changes since this commit or branch, like origin/main."),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the stacks in the order of promotion. A stack is affected by its own file, and by all code.

    With --json, each stack comes with the number of its application accounts.

    Exit status: 0; 2 if it could not be found out.
    """
    settings = read(files_in(ROOT), stderr.print)
    names = promotion_order(settings)
    if since is not None:
        chosen = affected(changed_files(ROOT, since), settings)
        names = [name for name in names if name in chosen]
    if as_json:
        data = [{"stack": name, "applications": len(settings[name].applications)} for name in names]
        stdout.print(json.dumps(data))  # on one line, as workflows take the value of an output
    elif names:
        stdout.print("\n".join(names))
