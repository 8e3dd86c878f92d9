"""Servers that are allowed, as `%agent tools --allow` allows them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from agentloop_nb.mcp_tools import consent
from agentloop_nb.mcp_tools.configuration import servers
from agentloop_nb.mcp_tools.server_connection import Connection
from agentloop_nb.mcp_tools.server_thread import server_thread
from agentloop_nb.mcp_tools.tool import Tool

SERVER = Path(__file__).with_name("server.py")


def configure(folder: Path, *kinds: str, **more) -> None:
    listed = {kind: {"command": sys.executable, "args": [str(SERVER), kind], **more} for kind in kinds}
    (folder / ".mcp.json").write_text(json.dumps({"mcpServers": listed}))


def tools_of(kind: str, folder: Path) -> tuple[Tool, ...]:
    """Start a server, and look at its tools."""
    (server,) = servers(folder, (kind,))
    connection, thread = Connection(server), server_thread()
    try:
        return thread.submit(connection.listed()).result(60)
    finally:
        thread.submit(connection.close()).result(20)


def allow(folder: Path, *names: str) -> None:
    """Say yes to the tools of servers; those of one kind are the same everywhere."""
    for server in servers(folder, names):
        consent.allow(server, seen(server.name, folder))


_seen: dict[str, tuple[Tool, ...]] = {}


def seen(kind: str, folder: Path) -> tuple[Tool, ...]:
    if kind not in _seen:
        _seen[kind] = tools_of(kind, folder)
    return _seen[kind]
