"""Serves the dashboard on loopback: its page, and calls of the function behind its widgets.

A page of another site, or another user of the machine, gets nothing: the address has a random token, requests have to
name the loopback address as their host, and what a page may load is restricted to this server.
"""

from __future__ import annotations

import json
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from accounts.session import AWS_ERRORS, AssumedRole

HOST = "127.0.0.1"
_STATIC = Path(__file__).with_name("static")
_RENEW_SECONDS = 45 * 60  # a role is assumed for an hour
_HEADERS = {
    # Widgets have styles of their own. Nothing else may be loaded, and nothing from elsewhere.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Dashboard:
    """A dashboard of CloudWatch, as the analyst role sees it."""

    def __init__(self, analysis: Mapping[str, Any], stack: str) -> None:
        """Read the dashboard.

        Args:
            analysis: the stack output ``analysis``.
            stack: name of the stack, for CloudTrail.

        Raises:
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: AWS denies it, or cannot be reached.
        """
        self._analysis, self._stack = analysis, stack
        self._assumed, self._renew = self._assume()
        self.name = str(analysis["dashboard"])
        cloudwatch = self._assumed.client("cloudwatch", analysis["region"])
        self.body: dict[str, Any] = json.loads(cloudwatch.get_dashboard(DashboardName=self.name)["DashboardBody"])
        self.endpoints = {each["properties"]["endpoint"] for each in self.body["widgets"] if each["type"] == "custom"}

    def _assume(self) -> tuple[AssumedRole, float]:
        role = AssumedRole(self._analysis["analystRole"], self._analysis["region"], self._stack)
        return role, time.monotonic() + _RENEW_SECONDS

    def call(self, endpoint: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Call a function of the dashboard; return its ``result``, or an ``error`` to show."""
        if endpoint not in self.endpoints:
            return {"error": f"{endpoint} is no function of this dashboard"}
        try:
            if time.monotonic() > self._renew:
                self._assumed, self._renew = self._assume()
            functions = self._assumed.client("lambda", self._analysis["region"])
            answer = functions.invoke(FunctionName=endpoint, Payload=json.dumps(event).encode())
        except AWS_ERRORS as error:
            return {"error": str(error)}
        result = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            return {"error": f"The function failed: {result.get('errorMessage', 'without a message')}"}
        return {"result": result}


def application(dashboard: Dashboard, token: str, port: int) -> ASGIApp:
    """Return the application.

    Args:
        dashboard: what it shows.
        token: the first part of every path.
        port: where it listens.
    """

    async def described(_request: Request) -> Response:
        return JSONResponse({"name": dashboard.name, "body": dashboard.body})

    async def call(request: Request) -> Response:
        try:
            asked = await request.json()
            endpoint, event = str(asked["endpoint"]), dict(asked["event"])
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"error": "a call has an endpoint and an event"}, status_code=400)
        return JSONResponse(await run_in_threadpool(dashboard.call, endpoint, event))

    routes = [
        Route("/dashboard", described),
        Route("/call", call, methods=["POST"]),
        Mount("/", StaticFiles(directory=_STATIC, html=True)),
    ]
    return _Guard(Starlette(routes=[Mount(f"/{token}", routes=routes)]), token, port)


class _Guard:
    """Refuses requests that do not come from the page, and says what the page may load."""

    def __init__(self, inner: ASGIApp, token: str, port: int) -> None:
        self._inner, self._token = inner, token
        self._hosts = {f"{name}:{port}" for name in (HOST, "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refused = self._refused(scope)
        respond = self._inner if refused is None else PlainTextResponse(refused, status_code=403)
        await respond(scope, receive, send_with_headers)

    def _refused(self, scope: Scope) -> str | None:
        """Return why a request is refused; None: it is not."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if host not in self._hosts:
            return "This server answers requests to its loopback address only."
        if origin is not None and origin != f"http://{host}":
            return "This server answers requests of its own page only."
        if not secrets.compare_digest(scope["path"].split("/")[1].encode(), self._token.encode()):
            return "Open the address that python -m ops look printed: it has a token."
        return None


def serve(dashboard: Dashboard, *, port: int, on_ready: Callable[[str], object]) -> None:
    """Serve the dashboard until the process is interrupted.

    Args:
        dashboard: what it shows.
        port: where to listen; 0: at a free port.
        on_ready: called with the address of the page, once connections are accepted.

    Raises:
        OSError: the port is not free.
    """
    token = secrets.token_urlsafe(24)
    with socket.create_server((HOST, port)) as listener:
        port = listener.getsockname()[1]
        app = application(dashboard, token, port)
        # The access log would have the token, and uvicorn's own names of server and date say nothing here.
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, server_header=False))
        on_ready(f"http://{HOST}:{port}/{token}/")
        server.run(sockets=[listener])
