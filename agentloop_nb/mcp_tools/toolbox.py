"""The tools of one run: those of the servers that the user allowed, called where the list is still the allowed one."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agentloop_nb.errors import ActionFailed, Hint, UserError
from agentloop_nb.mcp_tools import consent
from agentloop_nb.mcp_tools.arguments import fitting
from agentloop_nb.mcp_tools.configuration import Server, servers
from agentloop_nb.mcp_tools.listing import told
from agentloop_nb.mcp_tools.server_connection import Connection
from agentloop_nb.mcp_tools.server_thread import server_thread
from agentloop_nb.mcp_tools.tool import Tool, plain
from agentloop_nb.mcp_tools.tool_answer import answer
from agentloop_nb.protocols import ToolAnswer

SCHEMA = 4_000
"""Characters of a schema that a model is told."""


class Toolbox:
    """Servers with the tools that were allowed. None is started before it is called."""

    def __init__(self, allowed: Mapping[str, tuple[Server, tuple[Tool, ...]]]) -> None:
        self._tools = {name: tuple(tool for tool in tools if tool.usable) for name, (_, tools) in allowed.items()}
        self._pins = {name: consent.pin(tools) for name, (_, tools) in allowed.items()}
        self._servers = {name: server for name, (server, _) in allowed.items()}
        self._connections: dict[str, Connection] = {}

    def describe(self, room: int) -> str:
        return told(self._tools, room)

    @property
    def offered(self) -> bool:
        return any(self._tools.values())

    async def call(self, tool: str, arguments: str, timeout: float) -> ToolAnswer:
        if arguments == "?" and tool in self._tools:
            return ToolAnswer(text=", ".join(each.name for each in self._tools[tool])[: 2 * SCHEMA])
        server, found = self._found(tool)
        if arguments == "?":
            return ToolAnswer(text=found.whole(server, SCHEMA))
        sent = fitting(found, json.loads(arguments), server)
        return await server_thread().wait(self._called(server, found, sent, timeout))

    async def close(self) -> None:
        """End the servers that were started."""
        connections, self._connections = list(self._connections.values()), {}
        for connection in connections:
            await server_thread().wait(connection.close())

    def _found(self, tool: str) -> tuple[str, Tool]:
        names = {f"{server}.{each.name}": (server, each) for server, tools in self._tools.items() for each in tools}
        if tool in names:
            return names[tool]
        close = difflib.get_close_matches(tool, names, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else f"the servers are {', '.join(self._tools)}"
        raise ActionFailed(f"there is no tool {tool[:80]!r}; {hint}")

    async def _called(self, server: str, tool: Tool, arguments: dict[str, Any], timeout: float) -> ToolAnswer:
        """Call a tool, on the thread of the servers."""
        from mcp import MCPError

        connection = self._connections.setdefault(server, Connection(self._servers[server]))
        listed = await connection.listed()
        if consent.pin(listed) != self._pins[server]:
            await connection.close()
            raise ActionFailed(_changed(server, listed, self._tools[server]))
        try:
            result = await connection.call(tool.name, arguments, timeout)
        except MCPError as error:
            return ToolAnswer(text=plain(str(error), 500), failed=True)
        return answer(result, f"{server}.{tool.name}")


def _changed(server: str, now: Iterable[Tool], before: Iterable[Tool]) -> str:
    """Say what of a list is not as it was allowed, without a word of the server's own."""
    new, old = {tool.name: tool for tool in now if tool.usable}, {tool.name: tool for tool in before}
    kinds = {
        "new": [name for name in new if name not in old],
        "gone": [name for name in old if name not in new],
        "changed": [name for name in new if name in old and new[name] != old[name]],
    }
    what = "; ".join(f"{kind}: {', '.join(names)[:200]}" for kind, names in kinds.items() if names)
    return (
        f"the tools of {server} are no longer those that the user allowed ({what or 'their order or kind'}), so none "
        f"is called; only the user can allow them again, with tools --allow {server}"
    )


def unavailable() -> str:
    """Say what is missing to speak with servers; empty where nothing is."""
    import importlib.util

    return "" if importlib.util.find_spec("mcp") else 'MCP servers need their SDK: pip install "agentloop-nb[mcp]"'


def toolbox(folder: Path, named: tuple[str, ...]) -> Toolbox | None:
    """Return the tools of the allowed servers of a folder, or of those that are named. Raises `UserError`.

    Without names, a file that cannot be read and servers that nobody allowed are no fault: there are no tools.
    """
    try:
        found = servers(folder, named)
    except UserError:
        if named:
            raise
        return None
    if not found:
        return None
    if missing := unavailable():
        if named:
            raise UserError(missing)
        return None
    allowed = {server.name: (server, tools) for server in found if (tools := consent.allowed(server)) is not None}
    if left := [server.name for server in found if named and server.name not in allowed]:
        raise UserError(f"the server {left[0]} is not allowed yet", Hint(f"tools --allow {left[0]}", "shows its tools"))
    return Toolbox(allowed) if allowed else None
