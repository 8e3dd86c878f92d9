"""Where connections are kept, as over TLS: a reply that is over leaves its connection to the next request."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from agentloop_nb.models.exchange import exchange
from agentloop_nb.models.faults import Server

EVENT = b'data: {"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}\n\n'
ENDINGS = {
    "in one piece": [EVENT + b"data: [DONE]\n\n", b""],
    "the mark alone": [EVENT, b"data: [DONE]\n\n", b""],
    "more after the mark": [EVENT, b"data: [DONE]\n\n", b": bye\n\n", b""],
    "no mark": [EVENT, b""],
}


class KeepingServer:
    """Answers each request of a connection with the same chunks, and counts connections."""

    def __init__(self, pieces):
        self.pieces, self.connections = pieces, 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _serve(self, reader, writer):
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                [length] = [
                    int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
                ]
                await reader.readexactly(int(length))
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                )
                for piece in self.pieces:
                    writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def _client(address):
    return httpx2.AsyncClient(base_url=address, trust_env=False)


@pytest.mark.parametrize("ending", ENDINGS)
async def test_three_replies_come_over_one_connection(ending):
    async with KeepingServer(ENDINGS[ending]) as server, _client(server.address) as client:
        for _ in range(3):
            told = Server(server.address, "m")
            chunks = [chunk async for chunk in exchange(client, told, "/chat/completions", {"stream": True})]
            assert chunks[0]["choices"][0]["delta"]["content"] == "hi"
    assert server.connections == 1


async def test_a_body_without_end_holds_no_reply_up():
    pieces = [EVENT, b"data: [DONE]\n\n"]
    async with KeepingServer(pieces) as server, _client(server.address) as client:
        for _ in range(2):
            told = Server(server.address, "m")
            chunks = [chunk async for chunk in exchange(client, told, "/chat/completions", {"stream": True})]
            assert len([chunk for chunk in chunks if chunk]) == 1
    assert server.connections == 2
