"""``python -m ops adopt``."""

from __future__ import annotations

from typing import Annotated

import typer

from accounts.keys import check_given_keys
from ops import ROOT
from ops.adopt.bootstrap import PRINCIPAL, commands, needed
from ops.adopt.existing_archive import read
from ops.adopt.import_file import write_import_file, write_stack_file
from ops.adopt.leftovers import file_of, remember
from ops.adopt.plan import changes, import_ids, left, leftovers, stack_config
from ops.cli.common import AsJson, Stack, progress_bar
from ops.errors import OperatorError
from terminal.console import print_json, stderr, stdout
from terminal.table import Table
from topology import stack_file
from topology.settings import DEPLOYER_ROLE


def adopt(
    stack: Stack,
    account: Annotated[str, typer.Option(help="ID of the central account.")],
    region: Annotated[str, typer.Option(help="Home region, where the stream is.")],
    stream: Annotated[
        str | None, typer.Option(help="Name of the stream. Required if destinations lead to several.")
    ] = None,
    application: Annotated[
        list[str] | None,
        typer.Option(
            help="ID of a sending account. Defaults to all accounts that the destinations name. Can be specified "
            "multiple times."
        ),
    ] = None,
    bucket_account: Annotated[
        str | None, typer.Option(help="ID of the account that owns the bucket. Defaults to the central account.")
    ] = None,
    deployer_role: Annotated[str, typer.Option(help="Name of the role to assume in every account.")] = DEPLOYER_ROLE,
    *,
    as_json: AsJson = False,
) -> None:
    """Read an existing archive; write the stack file that adopts it, and what Pulumi has to import.

    Nothing is changed in AWS. An existing stack file is kept, so that you can edit it and run the command again.

    Exit status: 0; 2 if the archive cannot be read or adopted.
    """
    file = ROOT / stack_file.file_name(stack)
    imports = ROOT / f"import-{stack_file.stack_of(file)}.json"
    with progress_bar("reading accounts") as on_progress:
        found = read(
            account,
            region,
            stream=stream,
            applications=application or (),
            bucket_account=bucket_account,
            deployer_role=deployer_role,
            stack=stack,
            on_progress=on_progress,
        )
    written = write_stack_file(file, stack_config(found))
    stderr.print(f"{file.name} {'was written' if written else 'already has a config, which was kept'}")
    settings = stack_file.read(file)
    archive = settings.archive
    if archive is None:
        raise OperatorError(f"{file.name} has no archive section, so the stack cannot adopt an archive")
    bootstrap = needed(archive, settings.applications, stream=found.stream.name)
    stderr.print(f"This needs the templates of bootstrap/, where {PRINCIPAL} is the ARN of who runs Pulumi and ops:")
    for command in commands(bootstrap):
        stderr.print(f"  {command}", soft_wrap=True)
    ids = import_ids(found, archive)
    keys = check_given_keys(archive, stack)
    remember(file_of(file), leftovers(found, archive))
    stderr.print(f"previewing {stack}")
    adopted = write_import_file(imports, ROOT, stack, ids)
    sections = {
        "The first update changes": [*changes(found, archive)],
        "What stays outside Pulumi": [*left(found, archive)],
        "To do before the update": keys,
    }
    if as_json:
        print_json(
            {
                "stackFile": file.name,
                "importFile": imports.name if adopted else None,
                "adopted": adopted,
                "bootstrap": bootstrap,
                "changes": sections["The first update changes"],
                "left": sections["What stays outside Pulumi"],
                "keys": keys,
            }
        )
        return
    if adopted:
        table = Table("adopted", "ID")
        for name, resource_id in adopted.items():
            table.add_row(name, resource_id)
        stdout.print(table)
    else:
        stdout.print(f"There is nothing to import: stack {stack} has all of these resources already.")
    for title, lines in sections.items():
        if not lines:
            continue
        stdout.print(f"{title}:", style="bold")
        for line in lines:
            stdout.print(f"- {line}")
    stdout.print("Next:", style="bold")
    imported = f"pulumi import -s {stack} --file {imports.name} --protect=false --generate-code=false"
    for command in (
        *([imported] if adopted else []),
        f"pulumi preview -s {stack}",
        f"pulumi up -s {stack}",
        f"python -m ops verify -s {stack}",
        f"python -m ops retire -s {stack}",
    ):
        stdout.print(f"  {command}")
