"""The operator's command line. It finds AWS and Pulumi as the Pulumi CLI does: through environment variables."""

from __future__ import annotations

from collections.abc import Callable

import typer

from ops.cli.adopt import adopt
from ops.cli.ask import ask
from ops.cli.common import error_messages
from ops.cli.coverage import coverage
from ops.cli.gate import gate
from ops.cli.integrity import integrity
from ops.cli.look import look
from ops.cli.promote import promote
from ops.cli.redrive import redrive
from ops.cli.report import report
from ops.cli.retire import retire
from ops.cli.stacks import stacks
from ops.cli.verify import verify

_COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Change": (stacks, promote),
    "Review": (report, gate),
    "Prove": (verify, coverage, integrity),
    "Look": (look, ask, redrive),
    "Adopt": (adopt, retire),
}

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
for _panel, _commands in _COMMANDS.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel)(error_messages()(_command))
