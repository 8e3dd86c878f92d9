"""Served kernels, spoken to by a client that nobody here wrote: the MCP SDK's, through the bridge's stdio."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager
from mcp import Client, StdioServerParameters

from agentloop_nb.record import locating
from agentloop_nb.state import State

ROOT = Path(__file__).parents[2]
SERVES = int(version("ipykernel").partition(".")[0]) >= 7
"""Whether kernels of this environment can be served."""


class Notebook:
    """A kernel in a folder of its own, and what its cells said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "AGENTLOOP_"))},
            "PYTHONPATH": str(ROOT),
            "IPYTHONDIR": str(folder / ".ipython"),
            "JUPYTER_RUNTIME_DIR": str(folder / "rt"),
        }
        for name in ("MPLBACKEND", "PYTEST_CURRENT_TEST"):
            self.environment.pop(name, None)
        self.manager = KernelManager(kernel_name="python3")
        self.start()

    def start(self) -> None:
        self.manager.start_kernel(
            cwd=str(self.folder), env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._connect()

    def _connect(self) -> None:
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=200)
        self.cell("%load_ext agentloop_nb")

    def restart(self) -> None:
        self.client.stop_channels()
        self.manager.restart_kernel(now=True)
        self._connect()

    def cell(self, code: str) -> str:
        """Run a cell; returns what it showed as text, errors included."""
        return self.collect(self.client.execute(code))

    def begin(self, code: str) -> str:
        """Begin a cell, and return its request when its code is running."""
        request = self.client.execute(f"print('begun', flush=True)\n{code}")
        while True:
            message = self.client.get_iopub_msg(timeout=200)
            if message["parent_header"].get("msg_id") == request and message["msg_type"] == "stream":
                return str(request)

    def collect(self, request: str) -> str:
        shown: list[str] = []
        while True:
            message = self.client.get_iopub_msg(timeout=200)
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            match message["msg_type"]:
                case "stream":
                    shown.append(content["text"])
                case "error":
                    shown.append(f"{content['ename']}: {content['evalue']}")
                case "execute_result":
                    shown.append(content["data"]["text/plain"])
                case "status" if content["execution_state"] == "idle":
                    return "".join(shown)

    @asynccontextmanager
    async def agent(self, *arguments: str, **options: Any) -> AsyncIterator[Agent]:
        """An outside agent that starts the bridge as its configuration says."""
        bridge = StdioServerParameters(
            command=sys.executable,
            args=["-m", "agentloop_nb", "mcp", *arguments],
            env=self.environment,
            cwd=str(self.folder),
        )
        async with Client(bridge, **options) as client:
            yield Agent(client)

    def state(self) -> State:
        """The newest record of the folder, folded anew."""
        return max(locating.runs(self.folder), key=lambda state: state.began)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


class Agent:
    """An outside agent's hands."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, tool: str, **arguments: Any) -> Any:
        return await self.client.call_tool(tool, arguments)

    async def run(self, code: str, **more: Any) -> Any:
        return await self.call("run_code", code=code, why="to see what it does", **more)

    async def text(self, tool: str, **arguments: Any) -> str:
        return said(await self.call(tool, **arguments))


def said(result: Any) -> str:
    """All texts of a result."""
    return "\n".join(each.text for each in result.content if each.type == "text")


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens elsewhere."""
    end = time.monotonic() + 200
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def file_of(notebook: Notebook) -> dict[str, Any]:
    """What the runtime file of the served kernel says."""
    (file,) = (notebook.folder / "rt").glob("agentloop-*.json")
    return dict(json.loads(file.read_text()))


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """A kernel for all tests of a module."""
    started = Notebook(tmp_path_factory.mktemp("served"))
    yield started
    started.close()


@pytest.fixture
def served(notebook: Notebook) -> Iterator[Callable[[str], str]]:
    """Serves the kernel with some options, until the test is over."""
    yield lambda options="": notebook.cell(f"%agent serve {options}")
    notebook.cell("%agent serve --stop")
