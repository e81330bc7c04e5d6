"""``python -m ops report``."""

from __future__ import annotations

from typing import Annotated

import typer

from ops import ROOT
from ops.cli.common import AsJson, Previews, Since
from ops.promote.stacks import changed_files
from ops.review.preview import read
from ops.review.report import changed, comment, summary
from ops.review.risks import of_files
from terminal.console import print_json, stdout


def report(
    files: Previews = None,
    since: Since = None,
    commit: Annotated[
        str, typer.Option(help="Commit of the pull request, for which the labels that accept risks hold.")
    ] = "",
    *,
    expect_no_changes: Annotated[
        bool, typer.Option(help="Exit with status 1 if a preview failed or would change anything.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print what previews would change, as Markdown for a pull request.

    Exit status: 0; 1 if nothing was expected to change, but something would; 2 if a file is not a preview.
    """
    previews = [read(file) for file in files or ()]
    if as_json:
        print_json([summary(preview) for preview in previews])
    else:
        of_repository = of_files(changed_files(ROOT, since)) if since is not None else []
        stdout.print(comment(previews, of_repository, commit))
    if expect_no_changes and any(changed(preview) or preview.errors for preview in previews):
        raise typer.Exit(1)
