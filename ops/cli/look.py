"""``python -m ops look``."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from ops import outputs
from ops.cli.common import ConfigFile, Stack, read_settings
from ops.errors import OperatorError
from ops.look.server import Dashboard, serve
from terminal.console import stdout


def look(
    stack: Stack,
    config_file: ConfigFile = None,
    port: Annotated[int, typer.Option(help="Port to listen at. Defaults to a free one.", min=0, max=65535)] = 0,
    *,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
) -> None:
    """Show the dashboard in a browser of this machine, as the analyst role, until it is interrupted.

    Exit status: 0; 2 if there is no dashboard, or it may not be looked at.
    """
    archive = outputs.archive_of(stack, read_settings(stack, config_file))
    if archive.analysis is None or "dashboard" not in archive.analysis:
        raise OperatorError(
            f"stack {archive.stack} has no dashboard: set archive.analysis: true in its stack file, and run pulumi up "
            f"-s {archive.stack}"
        )
    dashboard = Dashboard(archive.analysis, stack)

    def ready(address: str) -> None:
        stdout.print(f"The dashboard is at {address}")
        stdout.print("It shows what the analyst role may read: keep the address to yourself. To end it: Ctrl-C")
        if browser:
            webbrowser.open(address)

    try:
        serve(dashboard, port=port, on_ready=ready)
    except OSError as error:
        raise OperatorError(f"port {port} cannot be listened at: {error}; leave --port out for a free one") from None
    except KeyboardInterrupt:
        return
