"""What `%agent tools` does: list servers, show the tools of one, allow them, take that back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agentloop_nb._internal.text import counted, disallowed
from agentloop_nb.errors import ActionFailed, Front, Hint, UserError, worded
from agentloop_nb.mcp_tools import consent
from agentloop_nb.mcp_tools.configuration import USUAL, Server, servers
from agentloop_nb.mcp_tools.server_connection import Connection
from agentloop_nb.mcp_tools.server_thread import server_thread
from agentloop_nb.mcp_tools.tool import Tool
from agentloop_nb.mcp_tools.toolbox import unavailable

SaysYes = Callable[[str], bool]
"""Puts a question to the person who typed the command."""
WORDS = 200
"""Characters of a description that a person is shown."""


def tools(
    folder: Path, words: Sequence[str], options: Mapping[str, Any], says_yes: SaysYes, front: Front = "notebook"
) -> str:
    """Carry the command out, and return what to tell. Raises `UserError`."""
    found = servers(folder, words)
    if options.get("allow"):
        return "\n".join(_allow(server, says_yes) for server in _named(found, words, "--allow"))
    if options.get("forget"):
        there = _named(found, words, "--forget")
        return "\n".join(disallowed(each.name, before=consent.forget(each)) for each in there)
    if not found:
        said = f"{folder} names no MCP servers: there is no {' or '.join(USUAL)}"
        return worded(said, [Hint("tools FILE", "reads another file.")], front)
    return "\n".join(_described(server, front, whole=bool(words)) for server in found)


def _named(found: list[Server], words: Sequence[str], flag: str) -> list[Server]:
    if not words:
        there = ", ".join(server.name for server in found) or "none"
        raise UserError(f"name the server (there are {there})", Hint(f"tools {flag} NAME"))
    return found


def _described(server: Server, front: Front, *, whole: bool) -> str:
    allowed = consent.allowed(server)
    if allowed is None:
        state = worded("not allowed", [Hint(f"tools --allow {server.name}", "shows its tools")], front)
    else:
        state = f"allowed, with {counted(len(allowed), 'tool')}"
    head = f"{server.name} ({server.file.name}): {state}\n  {_how(server)}"
    return "\n".join([head, *_lines(server, allowed)]) if whole and allowed else head


def _how(server: Server) -> str:
    given = f", given {', '.join(server.given)}" if server.given else ""
    taken = f"; it gets {', '.join(server.takes)} of your environment" if server.takes else ""
    return f"{server.how}{given}{taken}"


def _lines(server: Server, listed: Sequence[Tool]) -> list[str]:
    lines = [f"  {tool.line(server.name, WORDS)}" for tool in listed if tool.usable]
    left = len(listed) - len(lines)
    return [*lines, *([f"  {counted(left, 'tool')} with names that cannot be told: left out"] if left else [])]


def _allow(server: Server, says_yes: SaysYes) -> str:
    """Start a server that the person named, show its tools, and keep what the person says."""
    if missing := unavailable():
        raise UserError(missing)
    if not says_yes(f"Start the server {server.name} to look at its tools? It runs with your rights: {_how(server)}"):
        raise UserError(f"{server.name} was not started, and nothing was allowed")
    listed = _listed(server)
    shown = "\n".join([f"The tools of {server.name}:", *_lines(server, listed)])
    question = f"{shown}\nLet runs of this folder use these {counted(len(listed), 'tool')}?"
    if not says_yes(question):
        consent.forget(server)
        raise UserError(f"{server.name} is not allowed")
    consent.allow(server, listed)
    return f"{server.name} is allowed, with {counted(len(listed), 'tool')}; once its list changes you are asked again."


def _listed(server: Server) -> tuple[Tool, ...]:
    connection, thread = Connection(server), server_thread()
    try:
        return thread.submit(connection.listed()).result()
    except ActionFailed as error:
        last = connection.ended.errors.strip().splitlines()[-1:]
        raise UserError(f"{error}{f' (it said: {last[0].strip()[:200]})' if last else ''}") from None
    finally:
        thread.submit(connection.close()).result()
