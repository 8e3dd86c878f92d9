"""Which servers the user allowed, each with the list of tools that was shown: kept outside of all working folders."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from agentloop_nb.errors import UserError
from agentloop_nb.mcp_tools.configuration import Server
from agentloop_nb.mcp_tools.tool import Tool
from agentloop_nb.record.trust import data_folder

_TOOLS = TypeAdapter(tuple[Tool, ...])


def pin(tools: Sequence[Tool]) -> str:
    """Return the hash of names, descriptions and schemas, in hexadecimal."""
    told = sorted([tool.name, tool.description, json.dumps(tool.inputs, sort_keys=True)] for tool in tools)
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def allowed(server: Server) -> tuple[Tool, ...] | None:
    """Return the tools of a server that were allowed; None where it was not, or is written otherwise now."""
    path = _path(server)
    try:
        kept = json.loads(path.read_bytes()) if path else {}
        tools = _TOOLS.validate_python(kept["tools"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError, ValidationError):
        return None
    return tools if kept.get("sha256") == pin(tools) else None


def allow(server: Server, tools: Sequence[Tool]) -> None:
    """Keep that the user allows a server these tools. Raises `UserError`."""
    path = _path(server)
    if path is None:
        raise UserError("there is no place outside the folder to keep what you allow; set XDG_DATA_HOME to one")
    kept = {
        "server": server.name,
        "file": str(server.file),
        "sha256": pin(tools),
        "tools": _TOOLS.dump_python(tuple(tools), mode="json"),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".allow-")  # mode 0600
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(kept, file)
        Path(unfinished).replace(path)
    except OSError as error:
        raise UserError(f"{path.parent} cannot be written ({error.strerror}), so nothing was allowed") from None


def forget(server: Server) -> bool:
    """Take back that a server is allowed; False where it was not."""
    path = _path(server)
    if path is None or not path.exists():
        return False
    path.unlink()
    return True


def _path(server: Server) -> Path | None:
    """Where the consent to a server lies: its name tells where the server is named, and how it is written there."""
    folder = data_folder()
    spec = json.dumps(server.spec, sort_keys=True)
    identity = json.dumps([str(server.file.resolve()), server.name, spec])
    return folder and folder / "mcp" / f"{hashlib.sha256(identity.encode()).hexdigest()[:40]}.json"
