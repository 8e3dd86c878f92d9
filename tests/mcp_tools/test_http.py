"""A server at an address: real HTTP on loopback, with its headers, a body that is too long, and nobody there."""

from __future__ import annotations

import json
import os
import socket
import threading
import time

import pytest

pytest.importorskip("uvicorn")

import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server

from agentloop_nb.errors import ActionFailed
from agentloop_nb.mcp_tools.toolbox import toolbox
from tests.mcp_tools.allowing import allow

pytestmark = pytest.mark.timeout(180)
HEADERS: list[str] = []


async def list_tools(context, params):
    names = ("echo", "flood", "hang")
    return types.ListToolsResult(
        tools=[types.Tool(name=name, description=name, input_schema={"type": "object"}) for name in names]
    )


async def call(context, params):
    import asyncio

    if params.name == "hang":
        await asyncio.sleep(3600)
    text = "x" * 20_000_000 if params.name == "flood" else "hello"
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


def watched(app):
    async def inner(scope, receive, send):
        if scope["type"] == "http":
            HEADERS.append(dict(scope["headers"]).get(b"authorization", b"").decode())
        await app(scope, receive, send)

    return inner


@pytest.fixture(scope="module", params=[True, False], ids=["json", "events"])
def address(request):
    app = Server("far", on_list_tools=list_tools, on_call_tool=call).streamable_http_app(json_response=request.param)
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(watched(app), log_level="error"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
    server.should_exit = True
    server.force_exit = True
    thread.join(20)


async def test_it_is_called_bounded_and_ended(address, tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "FAR_TOKEN", "t-1")
    spec = {"type": "http", "url": address, "headers": {"Authorization": "Bearer ${FAR_TOKEN}"}}
    (tmp_path / ".mcp.json").write_text(json.dumps({"mcpServers": {"far": spec}}))
    allow(tmp_path, "far")
    box = toolbox(tmp_path, ())
    assert (await box.call("far.echo", "{}", 30)).text == "hello"
    assert HEADERS[-1] == "Bearer t-1"
    with pytest.raises(ActionFailed) as caught:
        await box.call("far.flood", "{}", 30)
    assert "\n" not in str(caught.value)
    with pytest.raises(ActionFailed, match="did not answer hang within 1 s"):
        await box.call("far.hang", "{}", 1)
    assert (await box.call("far.echo", "{}", 30)).text == "hello"
    await box.close()


async def test_an_address_where_nobody_is_is_told(tmp_path):
    for url, why in (("http://127.0.0.1:9/mcp", "does not start"), ("ftp://x", "does not begin with https://")):
        (tmp_path / ".mcp.json").write_text(json.dumps({"mcpServers": {"gone": {"url": url}}}))
        with pytest.raises(ActionFailed, match=why):
            allow(tmp_path, "gone")
