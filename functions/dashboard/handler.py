"""Answers custom widgets of a CloudWatch dashboard with what queries of the archive return.

``config.json`` in its folder says ``senders`` (IDs of the accounts that are expected to send), ``grouped`` (whether
queries have to name log groups) and ``reuseMinutes``; the environment, ``WORKGROUP``, ``DATABASE`` and ``BUCKET``.

A widget asks one query at most, and those that ask the same share it. What takes too long to wait for is fetched by
the ID of the query, with a button. Source: CloudWatch User Guide, "Create a custom widget".
"""

from __future__ import annotations

import functools
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from functions.dashboard.page import Action, Child, button, element, html, size
from functions.dashboard.request import Request, RequestError
from functions.dashboard.widgets import WIDGETS, View, Widget, documentation
from queries import ALL, QUERIES, Query, Statement, athena, bucket

_WAIT_SECONDS = 20.0
_MAX_GROUPS = 1000  # that a query may name in the layout partitioned-by-group
_GROUPED_BY = ("account", "region", "group")
_SERVICES_LIMIT = "TooManyRequestsException"
_log = logging.getLogger()
_log.setLevel(logging.INFO)


class Context(Protocol):
    """What Lambda says of a call."""

    invoked_function_arn: str


def handler(event: Mapping[str, Any], context: Context) -> str | dict[str, str]:
    """Return the HTML of a widget, or the function's documentation as Markdown.

    Args:
        event: as CloudWatch sends it.
        context: of the call.
    """
    if event.get("describe"):
        return {"markdown": documentation()}
    theme = "light"
    try:
        config, now = _config(), datetime.now(UTC)
        request = Request.parse(
            event, endpoint=context.invoked_function_arn, reuse_minutes=config["reuseMinutes"], now=now
        )
        theme = request.theme
        return html(theme, *_content(request, config, now))
    except RequestError as error:
        return html(theme, element("p", str(error), class_="alert"))
    except (BotoCoreError, ClientError) as error:
        _log.exception("AWS rejected a call")
        return html(theme, element("p", _explained(error), class_="alert"))
    except Exception:  # noqa: BLE001 - a reader of the dashboard sees a text, whatever happened
        _log.exception("the widget failed")
        return html(theme, element("p", "The widget failed; the log of its function says why.", class_="alert"))


def _explained(error: BotoCoreError | ClientError) -> str:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    if code == _SERVICES_LIMIT:
        return "Amazon Athena has too many queries at once. Refresh the widget in a minute."
    return f"AWS rejected a call ({code}); the log of the widget's function says which."


def _content(request: Request, config: Mapping[str, Any], now: datetime) -> Iterator[Child]:
    widget = WIDGETS.get(request.widget)
    if widget is None:
        raise RequestError(f"There is no widget “{request.widget}”; there are {', '.join(WIDGETS)}.")
    query = QUERIES[widget.query]
    if widget.popup:
        yield element("h3", query.title)
    if widget.form is not None:
        form, complete = widget.form(request)
        yield from form
        if not complete:
            return
    if "stop" in request.values and request.execution is not None:
        _own_execution(request.execution, query)
        _client("athena").stop_query_execution(QueryExecutionId=request.execution)
        yield element("p", "The query was stopped. Choose a shorter time range, an account or a region.")
        return
    execution = _execution(request, widget, query, config, now)
    try:
        finished = athena.wait(_client("athena"), execution, _WAIT_SECONDS)
    except athena.QueryError as error:
        yield element("p", f"The query failed: {error}", class_="alert")
        again = {**request.event, **request.own(query), "widget": request.widget, "again": execution}
        yield button("Ask again", Action(request.endpoint, again, widget.popup), class_="action")
        return
    if not finished:
        yield from _pending(request, widget, query, execution)
        return
    answer = athena.fetch(_client("athena"), execution)
    view = View(
        request=request,
        query=query,
        rows=[dict(zip((name for name, _ in answer.columns), row, strict=True)) for row in answer.rows],
        execution=execution,
        senders=config["senders"],
        now=now,
        popup=widget.popup,
    )
    if answer.rows or widget.shows_nothing:
        yield from widget.show(view)
    else:
        yield element("p", "Nothing in this time range. Choose a longer one, or another account or region.")
    earlier = answer.reused or answer.started < now
    read = "result of an earlier query, which costs nothing" if earlier else f"read {size(answer.scanned)}"
    yield element(
        "p",
        f"{request.range} · account {request.account}, region {request.region} · {read}",
        class_="quiet",
    )
    if (request.account, request.region) != (ALL, ALL) and not widget.popup:
        yield view.stay("All accounts and regions", {"account": ALL, "region": ALL}, class_="action")


def _execution(request: Request, widget: Widget, query: Query, config: Mapping[str, Any], now: datetime) -> str:
    """Return the ID of the query that answers: the one that is named, one that asks the same, or a new one."""
    if request.execution is not None:
        _own_execution(request.execution, query)
        return request.execution
    statement, workgroup = _statement(request, widget, query, config), _workgroup(config)
    token = athena.token(statement, workgroup, now, request.values.get("again", ""))
    return athena.start(_client("athena"), statement, workgroup, token)


def _statement(request: Request, widget: Widget, query: Query, config: Mapping[str, Any]) -> Statement:
    values = {**request.own(query), **widget.values(request)}
    scope = request.scope()
    if config["grouped"]:
        found = bucket.places(_client("s3"), os.environ["BUCKET"], _GROUPED_BY, scope.reads)
        groups = query.groups((place["group"] for place in found), values)
        if len(groups) > _MAX_GROUPS:
            raise RequestError(
                f"There are {len(groups):,} log groups, and a query names {_MAX_GROUPS:,} at most. Choose an account "
                "or a region."
            )
        scope = replace(scope, groups=groups)
    try:
        return query.bind(scope, values)
    except ValueError as error:
        raise RequestError(f"{error}.") from None


def _pending(request: Request, widget: Widget, query: Query, execution: str) -> Iterator[Child]:
    event = {**request.event, **request.own(query), "widget": request.widget, "execution": execution}
    yield element("p", f"The query still runs after {_WAIT_SECONDS:.0f} seconds. Its result is kept when it is ready.")
    yield button("Show the result", Action(request.endpoint, event, widget.popup), class_="action")
    stop = Action(request.endpoint, {**event, "stop": "1"}, widget.popup, "What it has read so far costs all the same.")
    yield button("Stop the query", stop, class_="action")


def _own_execution(execution: str, query: Query) -> None:
    """Refuse the ID of a query that is not the widget's own, or not of this workgroup."""
    try:
        found = _client("athena").get_query_execution(QueryExecutionId=execution)["QueryExecution"]
    except ClientError:
        found = {}
    heading = query.sql.partition("\n")[0]
    if found.get("WorkGroup") != os.environ["WORKGROUP"] or not found.get("Query", "").startswith(heading):
        raise RequestError("There is no such result, or not anymore. Refresh the widget.")


def _workgroup(config: Mapping[str, Any]) -> athena.Workgroup:
    return athena.Workgroup(os.environ["WORKGROUP"], os.environ["DATABASE"], config["reuseMinutes"])


@functools.cache
def _config() -> dict[str, Any]:
    return dict(json.loads(Path(__file__).with_name("config.json").read_text("utf-8")))


@functools.cache
def _client(service: str) -> Any:  # noqa: ANN401 - boto3
    return boto3.client(service)
