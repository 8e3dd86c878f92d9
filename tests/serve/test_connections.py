"""Where a served kernel can be reached: a unix socket, a port of loopback where there is none, and HTTP on request."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import stat
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from agentloop_nb.errors import UserError
from agentloop_nb.notebook.serve import http as served_http
from tests.serve.conftest import SERVES, file_of, said

pytestmark = [pytest.mark.kernel, pytest.mark.skipif(not SERVES, reason="serving needs ipykernel 7")]


def test_only_the_person_can_read_where_it_is_served(notebook, served):
    served("--name place")
    found = file_of(notebook)
    (file,) = (notebook.folder / "rt").glob("agentloop-*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(found["socket"]).stat().st_mode) == 0o600
    assert found["name"] == "place"
    assert "served already, as 'place'" in notebook.cell("%agent serve")


async def test_without_the_token_nobody_is_answered(notebook, served):
    served("--approve auto")
    where = file_of(notebook)["socket"]
    for first in (b"\n", b"wrong\n", b"x" * 100_000 + b"\n"):
        reader, writer = await asyncio.open_unix_connection(where)
        writer.write(first + b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


def test_a_port_is_one_kernels_and_answers_from_the_moment_it_is_named():
    with served_http.bind(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match="--http without a number takes a free one"):
            served_http.bind(port)
        socket.create_connection(("127.0.0.1", port), timeout=60).close()


@pytest.mark.parametrize("options", ["--approve auto --http", "--http --approve auto find out why"])
async def test_by_http_on_a_free_port_that_is_named(notebook, served, options):
    shown = served(options)
    found = file_of(notebook)
    assert f"By HTTP: {found['url']};" in shown
    bearer = {"Authorization": f"Bearer {found['token']}"}
    async with (
        httpx2.AsyncClient(headers=bearer, timeout=60) as web,
        Client(streamable_http_client(found["url"], http_client=web)) as client,
    ):
        assert said(await client.call_tool("run_code", {"code": "print(6 * 7)", "why": "w"})).startswith("42")


async def test_by_http_with_the_token_and_for_no_page_in_a_browser(notebook, served):
    shown = served("--approve auto --http 0")
    found = file_of(notebook)
    assert found["token"] not in shown
    bearer, url = {"Authorization": f"Bearer {found['token']}"}, found["url"]
    async with (
        httpx2.AsyncClient(headers=bearer, timeout=60) as web,
        Client(streamable_http_client(url, http_client=web)) as client,
    ):
        answer = await client.call_tool("run_code", {"code": "print(6 * 7)", "why": "w"})
        assert said(answer).startswith("42")
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    accepts = {"Accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(timeout=60) as web:
        for headers, status in (
            ({}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({"Authorization": f"Basic {found['token']}"}, 401),
            (bearer | {"Host": "evil.example"}, 421),
            (bearer | {"Origin": "http://localhost:8888"}, 403),
            (bearer | {"Origin": "null"}, 403),
        ):
            assert (await web.post(url, json=ping, headers=accepts | headers)).status_code == status


def test_a_port_in_use_is_told_before_anything_begins(notebook):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "--http without a number takes a free one" in notebook.cell(
            f"%agent serve --http {taken.getsockname()[1]}"
        )
    assert "not served" in notebook.cell("%agent serve --stop")


@pytest.fixture
def without_unix_sockets(notebook):
    """The kernel of a system that has none."""
    notebook.cell("import asyncio; kept_unix = asyncio.start_unix_server; del asyncio.start_unix_server")
    yield
    notebook.cell("%agent serve --stop")
    notebook.cell("asyncio.start_unix_server = kept_unix; del kept_unix")


async def test_where_there_are_no_unix_sockets_a_port_of_loopback_asks_for_the_token(
    notebook, served, without_unix_sockets
):
    served("--approve auto")
    host, _, port = file_of(notebook)["socket"].partition(":")
    assert host == "127.0.0.1"
    async with notebook.agent() as agent:
        assert said(await agent.run("print(6 * 7)")).startswith("42")
        with socket.create_connection((host, int(port)), timeout=60) as stranger:
            stranger.sendall(b'wrong\n{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
            assert stranger.recv(1000) == b""
        assert said(await agent.run("print(7 * 7)")).startswith("49")


class Kept:
    """One HTTP connection of a client that speaks the handshake, and the port it has on this side."""

    def __init__(self, found: dict[str, Any]) -> None:
        self._connection = http.client.HTTPConnection(found["url"].split("/")[2], timeout=60)
        self._headers = {
            "Authorization": f"Bearer {found['token']}",
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
        }

    def send(self, method: str, **message: Any) -> str:
        """The body of the answer."""
        body = json.dumps({"jsonrpc": "2.0", "method": method, **message})
        self._connection.request("POST", "/mcp", body, self._headers)
        answer = self._connection.getresponse()
        if session := answer.getheader("mcp-session-id"):
            self._headers["mcp-session-id"] = session
        return answer.read().decode()

    @property
    def port(self) -> int:
        return int(self._connection.sock.getsockname()[1])

    def close(self) -> None:
        self._connection.close()


def test_one_http_connection_carries_all_calls_of_a_client(notebook, served):
    served("--approve auto --http 0")
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "kept", "version": "1"}}
    with contextlib.closing(Kept(file_of(notebook))) as kept:
        assert "Live Jupyter kernel" in kept.send("initialize", id=0, params=hello)
        port = kept.port
        kept.send("notifications/initialized")
        for number in range(1, 11):
            given = {"code": f"print({number} * 7)", "why": "to see it"}
            answer = kept.send("tools/call", id=number, params={"name": "run_code", "arguments": given})
            assert f'"text":"{number * 7}' in answer
            assert kept.port == port
