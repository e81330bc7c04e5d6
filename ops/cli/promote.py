"""``python -m ops promote``."""

from __future__ import annotations

from functools import cache
from typing import Annotated

import typer

from ops import ROOT
from ops.cli.common import Allow, AsJson, Timeout, Yes
from ops.errors import OperatorError
from ops.promote.promotion import Promotion, Reporter
from ops.review.report import Summary
from terminal.console import print_json, stderr, stdout
from terminal.table import Table


def promote(
    to: Annotated[str, typer.Option(help="The last stack to promote, like app-prod.")],
    allow: Allow = None,
    timeout: Timeout = None,
    *,
    only: Annotated[
        bool,
        typer.Option("--only", help="Fail if a stack before it does not run this commit, or does not deliver."),
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Promote the checked-out commit through the stacks, from the archive on: preview, gate, update, verify.

    Exit status: 0; 1 if it stopped early; 2 if it could not start. Run it again to resume where it stopped.
    """
    reporter = Reporter(
        on_step=lambda text: stderr.print(text, style="bold"),
        on_delivery=cache(_print_delivery),  # it is called again and again: print each state once
        on_engine_output=lambda text: stderr.print(text, style="dim"),
        confirm=lambda changes: _confirmed(changes, yes=yes),
    )
    promotion = Promotion(ROOT, to, only=only, allow=allow or (), timeout=timeout, reporter=reporter)
    ended: OperatorError | None = None
    try:
        promotion.run()
    except OperatorError as error:
        if error.status != 1:
            raise
        ended = error
    if as_json:
        print_json({"target": to, "steps": promotion.steps, "ended": None if ended is None else str(ended)})
    else:
        table = Table("stack", "result", "delivers from")
        for step in promotion.steps:
            table.add_row(step.stack, step.done, f"{step.delivers} places" if step.delivers else None)
        stdout.print(table)
    if ended:
        raise ended


def _confirmed(changes: Summary, *, yes: bool) -> bool:
    table = Table(*changes.counts, title=f"{changes.stack} would change")
    table.add_row(*changes.counts.values())
    stderr.print(table)
    for line in (
        *(risk.text for risk in changes.risks),
        *(f"{each} joins" for each in changes.joins),
        *changes.warnings,
    ):
        stderr.print(line)
    return yes or typer.confirm(f"Update {changes.stack}?", err=True)


def _print_delivery(stack: str, done: int, total: int) -> None:
    stderr.print(f"{stack}: {done} of {total} events arrived or were lost", style="dim")
