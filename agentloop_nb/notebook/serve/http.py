"""The served kernel over HTTP, on request: on loopback, behind a bearer token, and never for a page in a browser."""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agentloop_nb.bridge.pipe import LIMIT
from agentloop_nb.errors import UserError

MOST_SESSIONS = 64
"""That clients of the handshake may have open; what goes unused for half an hour is closed."""
_KEPT_OPEN = 300
"""Seconds for which a connection waits for the next call: a model thinks longer than the usual five."""


def bind(port: int) -> socket.socket:
    """Take a port on loopback; 0 is any free one. Raises `UserError`."""
    # named protocol: without it asyncio sets no TCP_NODELAY, which costs 40 ms a call
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(("127.0.0.1", port))
        taken.listen()  # from now on nobody else gets it, and who connects before the server runs is kept waiting
    except (OSError, OverflowError) as error:
        taken.close()
        raise UserError(f"port {port} cannot be had ({error}); --http without a number takes a free one") from None
    return taken


def address(taken: socket.socket) -> str:
    """Return the address that clients are given."""
    return f"http://127.0.0.1:{taken.getsockname()[1]}/mcp"


@asynccontextmanager
async def listening(server: Any, taken: socket.socket, token: str) -> AsyncIterator[None]:
    """Answer HTTP requests for the length of the body."""
    import uvicorn
    from mcp.server.transport_security import TransportSecuritySettings

    port = taken.getsockname()[1]
    guard = TransportSecuritySettings(allowed_hosts=[f"127.0.0.1:{port}", f"localhost:{port}"], allowed_origins=[])
    app = server.streamable_http_app(transport_security=guard, max_request_body_size=LIMIT, max_sessions=MOST_SESSIONS)
    quiet: dict[str, Any] = {"log_config": None, "access_log": False, "timeout_graceful_shutdown": 1}
    config = uvicorn.Config(Bearer(app, token), timeout_keep_alive=_KEPT_OPEN, **quiet)
    web = uvicorn.Server(config)
    serving = asyncio.ensure_future(web.serve(sockets=[taken]))
    try:
        yield
    finally:
        web.should_exit = True
        await asyncio.wait([serving], timeout=3)
        taken.close()


class Bearer:
    """ASGI middleware: without the token, no word."""

    def __init__(self, app: Any, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on what shows the token; answer everything else with 401."""
        if scope["type"] != "lifespan":
            given = [value for name, value in scope["headers"] if name == b"authorization"]
            if len(given) != 1 or not hmac.compare_digest(given[0], self._expected):
                headers = [(b"www-authenticate", b"Bearer"), (b"content-length", b"0")]
                await send({"type": "http.response.start", "status": 401, "headers": headers})
                await send({"type": "http.response.body", "body": b""})
                return
        await self._app(scope, receive, send)
