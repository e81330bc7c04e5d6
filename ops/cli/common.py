"""What commands share: options, errors and progress."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from pulumi.automation import CommandError

from accounts.parallel import OnProgress
from accounts.session import AWS_ERRORS
from ops import ROOT
from ops.errors import OperatorError
from terminal.console import progress, stderr
from topology import stack_file
from topology.settings import Settings, SettingsError

Stack = Annotated[str, typer.Option("--stack", "-s", help="Name of the stack, like app-prod.")]
ConfigFile = Annotated[Path | None, typer.Option(help="Stack file to use instead of Pulumi.STACK.yaml.")]
Previews = Annotated[
    list[Path] | None, typer.Argument(help="Output of pulumi preview --json --show-sames, a file for each stack.")
]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        help="Name of a risk to accept, as the report and the gate print it, like leaves or archive-bucket. Can be "
        "specified multiple times."
    ),
]
Since = Annotated[
    str | None,
    typer.Option(help="Also check which files changed since this commit or branch, like origin/main."),
]
Timeout = Annotated[
    float | None,
    typer.Option(help="Seconds to wait for events. Defaults to the stream's buffer interval and three minutes."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def error_messages() -> Iterator[None]:
    """Turn errors that an operator can fix into a message and an exit status."""
    try:
        yield
    except (OperatorError, SettingsError, CommandError, *AWS_ERRORS) as error:
        stderr.print(str(error), style="red")
        raise typer.Exit(error.status if isinstance(error, OperatorError) else 2) from None
    except FileNotFoundError as error:
        if error.filename != "pulumi":
            raise
        stderr.print("there is no pulumi on PATH; install it (https://www.pulumi.com/docs/install)", style="red")
        raise typer.Exit(2) from None


@contextmanager
def progress_bar(title: str) -> Iterator[OnProgress]:
    """Show a progress bar; yield the function that moves it."""
    with progress(stderr) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def read_settings(stack: str, config_file: Path | None) -> Settings:
    """Return the settings of a stack, from its own file or another one.

    Raises:
        SettingsError: the file is not valid.
    """
    return stack_file.read(config_file or ROOT / stack_file.file_name(stack))


def moment(option: str, text: str, *, end: bool = False) -> datetime:
    """Return the moment that a text names; of a day, its beginning or its end.

    Args:
        option: name of the option, for the error.
        text: a day or a moment, in UTC unless it says otherwise.
        end: whether a day stands for its end.

    Raises:
        OperatorError: it names none.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise OperatorError(
                f'{option}: "{text}" is neither a day nor a moment; use 2026-05-01 or 2026-05-01T09:30, in UTC'
            ) from None
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=end)
