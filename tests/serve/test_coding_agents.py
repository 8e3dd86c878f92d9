"""Coding agents as people install them do an analysis in a served kernel; a scripted server stands for their model.

`CODING_AGENTS` names a folder where `npm install opencode-ai @openai/codex @anthropic-ai/claude-code` was run; without
it the tests are skipped. Nothing but loopback is needed, so they also run in `unshare -n` once `lo` is up.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agent_wire import AgentWire, Call
from tests.serve import analysis
from tests.serve.conftest import SERVES, Notebook

PROGRAMS = Path(os.environ.get("CODING_AGENTS", "/nowhere")) / "node_modules" / ".bin"
BRIDGE = [sys.executable, "-m", "agentloop_nb", "mcp"]
LAST = "March has 7 of 40."
QUIET = {"DO_NOT_TRACK": "1", "DISABLE_TELEMETRY": "1", "DISABLE_AUTOUPDATER": "1", "DISABLE_ERROR_REPORTING": "1"}

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not SERVES, reason="serving needs ipykernel 7"),
]


def opencode(notebook: Notebook, wire: AgentWire, home: Path) -> tuple[list[str], dict[str, str]]:
    """A provider of ours and a local server in `opencode.json`."""
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Scripted",
        "options": {"baseURL": wire.base_url, "apiKey": "x"},
        "models": {"scripted": {"name": "Scripted"}},
    }
    config = {
        "provider": {"scripted": provider},
        "small_model": "scripted/scripted",
        "autoupdate": False,
        "share": "disabled",
        "mcp": {"agentloop": {"type": "local", "command": BRIDGE, "enabled": True, "timeout": 600_000}},
    }
    (notebook.folder / "opencode.json").write_text(json.dumps(config))
    quiet = ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS", "SHARE")
    environment = {f"OPENCODE_DISABLE_{each}": "1" for each in quiet} | {"XDG_DATA_HOME": str(home)}
    return ["opencode", "run", "--model", "scripted/scripted", analysis.TASK], environment


def codex(notebook: Notebook, wire: AgentWire, home: Path) -> tuple[list[str], dict[str, str]]:
    """The same in `config.toml`. The kernel asks the person, so Codex itself need not."""
    config = f"""
model = "scripted"
model_provider = "scripted"
approval_policy = "never"
sandbox_mode = "read-only"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.scripted]
name = "Scripted"
base_url = "{wire.base_url}"
wire_api = "responses"
env_key = "SCRIPTED_KEY"
[mcp_servers.agentloop]
command = "{BRIDGE[0]}"
args = {json.dumps(BRIDGE[1:])}
startup_timeout_sec = 120
tool_timeout_sec = 600
default_tools_approval_mode = "approve"
[mcp_servers.agentloop.env]
"""
    named = {name: notebook.environment[name] for name in ("PYTHONPATH", "JUPYTER_RUNTIME_DIR")}
    (home / "config.toml").write_text(config + "".join(f'{name} = "{value}"\n' for name, value in named.items()))
    return ["codex", "exec", "--skip-git-repo-check", analysis.TASK], {"CODEX_HOME": str(home), "SCRIPTED_KEY": "x"}


def claude(notebook: Notebook, wire: AgentWire, home: Path) -> tuple[list[str], dict[str, str]]:
    """The same in a file of servers."""
    servers = {"mcpServers": {"agentloop": {"command": BRIDGE[0], "args": BRIDGE[1:]}}}
    (home / "servers.json").write_text(json.dumps(servers))
    options = ["--mcp-config", str(home / "servers.json"), "--strict-mcp-config", "--allowedTools", "mcp__agentloop"]
    environment = {
        "ANTHROPIC_BASE_URL": wire.address,
        "ANTHROPIC_API_KEY": "sk-ant-0123456789",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "MCP_TOOL_TIMEOUT": "600000",
    }
    return ["claude", "-p", analysis.TASK, *options], environment


@pytest.mark.parametrize("configured", [opencode, codex, claude])
async def test_an_agent_does_an_analysis_and_leaves_it_proven(
    notebook: Notebook,
    served: Callable[[str], str],
    tmp_path: Path,
    configured: Callable[[Notebook, AgentWire, Path], tuple[list[str], dict[str, str]]],
) -> None:
    if not (PROGRAMS / configured.__name__).exists():
        pytest.skip("set CODING_AGENTS")
    notebook.cell(analysis.SALES)
    served("--approve auto find out why sales fell in March")
    with AgentWire([*(Call(*each) for each in analysis.CALLS), LAST]) as wire:
        (program, *words), named = configured(notebook, wire, tmp_path)
        places = {"HOME": str(tmp_path), "PWD": str(notebook.folder)}
        done = await asyncio.to_thread(
            subprocess.run,
            [str(PROGRAMS / program), *words],
            cwd=notebook.folder,
            env=notebook.environment | QUIET | places | named,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        told = "\n".join(str(body.get("messages") or body.get("input")) for body in wire.bodies)
    assert done.returncode == 0, done.stderr
    assert LAST in done.stdout
    for each in ("5 of 6", "TypeError", "put back: sales", "Reproduced"):
        assert each in told
    analysis.check(notebook)
