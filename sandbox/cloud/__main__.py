"""Runs the sandbox's AWS: ``python -m sandbox.cloud --ready FILE``.

It listens on a free port of the loopback interface, keeps everything in memory, and enforces IAM. A 12-digit access key
ID is the root user of that account, with any secret key. The path of every request begins with the secret of the cloud,
which FILE contains.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import shutil
import signal
import socket
import tempfile
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from sandbox.server import announce, ready_file

_PROXIED = re.compile(rb"http://[^/]+")


def main() -> None:
    """Serve until SIGTERM."""
    ready = ready_file("sandbox.cloud", __doc__)
    folder = tempfile.mkdtemp(prefix="central-log-archive-cloud-")
    try:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]  # functions would inherit them, and with them the endpoint of another cloud
        secret = secrets.token_urlsafe(24)
        os.environ.update(_environment(port, folder, secret))
        asyncio.run(_serve(listener, secret, lambda: announce(ready, port, secret)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(port: int, folder: str, secret: str) -> dict[str, str]:
    """Return the variables that the emulator reads when it is imported."""
    return {
        "AUTH": "true",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}/{secret}",  # for functions
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",  # it would listen on every interface
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.5",  # AWS waits minutes
        "LOG_LEVEL": "WARNING",
        "SFTP_ENABLED": "0",
        "TMPDIR": folder,
    }


async def _serve(listener: socket.socket, secret: str, ready: Callable[[], None]) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    server = asyncio.create_task(serve(_app(secret, listener.getsockname()[1]), config, shutdown_trigger=end.wait))
    ready()  # the socket is already listening: early callers wait, and none is rejected
    await server


def _app(secret: str, port: int) -> Callable[..., Awaitable[None]]:
    """Return the extended emulator, with the endpoints of the sandbox itself."""
    from ministack.app import app
    from ministack.core import iam_actions, iam_evaluator
    from ministack.services import cloudwatch_logs

    from sandbox.cloud import (
        account_policies,
        alarms,
        athena,
        boundaries,
        buckets,
        centralization,
        delivery,
        destinations,
        events,
        firehose,
        functions,
        glue,
        keys,
        log_groups,
        partitions,
        permissions,
        protocols,
        replication,
        simulation,
        web_identity,
    )
    from sandbox.cloud.guard import Guard
    from sandbox.cloud.patch import replace

    guard = Guard(secret, port)
    parts = (
        alarms, firehose, functions, keys, destinations, delivery, events, glue, partitions, protocols, simulation,
        buckets, log_groups, athena, web_identity, boundaries, replication,
    )  # fmt: skip
    for part in parts:
        part.install()
    iam_actions._S3_QUERY_ACTIONS.update(permissions.S3_ACTIONS)
    operations = {**keys.OPERATIONS, **account_policies.OPERATIONS, **log_groups.OPERATIONS}

    async def logs_request(method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any) -> Any:  # noqa: ANN401 - the emulator's own
        operation = operations.get(headers.get("x-amz-target", "").rpartition(".")[2])
        return operation(json.loads(body)) if operation else await others(method, path, headers, body, query_params)

    others = replace(cloudwatch_logs, "handle_request", "method path headers body query_params", logs_request)
    enforce = replace(
        iam_evaluator,
        "enforce",
        "access_key_id iam_action service region resource_arn service_context",
        lambda *args, **kwargs: permissions.recorded(enforce, *args, **kwargs),
    )
    resource = replace(
        iam_actions,
        "extract_resource_arn",
        "service method path headers body query_params region account_id",
        lambda *request: permissions.resource_of(resource, *request),
    )
    tags = replace(
        iam_actions,
        "request_tag_context",
        "service iam_action body params",
        lambda *request: {**permissions.conditions_of(tags, *request), **keys.request_context(*request)},
    )
    endpoints: dict[str, Callable[..., object]] = {
        "calls": permissions.calls,
        "centralize": centralization.centralize,  # /_sandbox/centralize/ACCOUNT/CENTRAL_ACCOUNT/CENTRAL_REGION
        "hour": events.hour,
        "idle": lambda: {"idle": firehose.idle()},
        "join": permissions.join,  # /_sandbox/join/ACCOUNT/ORGANIZATION
        "sandbox": lambda: {"sandbox": True},  # by which the program knows it from a tunnel to AWS
        "key": keys.create,  # /_sandbox/key/ACCOUNT/REGION/ID
        "settle": keys.settle,
    }

    async def extended(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        if scope["type"] == "websocket":  # no client of the sandbox opens one, but a page can
            await send({"type": "websocket.close", "code": 1008})
            return
        admitted = guard.admitted(_without_host(scope))
        if admitted is None:
            reason = "The sandbox answers clients of AWS with the AWS_ENDPOINT_URL that python -m sandbox env prints."
            await _answer(send, 403, {"message": reason})
        elif not admitted.get("path", "").startswith("/_sandbox/"):
            await partitions.translated(app, _over_tls(admitted), receive, send)
        else:
            _, _, endpoint, *arguments = admitted["path"].split("/")
            await _answer(send, 200, endpoints[endpoint](*arguments))

    return extended


async def _answer(send: Any, status: int, answer: object) -> None:  # noqa: ANN401 - ASGI
    body = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _without_host(scope: dict[str, Any]) -> dict[str, Any]:
    """Return a request whose path does not begin with a host, as that of a request to a proxy does.

    S3 Control's host begins with the account, which is not a name that every machine can resolve.
    """
    whole = _PROXIED.match(scope.get("raw_path", b""))
    if whole is None:
        return scope
    path = scope["raw_path"][whole.end() :]
    return {**scope, "path": unquote(path.decode()), "raw_path": path}


def _over_tls(scope: dict[str, Any]) -> dict[str, Any]:
    """Mark a request as one over TLS, unless it has a mark already.

    The sandbox uses plain HTTP, and policies that require ``aws:SecureTransport`` would deny all requests.
    """
    marked = any(name == b"x-forwarded-proto" for name, _ in scope.get("headers", ()))
    return scope if marked else {**scope, "headers": [*scope.get("headers", ()), (b"x-forwarded-proto", b"https")]}


if __name__ == "__main__":
    main()
