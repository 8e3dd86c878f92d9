"""jupyter-mcp-server beside ours: a Jupyter server and a kernel from its environment, and its own stdio server."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters

_TOKEN = "measured"


class Other:
    """The other server's hands."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def execute(self, code: str) -> Any:
        return await self._client.call_tool("execute_code", {"code": code})


@asynccontextmanager
async def jupyter_mcp_server(python: str, folder: Path) -> AsyncIterator[Other]:
    """Start both in a folder, and end them."""
    programs = Path(python).parent
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    jupyter = [python, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1"]
    options = [f"--IdentityProvider.token={_TOKEN}", f"--ServerApp.root_dir={folder}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    server = subprocess.Popen([*jupyter, *options], cwd=folder, env=environment, **quiet)
    try:
        url = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(_wait, f"{url}/api?token={_TOKEN}")
        started = {"JUPYTER_URL": url, "JUPYTER_TOKEN": _TOKEN, "ALLOW_IMG_OUTPUT": "false"}
        command = str(programs / "jupyter-mcp-server")
        parameters = StdioServerParameters(command=command, args=[], env=environment | started, cwd=str(folder))
        async with Client(parameters, mode="legacy") as client:
            yield Other(client)
    finally:
        server.terminate()
        server.wait(20)


def _wait(address: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(address, timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"no Jupyter server at {address}")
