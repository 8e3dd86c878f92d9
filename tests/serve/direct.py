"""A client that speaks to the kernel's socket itself: no SDK, no bridge, nothing between a call and its answer."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any, Self


class Direct:
    """One connection; calls follow each other."""

    def __init__(self, found: dict[str, Any]) -> None:
        """`found` is what the runtime file of the served kernel says."""
        self._found = found
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_unix_connection(self._found["socket"], limit=2**24)
        self._writer.write(self._found["token"].encode() + b"\n")
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "direct", "version": "1"}}
        await self.request("initialize", **hello)
        self._send({"method": "notifications/initialized"})
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    def _send(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def request(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a request, and return its result."""
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = json.loads(await self._reader.readline())
            if message.get("id") == number:
                return dict(message["result"])

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool."""
        return await self.request("tools/call", name=tool, arguments=arguments)

    async def run(self, code: str) -> str:
        """Run code, and return the text of the answer."""
        return str((await self.call("run_code", code=code, why="to measure"))["content"][0]["text"])
