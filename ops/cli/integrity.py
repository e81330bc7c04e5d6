"""``python -m ops integrity``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from ops import outputs
from ops.cli.common import AsJson, ConfigFile, Stack, moment, progress_bar, read_settings
from ops.errors import OperatorError
from ops.integrity import Proof, verify
from terminal.console import print_json, stdout
from terminal.table import Table


def integrity(
    stack: Stack,
    since: Annotated[str, typer.Option("--from", help="First day, in UTC, of the objects to verify: 2026-05-01.")],
    until: Annotated[str, typer.Option("--to", help="Last day, inclusive.")],
    config_file: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Verify the signed digests of a period, and find objects that were deleted, changed or added since.

    Exit status: 0; 1 if something does not agree; 2 if it could not be found out.
    """
    first = moment("--from", since).date()
    last = (moment("--to", until, end=True) - timedelta(microseconds=1)).date()
    if first > last:
        raise OperatorError(f"--to {until} is earlier than --from {since}")
    settings, now = read_settings(stack, config_file), datetime.now(UTC)
    expire = settings.archive.bucket.lifecycle.expire_days if settings.archive is not None else None
    if expire is not None and first + timedelta(days=expire) <= now.date():
        raise OperatorError(f"--from {since}: objects expire after {expire} days (bucket.lifecycle), so some are gone")
    archive = outputs.archive_of(stack, settings)
    with progress_bar("verifying digests") as on_progress:
        proof = verify(archive, stack, first, last, now=now, on_progress=on_progress)
    if as_json:
        intact = not proof.findings
        print_json({"stack": stack, "from": str(first), "to": str(last), "intact": intact, **vars(proof)})
    else:
        _print_tables(proof)
    if proof.findings:
        raise typer.Exit(1)


def _print_tables(proof: Proof) -> None:
    if proof.findings:
        table = Table("object, digest or day", "problem", "reason", title=f"Findings: {len(proof.findings)}")
        for each in proof.findings:
            table.add_row(each.subject, each.problem, each.reason, style="red")
        stdout.print(table)
    table = Table("digests", "objects in them", "too recent for a digest", "findings", title="Totals")
    table.add_row(proof.digests, proof.objects, proof.pending, len(proof.findings))
    stdout.print(table)
