"""Servers from npm and PyPI as people have them. `MCP_SERVERS` names a folder with `node_modules` and two venvs:

npm install @modelcontextprotocol/server-everything @modelcontextprotocol/server-filesystem
python -m venv v && v/bin/pip install mcp-server-time
python -m venv v2 && v2/bin/pip install mcp-server-sqlite "mcp<2"
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from agentloop_nb.mcp_tools.toolbox import toolbox
from tests.mcp_tools.allowing import allow

PLACE = Path(os.environ.get("MCP_SERVERS", "/nowhere"))
pytestmark = [pytest.mark.timeout(300), pytest.mark.skipif(not PLACE.is_dir(), reason="MCP_SERVERS names no folder")]

SERVERS = {
    "everything": ("node_modules/.bin/mcp-server-everything", [], "get-sum", {"a": 2, "b": 3}, "5"),
    "filesystem": (
        *("node_modules/.bin/mcp-server-filesystem", ["${workspaceFolder}"]),
        *("list_directory", {"path": "${workspaceFolder}"}, ".mcp.json"),
    ),
    "time": ("v/bin/mcp-server-time", [], "get_current_time", {"timezone": "Europe/Paris"}, "Europe/Paris"),
    "sqlite": (
        *("v2/bin/mcp-server-sqlite", ["--db-path", "${workspaceFolder}/a.db"]),
        *("write_query", {"query": "CREATE TABLE t (x INTEGER)"}, ""),
    ),
}


@pytest.mark.parametrize("name", SERVERS)
async def test_it_is_listed_told_and_called(name: str, tmp_path: Path):
    command, arguments, tool, given, expected = SERVERS[name]
    if not (PLACE / command).exists():
        pytest.skip(f"{command} is not installed")
    spec = {"command": str(PLACE / command), "args": arguments}
    (tmp_path / ".mcp.json").write_text(json.dumps({"mcpServers": {name: spec}}))
    allow(tmp_path, name)
    box = toolbox(tmp_path, (name,))
    assert f"{name}.{tool}(" in box.describe(7000)
    text = json.dumps(given).replace("${workspaceFolder}", str(tmp_path))
    answer = await box.call(f"{name}.{tool}", text, 60)
    await box.close()
    assert not answer.failed
    assert expected in answer.text
