"""``python -m ops report``."""

from __future__ import annotations

from ops.cli.common import AsJson, Previews
from ops.review.preview import read
from ops.review.report import comment, summary
from terminal.console import print_json, stdout


def report(files: Previews = None, *, as_json: AsJson = False) -> None:
    """Print what previews would change, as Markdown for a pull request.

    Exit status: 0; 2 if a file is not a preview.
    """
    previews = [read(file) for file in files or ()]
    if as_json:
        print_json([summary(preview) for preview in previews])
    else:
        stdout.print(comment(previews))
