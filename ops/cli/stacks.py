"""``python -m ops stacks``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ops import ROOT
from ops.cli.common import AsJson
from ops.promote.stacks import affected, changed_files, promotion_order, read_stacks
from terminal.console import stdout


def stacks(
    since: Annotated[
        str | None,
        typer.Option(help="Only list stacks affected by changes since this commit or branch, like origin/main."),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the stacks in the order of promotion. A stack is affected by its own file, and by all code.

    Exit status: 0; 2 if it could not be found out.
    """
    settings = read_stacks(ROOT)
    names = promotion_order(settings)
    if since is not None:
        chosen = affected(changed_files(ROOT, since), settings)
        names = [name for name in names if name in chosen]
    if as_json:
        stdout.print(json.dumps(names))  # on one line, as workflows take the value of an output
    elif names:
        stdout.print("\n".join(names))
