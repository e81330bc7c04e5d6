"""The sandbox's command line: ``python -m sandbox --help``."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sandbox.command import CommandError, arguments_for
from sandbox.demo import DemoError
from sandbox.demo import run as run_demo
from sandbox.engine import EngineError
from sandbox.instance import of_checkout
from sandbox.prepare import PrepareError
from sandbox.prepare import prepare as prepare_accounts
from sandbox.server import ServerError
from terminal.console import PlainConsole
from terminal.table import Table
from topology.settings import SettingsError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
output = PlainConsole()
progress = PlainConsole(stderr=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def up(*, as_json: AsJson = False) -> None:
    """Start the cloud in the background, if it is not running."""
    of_checkout().up()
    status(as_json=as_json)


@app.command()
def down() -> None:
    """End the cloud, and remove all that was in it."""
    output.print("The sandbox is down." if of_checkout().down() else "The sandbox was not running.")


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Show whether the cloud is running, where, and which stacks there are."""
    instance = of_checkout()
    cloud = instance.cloud()
    stacks = sorted(file.stem for file in instance.state.glob(".pulumi/stacks/*/*.json"))
    if as_json:
        output.print_json(data={"running": cloud is not None, "stacks": stacks, **(asdict(cloud) if cloud else {})})
    elif cloud is None:
        output.print("The sandbox is not running. Start it with: python -m sandbox up")
    else:
        output.print(f"The cloud listens on http://127.0.0.1:{cloud.port} (process {cloud.pid}).", highlight=False)
        output.print(f"Stacks: {', '.join(stacks) or 'none'}", highlight=False)


@app.command()
def env(
    *, engine: Annotated[bool, typer.Option("--engine", help="Those of Pulumi too, as python -m ops needs.")] = False
) -> None:
    """Print the variables with which the AWS CLI or boto3 talk to the cloud, for a shell's eval."""
    instance = of_checkout()
    variables = instance.pulumi_environment(os.environ, progress) if engine else instance.environment()
    for key, value in variables.items():
        if os.environ.get(key) == value:
            continue
        print(f"export {key}={shlex.quote(value)}")  # noqa: T201 - for a shell, not for a person


@app.command()
def prepare(files: list[Path], *, as_json: AsJson = False) -> None:
    """Make what stack files presume: each account's deployer role, and the log groups that they name."""
    instance = of_checkout()
    instance.up()
    prepared = prepare_accounts(files, instance.environment())
    if as_json:
        output.print_json(data=[asdict(line) for line in prepared])
        return
    table = Table("account", "deployer role", "region", "created", "existing", title="Log groups")
    for line in prepared:
        table.add_row(line.account, line.role, line.region, line.made, line.present)
    output.print(table)


@app.command()
def demo(*, as_json: AsJson = False) -> None:
    """Show the main job on a fresh cloud: events of every account and region arrive in one bucket."""
    result = run_demo(of_checkout(), progress)
    places = sorted(result.sent | result.archived)
    if as_json:
        keys = ("account", "region", "logGroup", "sent", "archived")
        events = [dict(zip(keys, (*p, result.sent[p], result.archived[p]), strict=True)) for p in places]
        output.print_json(data={"complete": result.complete, "events": events, "blocked": result.blocked})
    else:
        arrived = Table("account", "region", "log group", "sent", "archived", title="Events")
        for place in places:
            arrived.add_row(*place, str(result.sent[place]), str(result.archived[place]))
        blocked = Table("country", "rule", "blocked", "accounts", title="Blocked requests, over all accounts")
        for row in result.blocked:
            blocked.add_row(*row)
        output.print(arrived, blocked)
        output.print("The sandbox is still up. Try: sandbox/pulumi stack output -s archive; make sandbox-down ends it.")
    sys.exit(0 if result.complete else 1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def pulumi(context: typer.Context) -> None:
    """Run any Pulumi command against the sandbox; also as sandbox/pulumi."""
    instance = of_checkout()
    instance.up()
    environment = instance.pulumi_environment(os.environ, progress)
    arguments = arguments_for(instance, context.args, environment)
    os.execvpe("pulumi", ["pulumi", *arguments], environment)  # noqa: S606 - signals and exit status are the engine's


def main() -> None:
    """Run a command; what an operator can mend comes as a text, without a traceback."""
    try:
        app()
    except (CommandError, DemoError, EngineError, PrepareError, ServerError, SettingsError) as error:
        progress.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
