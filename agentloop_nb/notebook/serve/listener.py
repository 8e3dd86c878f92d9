"""Where a served kernel listens: a unix socket of the person's own, and a file that says where.

Where there are no unix sockets (Windows) it is a port of loopback.

A connection begins with a line that holds the token; then each line is one message.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agentloop_nb._internal.held_folder import HeldFolder
from agentloop_nb.bridge.pipe import LIMIT
from agentloop_nb.bridge.served_kernels import LOOPBACK, ServedKernel, runtime_dir

_LONGEST_PATH = 100
"""Characters that the path of a unix socket may have everywhere."""
_PATIENCE = 10.0
"""Seconds in which a connection has to show its token."""
MOST_CONNECTIONS = 16

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener:
    """Listens for the clients of one served run. Made on any thread; `listening` runs on the server's loop."""

    def __init__(self, *, url: str | None = None, **described: Any) -> None:
        """Note what is served.

        `described` are the fields of `ServedKernel` that the caller knows, `url` its address by HTTP.
        """
        self._url = url
        self.token = secrets.token_urlsafe(32)
        self._open = 0
        folder = runtime_dir()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        stem = f"agentloop-{os.getpid()}-{secrets.token_hex(3)}"
        self.file = folder / f"{stem}.json"
        self._own_folder: HeldFolder | None = None
        self._socket = folder / f"{stem}.sock"
        if len(str(self._socket)) > _LONGEST_PATH:
            self._own_folder = HeldFolder("serve")
            self._socket = Path(self._own_folder.name) / "sock"
        self.described = ServedKernel(
            **described, pid=os.getpid(), socket=str(self._socket), token=self.token, at=time.time()
        )

    @property
    def is_connected(self) -> bool:
        """Whether a client is there."""
        return self._open > 0

    @asynccontextmanager
    async def listening(self, speak: Speak) -> AsyncIterator[None]:
        """Listen for the length of the body; `speak` talks to one client that has shown the token."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._open += 1
            try:
                if self._open <= MOST_CONNECTIONS and await self._knows_token(reader):
                    await speak(reader, writer)
            finally:
                self._open -= 1
                writer.close()

        server = await self._start(connected)
        self._announce()
        try:
            yield
        finally:
            server.close()
            self.forget()

    async def _start(self, connected: Callable[..., Awaitable[None]]) -> asyncio.Server:
        """Listen, where only the person can connect; a port is open to all users, who lack the token."""
        if not hasattr(asyncio, "start_unix_server"):
            server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=LIMIT)
            self.described = self.described._replace(socket=f"{LOOPBACK}{server.sockets[0].getsockname()[1]}")
            return server
        mask = os.umask(0o177)
        try:
            return await asyncio.start_unix_server(connected, path=str(self._socket), limit=LIMIT)
        finally:
            os.umask(mask)

    async def _knows_token(self, reader: asyncio.StreamReader) -> bool:
        with contextlib.suppress(TimeoutError, ValueError, OSError):
            async with asyncio.timeout(_PATIENCE):
                return hmac.compare_digest((await reader.readline()).strip(), self.token.encode())
        return False

    def _announce(self) -> None:
        with os.fdopen(os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            json.dump(self.described._asdict() | {"url": self._url}, out)

    def forget(self) -> None:
        """Take away the socket and the file."""
        for path in (self.file, self._socket):
            with contextlib.suppress(OSError):
                path.unlink()
        if self._own_folder is not None:
            self._own_folder.cleanup()
