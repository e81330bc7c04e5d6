"""``python -m ops gate``."""

from __future__ import annotations

import typer

from ops import ROOT
from ops.cli.common import Allow, AsJson, Previews, Since
from ops.promote.stacks import changed_files
from ops.review.gate import reasons, unaccepted
from ops.review.preview import read
from ops.review.risks import of_files
from terminal.console import print_json, stdout


def gate(files: Previews = None, allow: Allow = None, since: Since = None, *, as_json: AsJson = False) -> None:
    """Check whether previews may be applied.

    Exit status: 0; 1 if one must not be applied; 2 if a file is not a preview.
    """
    previews = [read(file) for file in files or ()]
    found = {preview.stack: reasons(preview, allow or ()) for preview in previews}
    if since is not None:
        found["the repository"] = unaccepted(of_files(changed_files(ROOT, since)), allow or ())
    if as_json:
        print_json(found)
    else:
        for stack, lines in found.items():
            stdout.print(f"{stack}: {'must not be applied' if lines else 'may be applied'}")
            for line in lines:
                stdout.print(f"  {line}")
    if any(found.values()):
        raise typer.Exit(1)
