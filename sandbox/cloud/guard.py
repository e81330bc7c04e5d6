"""Who may talk to the cloud: clients of AWS that know its secret, and no web page.

A page that a developer looks at can send requests to any port of the machine, and, with a name that it lets resolve to
127.0.0.1, read the answers, too (DNS rebinding). It can leave out neither ``Origin`` and ``Sec-Fetch-Site`` nor its own
name in ``Host``, and AWS clients send neither header. The secret is the first part of the path: every client sends the
path of AWS_ENDPOINT_URL.
"""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar
from typing import Any

from ministack import app

from sandbox.cloud.patch import replace

Scope = dict[str, Any]
_signed_path: ContextVar[str] = ContextVar("signed_path")
"""The path of the request as it was sent."""
_OF_PAGES = {b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest"}


class Guard:
    """Admits the requests of one cloud."""

    def __init__(self, secret: str, port: int) -> None:
        """Replace functions of the emulator: a signature includes the secret.

        Args:
            secret: of the cloud.
            port: that it listens on.
        """
        self._prefix = f"/{secret}"
        # S3 Control puts the account before the host. A browser takes no name that ends with a number but an address.
        self._host = re.compile(rf"([a-z0-9.-]+\.)?127\.0\.0\.1:{port}|localhost:{port}".encode(), re.IGNORECASE)

        def pin(method: str, raw_path: str, query_params: Any, raw_headers: Any, handshake: bool = False) -> None:  # noqa: FBT001, FBT002, ANN401 - the emulator's own
            original(method, _signed_path.get(raw_path), query_params, raw_headers, handshake)

        original = replace(app, "pin_signed_request", "method raw_path query_params raw_headers handshake", pin)

    def admitted(self, scope: Scope) -> Scope | None:
        """Return a request without the secret; None: it is refused."""
        headers = [(name.lower(), value) for name, value in scope.get("headers", ())]
        hosts = [value for name, value in headers if name == b"host"]
        raw = scope.get("raw_path") or scope["path"].encode()
        first = raw[: len(self._prefix)]
        if (
            any(name in _OF_PAGES for name, _ in headers)
            or len(hosts) != 1
            or not self._host.fullmatch(hosts[0])
            or not secrets.compare_digest(first, self._prefix.encode())
            or raw[len(first) :][:1] not in (b"", b"/")
        ):
            return None
        _signed_path.set(raw.decode("latin-1"))
        return {
            **scope,
            "path": scope["path"][len(self._prefix) :] or "/",
            "raw_path": raw[len(self._prefix) :] or b"/",
        }
