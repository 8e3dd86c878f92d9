"""Which servers the user allowed, each with the list of tools that was shown: kept outside of all working folders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from agentloop_nb.mcp_tools.configuration import Server
from agentloop_nb.mcp_tools.tool import Tool
from agentloop_nb.record import consents

_TOOLS = TypeAdapter(tuple[Tool, ...])
_KIND = "mcp"


def pin(tools: Sequence[Tool]) -> str:
    """Return the hash of names, descriptions and schemas, in hexadecimal."""
    told = sorted([tool.name, tool.description, json.dumps(tool.inputs, sort_keys=True)] for tool in tools)
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def allowed(server: Server) -> tuple[Tool, ...] | None:
    """Return the tools of a server that were allowed; None where it was not, or is written otherwise now."""
    kept = consents.kept(_KIND, _identity(server))
    try:
        tools = _TOOLS.validate_python(kept["tools"])
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError):
        return None
    return tools if kept.get("sha256") == pin(tools) else None


def allow(server: Server, tools: Sequence[Tool]) -> None:
    """Keep that the user allows a server these tools. Raises `UserError`."""
    kept = {
        "server": server.name,
        "file": str(server.file),
        "sha256": pin(tools),
        "tools": _TOOLS.dump_python(tuple(tools), mode="json"),
    }
    consents.keep(_KIND, _identity(server), kept)


def forget(server: Server) -> bool:
    """Take back that a server is allowed; False where it was not."""
    return consents.forget(_KIND, _identity(server))


def _identity(server: Server) -> tuple[str, str, str]:
    """Return what a consent is for: where the server is named, its name, and how it is written there."""
    return str(server.file.resolve()), server.name, json.dumps(server.spec, sort_keys=True)
