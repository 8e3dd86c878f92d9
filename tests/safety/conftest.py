"""Servers and names of the tests' own: everything happens on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.safety.scene import Scene

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]


class Site:
    """An HTTP/1.1 server that answers each path by a handler of the test, byte by byte."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[bytes] = []
        self.pages: dict[str, bytes | Handler] = {}

    def page(
        self,
        path: str,
        body: bytes | str = b"",
        *,
        media: str | None = "text/html; charset=utf-8",
        status: str = "200 OK",
        headers: dict[str, str] | None = None,
    ) -> None:
        data = body.encode() if isinstance(body, str) else body
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", "Connection: close"]
        lines += [f"Content-Type: {media}"] if media is not None else []
        lines += [f"{key}: {value}" for key, value in (headers or {}).items()]
        self.pages[path] = "\r\n".join(lines).encode() + b"\r\n\r\n" + data

    def redirect(self, path: str, location: str, status: str = "302 Found") -> None:
        self.page(path, status=status, headers={"Location": location})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head)
            answer = self.pages.get(
                head.split()[1].decode().partition("?")[0], b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
            )
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(reader, writer, head)
        writer.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


class Names:
    """A resolver of the test's own. Numbers in any notation are left to the system, as a real resolver does."""

    def __init__(self, **names: Sequence[str]) -> None:
        self.names = {name.replace("_", "."): list(addresses) for name, addresses in names.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host in self.names:
            return self.names[host]
        flags = socket.AI_NUMERICHOST
        return [str(item[4][0]) for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    made = Scene(tmp_path)
    monkeypatch.syspath_prepend(made.folder)
    yield made
    made.close()
    for name in [
        name for name, module in list(sys.modules.items()) if str(tmp_path) in str(getattr(module, "__file__", ""))
    ]:
        del sys.modules[name]
