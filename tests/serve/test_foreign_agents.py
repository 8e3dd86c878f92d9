"""Agents and clients that nobody here wrote work in a served kernel.

They need packages that the project does not, so each test is skipped where these are absent:
`PYDANTIC_AI_PYTHON` and `SMOLAGENTS_PYTHON` name interpreters that have `pydantic-ai-slim[mcp,openai]` and
`smolagents[mcp,openai]`; `MCP_NODE_MODULES` names a folder with `@modelcontextprotocol/sdk` and
`@modelcontextprotocol/inspector` (`npm install` makes it).
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve import analysis
from tests.serve.conftest import SERVES
from tests.tool_calls import last_word, tool_call
from tests.wire import Answer, Wire

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not SERVES, reason="serving needs ipykernel 7"),
]

OUTSIDE = Path(__file__).parent / "outside"
MODULES = os.environ.get("MCP_NODE_MODULES", "")
BRIDGE = [sys.executable, "-m", "agentloop_nb", "mcp"]


def interpreter(package: str, variable: str) -> str:
    """The Python that has an agent's package; skips the test where none has."""
    if named := os.environ.get(variable):
        return named
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"needs {package}: set {variable}")
    return sys.executable


async def run(notebook, *command: str) -> str:
    """What a program prints that works in the notebook's folder."""
    work = subprocess.run
    done = await asyncio.to_thread(
        work, command, cwd=notebook.folder, env=notebook.environment, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("package", "variable", "script", "end"),
    [
        ("pydantic_ai", "PYDANTIC_AI_PYTHON", "pydantic_agent.py", last_word("March has 7 of 40.")),
        ("smolagents", "SMOLAGENTS_PYTHON", "smol_agent.py", tool_call("final_answer", answer="March has 7 of 40.")),
    ],
)
async def test_an_agent_does_an_analysis_and_leaves_it_proven(
    notebook, served, package: str, variable: str, script: str, end: Answer
):
    python = interpreter(package, variable)
    notebook.cell(analysis.SALES)
    served("--approve auto find out why sales fell in March")
    with Wire([*analysis.analysis(), end]) as wire:
        said = await run(notebook, python, str(OUTSIDE / script), wire.base_url, analysis.TASK, *BRIDGE)
        told = "\n".join(str(body["messages"]) for body in wire.bodies)
    assert "March has 7 of 40." in said
    for each in ("5 of 6", "TypeError", "put back: sales", "Reproduced"):
        assert each in told
    analysis.check(notebook)


@pytest.mark.skipif(not MODULES, reason="set MCP_NODE_MODULES")
async def test_the_client_of_the_typescript_sdk(notebook, served):
    served("--approve auto")
    seen = json.loads(await run(notebook, "node", str(OUTSIDE / "typescript_client.mjs"), MODULES, *BRIDGE))
    assert "run_code" in seen["tools"]
    assert seen["first"]["structuredContent"]["changes"] == ["added n: int"]
    assert seen["error"]["isError"]
    assert any("part" in (each or "") for each in seen["progress"])
    assert seen["cancelled"]
    assert seen["after"]["content"][0]["text"].startswith("still here")
    assert seen["figure"] == ["text", "image"]
    assert "taken back" in seen["undo"]["content"][0]["text"]
    assert "ZeroDivisionError" in seen["transcript"]
    assert seen["prompts"] == 1


@pytest.mark.skipif(not MODULES, reason="set MCP_NODE_MODULES")
async def test_the_inspector(notebook, served):
    served("--approve auto")
    inspector = [str(Path(MODULES) / ".bin" / "mcp-inspector"), "--cli", *BRIDGE, "--method"]
    listed = json.loads(await run(notebook, *inspector, "tools/list"))
    assert "run_code" in [tool["name"] for tool in listed["tools"]]
    arguments = ["--tool-name", "run_code", "--tool-arg", "code=print(6 * 7)", "--tool-arg", "why=to see it"]
    answer = json.loads(await run(notebook, *inspector, "tools/call", *arguments))
    assert answer["content"][0]["text"].startswith("42")
    listed = json.loads(await run(notebook, *inspector, "resources/list"))
    assert len(listed["resources"]) == 3
