"""``python -m ops ask``."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.filesize import decimal

from ops import ROOT, outputs
from ops.ask import DOLLARS_PER_TERABYTE, Analyst, Reading, Silence, check_place, silences
from ops.cli.common import AsJson, ConfigFile, moment, progress_bar, read_settings
from ops.errors import OperatorError
from queries import ALL, QUERIES, Query, Scope
from queries.athena import Answer, Value
from terminal.console import print_json, stderr, stdout
from terminal.table import Table
from topology.settings import Settings, listed
from topology.silence import Expectation, expectations
from topology.stacks import archive_stack_of, files_in, read

_DAY = timedelta(days=1)


def ask(
    name: Annotated[str | None, typer.Argument(help="Name of the query. Without one, all queries are listed.")] = None,
    stack: Annotated[str | None, typer.Option("--stack", "-s", help="Name of the stack, like archive.")] = None,
    config_file: ConfigFile = None,
    account: Annotated[str, typer.Option(help="ID of the account that events come from, or all.")] = ALL,
    region: Annotated[str, typer.Option(help="Region that events come from, or all.")] = ALL,
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Day or moment, in UTC, from which on events were written: 2026-05-01 or 2026-05-01T09:30. Defaults "
            "to one day before --to.",
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--to", help="Day up to which they were, inclusive, or moment before which they were. Defaults to now."
        ),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--set", help="Value of the query's own: NAME=VALUE. Can be specified multiple times."),
    ] = None,
    *,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask the archive a query, as the analyst role. Says what it reads, and what that costs at most, before it does.

    Exit status: 0; 1 if the query is silence, and someone is silent; 2 if it could not be found out.
    """
    if name is None:
        _list(as_json=as_json)
        return
    query = QUERIES.get(name)
    if query is None:
        raise OperatorError(f"there is no query {name}; queries: {listed(QUERIES)}")
    if stack is None:
        raise OperatorError("specify the stack of the archive, with -s")
    scope = _scope(account, region, since, until)
    values = dict(_assignment(each) for each in given or ())
    try:
        query.bind(scope, values)
    except ValueError as error:
        raise OperatorError(f"--set: {error}") from None
    settings = read_settings(stack, config_file)
    if settings.archive is not None:
        check_place(settings.archive, scope)
    expected = list(_expected(stack, settings, scope)) if name == "silence" else None
    analyst = Analyst(outputs.archive_of(stack, settings), stack)
    with progress_bar("listing objects"):
        scope = analyst.scope(query, scope, values)
        reading = analyst.reading(scope)
    stderr.print(_described(reading))
    with progress_bar("reading objects") as on_progress:
        answer = analyst.ask(query, scope, values, lambda done: on_progress(done, reading.size))
    found = None if expected is None else silences(expected, answer)
    if as_json:
        keys = [column for column, _ in answer.columns]
        rows = [dict(zip(keys, map(_plain, row), strict=True)) for row in answer.rows]
        stated = {"query": name, "stack": stack, "from": _text(scope.since), "to": _text(scope.until)}
        silent = {} if found is None else {"silence": [_row(each) for each in found]}
        scanned = {"bytesRead": answer.scanned, "reused": answer.reused}
        print_json({**stated, "reads": reading, **scanned, "rows": rows, **silent})
    elif as_csv:
        csv.writer(sys.stdout).writerows([[column for column, _ in answer.columns], *map(_texts, answer.rows)])
    elif found is not None:
        _print_silence(found)
    else:
        _print_answer(query, answer)
    stderr.print(_ended(query, answer))
    if found and any(each.last_event is None for each in found):
        raise typer.Exit(1)


def _list(*, as_json: bool) -> None:
    if as_json:
        print_json({"queries": [
            {
                "name": query.name,
                "title": query.title,
                "purpose": query.purpose,
                "parameters": {name: each.description for name, each in query.parameters.items()},
                "defaults": {name: each.default for name, each in query.parameters.items() if each.default},
            }
            for query in QUERIES.values()
        ]})  # fmt: skip
        return
    table = Table("query", "purpose", "--set")
    for query in QUERIES.values():
        own = [f"{name}={each.default or '…'}: {each.description}" for name, each in query.parameters.items()]
        table.add_row(query.name, query.purpose, "; ".join(own))
    stdout.print(table)


def _scope(account: str, region: str, since: str | None, until: str | None) -> Scope:
    now = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    end = now if until is None else moment("--to", until, end=True)
    begin = end - _DAY if since is None else moment("--from", since)
    if begin >= end:
        raise OperatorError(f"--to {until or 'now'} is not later than --from {since}")
    return Scope(since=begin, until=end, account=account, region=region)


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise OperatorError(f'--set: "{text}" is no NAME=VALUE')
    return name, value


def _expected(stack: str, settings: Settings, scope: Scope) -> Iterator[Expectation]:
    """Yield what a stack expects; if it has the archive, what all stacks expect that send to it."""
    applications = list(settings.applications)
    if settings.archive is not None:
        for name, other in read(files_in(ROOT)).items():
            if name != stack and archive_stack_of(name, other) == stack:
                applications += other.applications
    for each in expectations(applications, settings.archive):
        if scope.account in {ALL, each.account} and scope.region in {ALL, each.region}:
            yield each


def _described(reading: Reading) -> str:
    """Return what will be read, and what that costs."""
    if reading.dates is None:
        return "reads nothing: no objects of these accounts, regions and days are in the bucket"
    parts = [f"reads {reading.objects:,} objects, {decimal(reading.size)}"]
    if reading.accounts:
        parts.append(f"of account {listed(reading.accounts)}, region {listed(reading.regions)}")
    parts.append(f"that arrived {reading.dates[0]} to {reading.dates[1]}")
    cost = f"at most ${reading.dollars:.4f} at ${DOLLARS_PER_TERABYTE:g} a TB"
    skipped = f"; Athena ignores {reading.skipped:,} more in GLACIER or DEEP_ARCHIVE" if reading.skipped else ""
    return f"{', '.join(parts)}: {cost}{skipped}"


def _ended(query: Query, answer: Answer) -> str:
    many = len(answer.rows)
    cut = f"; {query.name} returns {query.limit} at most, so there may be more" if many == query.limit else ""
    read = "an earlier answer was reused" if answer.reused else f"{decimal(answer.scanned)} read"
    return f"{many:,} row{'' if many == 1 else 's'}{cut}; {read}"


def _print_answer(query: Query, answer: Answer) -> None:
    table = Table(*(name for name, _ in answer.columns), title=f"{query.title} (times in UTC)")
    for row in answer.rows:
        table.add_row(*map(_cell, row))
    stdout.print(table)


def _print_silence(found: list[Silence]) -> None:
    table = Table("account", "region", "entry", "log groups", "events", "last event", title="Silence (times in UTC)")
    for each in found:
        last = "silent" if each.last_event is None else _text(each.last_event)
        style = "red" if each.last_event is None else "green"
        table.add_row(each.account, each.region, each.entry, each.log_groups, each.events, last, style=style)
    stdout.print(table)


def _row(each: Silence) -> dict[str, Value]:
    return {
        "account": each.account, "region": each.region, "entry": each.entry, "logGroups": each.log_groups,
        "events": each.events, "lastEvent": None if each.last_event is None else _text(each.last_event),
    }  # fmt: skip


def _plain(value: Value) -> Value:
    return _text(value) if isinstance(value, datetime) else value


def _cell(value: Value) -> object:
    return f"{value:%Y-%m-%d %H:%M:%S.%f}"[:-3] if isinstance(value, datetime) else value


def _texts(row: tuple[Value, ...]) -> list[Value]:
    return ["" if value is None else _plain(value) for value in row]


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
