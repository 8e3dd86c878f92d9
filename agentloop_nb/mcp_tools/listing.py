"""The tools of a run as text for the model: all of them, in as many words as there is room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agentloop_nb.mcp_tools.tool import Tool

_LEVELS = ((120, True), (60, True), (30, True), (60, False), (30, False), (0, False))
"""Characters of a description, and whether types are told; the first level that fits is taken."""


def told(servers: Mapping[str, Sequence[Tool]], room: int) -> str:
    """Tell the tools of all servers, a line each; empty where there are none."""
    if not any(servers.values()):
        return ""
    for words, types in _LEVELS:
        lines = [tool.line(name, words, types=types) for name, tools in servers.items() for tool in tools]
        if sum(len(line) + 1 for line in lines) <= room:
            return "\n".join(lines)
    return _names(servers, room)


def _names(servers: Mapping[str, Sequence[Tool]], room: int) -> str:
    """Names alone, and of how many there was no room: a server's name with "?" lists its tools."""
    share = room // max(len(servers), 1) - 80
    lines = []
    for name, tools in servers.items():
        line = f"{name}: "
        for count, tool in enumerate(tools):
            if len(line) + len(tool.name) + 2 > share:
                line += f'… and {len(tools) - count} more (tool {name} with arguments "?" lists them)'
                break
            line += f"{tool.name}, "
        lines.append(line.rstrip(", "))
    return "\n".join(lines)[: room + 200]
