"""The sandbox's command line: ``python -m sandbox --help``."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from queries.athena import QueryError
from sandbox.command import CommandError, arguments_for
from sandbox.demo import Archived, DemoError
from sandbox.demo import run as run_demo
from sandbox.engine import EngineError
from sandbox.instance import of_checkout
from sandbox.prepare import PrepareError
from sandbox.prepare import prepare as prepare_accounts
from sandbox.server import ROOT, ServerError
from terminal.console import print_json, stderr, stdout
from terminal.table import Table
from topology.settings import SettingsError
from topology.stack_file import file_name, read
from topology.stacks import files_in

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def up(*, as_json: AsJson = False) -> None:
    """Start the cloud in the background, if it is not running."""
    of_checkout().up()
    status(as_json=as_json)


@app.command()
def down() -> None:
    """End the cloud, and remove all that was in it."""
    stdout.print("The sandbox is down." if of_checkout().down() else "The sandbox was not running.")


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Show whether the cloud is running, where, and which stacks there are."""
    instance = of_checkout()
    cloud = instance.cloud()
    stacks = sorted(file.stem for file in instance.state.glob(".pulumi/stacks/*/*.json"))
    if as_json:
        print_json({"running": cloud is not None, "stacks": stacks, **(asdict(cloud) if cloud else {})})
    elif cloud is None:
        stdout.print("The sandbox is not running. Start it with: python -m sandbox up")
    else:
        stdout.print(f"The cloud listens on http://127.0.0.1:{cloud.port} (process {cloud.pid}).")
        stdout.print(f"Stacks: {', '.join(stacks) or 'none'}")


@app.command()
def env(
    *, engine: Annotated[bool, typer.Option("--engine", help="Those of Pulumi too, as python -m ops needs.")] = False
) -> None:
    """Print the variables with which the AWS CLI or boto3 talk to the cloud, for a shell's eval."""
    instance = of_checkout()
    variables = instance.pulumi_environment(os.environ, stderr) if engine else instance.environment()
    for key, value in variables.items():
        if os.environ.get(key) == value:
            continue
        print(f"export {key}={shlex.quote(value)}")  # noqa: T201 - for a shell, not for a person


@app.command()
def prepare(
    files: Annotated[list[Path] | None, typer.Argument(help="Stack files; default: those of the project.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Make what stack files presume: deployer roles, log groups, and what they say exists already.

    Each pattern, and all, gets a log group or two.
    """
    instance = of_checkout()
    instance.up()
    prepared = prepare_accounts(files or files_in(ROOT), instance.environment(), stderr.print)
    if as_json:
        print_json(prepared)
        return
    table = Table("account", "deployer role", "region", "created", "existing", title="Log groups")
    for line in prepared:
        table.add_row(line.account, line.role, line.region, line.made, line.present)
    stdout.print(table)


@app.command()
def demo(*, as_json: AsJson = False) -> None:
    """Show the main job on a fresh cloud, with the stack files of the project: every event arrives in its archive.

    Exit status: 0; 1 when an event did not arrive.
    """
    received = run_demo(of_checkout(), stderr)
    if as_json:
        print_json([_data(stack, archived) for stack, archived in received.items()])
    else:
        for stack, archived in received.items():
            _show(stack, archived)
        stdout.print(f"The sandbox is still running. Try: sandbox/pulumi stack output -s {next(iter(received))}")
        stdout.print("To end it: make sandbox-down")
        for stack, archived in received.items():
            if archived.dashboard:
                stdout.print(f"To look at what arrived, in the browser: .venv/bin/python -m sandbox look -s {stack}")
    sys.exit(0 if all(archived.complete for archived in received.values()) else 1)


def _data(stack: str, archived: Archived) -> dict[str, object]:
    keys = ("account", "region", "logGroup", "sent", "arrived")
    places = sorted(archived.sent | archived.arrived)
    return {
        "stack": stack,
        "complete": archived.complete,
        "events": [dict(zip(keys, (*p, archived.sent[p], archived.arrived[p]), strict=True)) for p in places],
        "ownTransform": archived.own_transform,
        "unknownLines": archived.unknown,
        "failedRecords": archived.failed,
        "blocked": archived.blocked,
    }


def _show(stack: str, archived: Archived) -> None:
    events = Table("account", "region", "log group", "sent", "arrived", title=f"Events in the archive of stack {stack}")
    for place in sorted(archived.sent | archived.arrived):
        events.add_row(*place, archived.sent[place], archived.arrived[place])
    stdout.print(events)
    if archived.blocked:
        blocked = Table("country", "rule", "blocked", "accounts", title="Blocked requests, over all accounts")
        for row in archived.blocked:
            blocked.add_row(*row)
        stdout.print(blocked)
    if archived.own_transform is not None:
        stderr.print(
            f"The function in {archived.own_transform} decides what arrives, so the numbers are not compared. "
            f"{archived.unknown} lines do not say which log group they come from."
        )
    elif archived.unknown:
        stderr.print(f"{archived.unknown} lines do not say which log group they come from.")
    if archived.failed:
        stderr.print(f"{archived.failed} records could not be processed; they are under errors/ in the bucket.")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def pulumi(context: typer.Context) -> None:
    """Run any Pulumi command against the sandbox; also as sandbox/pulumi."""
    instance = of_checkout()
    instance.up()
    environment = instance.pulumi_environment(os.environ, stderr)
    arguments = arguments_for(instance, context.args, environment)
    os.execvpe("pulumi", ["pulumi", *arguments], environment)  # noqa: S606 - signals and exit status are the engine's


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def look(
    context: typer.Context, stack: Annotated[str, typer.Option("--stack", "-s", help="Name of the stack.")]
) -> None:
    """Show the dashboard of a stack's archive: python -m ops look, as the root of the archive's account."""
    archive = read(ROOT / file_name(stack)).archive
    if archive is None:
        raise CommandError(f"{file_name(stack)} has no archive section; name the stack of the archive")
    environment = {**of_checkout().pulumi_environment(os.environ, stderr), "AWS_ACCESS_KEY_ID": archive.account}
    command = [sys.executable, "-m", "ops", "look", "-s", stack, *context.args]
    os.execvpe(command[0], command, environment)  # noqa: S606 - signals and exit status are the command's


def main() -> None:
    """Run a command; what an operator can fix comes as a text, without a traceback."""
    try:
        app()
    except (CommandError, DemoError, EngineError, PrepareError, QueryError, ServerError, SettingsError) as error:
        stderr.print(f"error: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
