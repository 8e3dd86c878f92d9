"""A server at an address: the variables of its headers filled in, and what it sends bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agentloop_nb.errors import UserError
from agentloop_nb.mcp_tools.bounded_stdio import LONGEST_LINE, Ended
from agentloop_nb.mcp_tools.configuration import Server

PATIENCE = 330.0
"""Seconds of silence; a call has its own limit, which is shorter."""


@asynccontextmanager
async def bounded_http(server: Server, ended: Ended) -> AsyncIterator[Any]:
    """Connect to a server and yield its two streams. Raises `UserError` for what is no address."""
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    url = server.expanded(server.spec["url"])
    if not url.startswith(("http://", "https://")):
        raise UserError(f"the address of the server {server.name} does not begin with https:// or http://")
    headers = {str(name): server.expanded(value) for name, value in (server.spec.get("headers") or {}).items()}

    async def bound(response: httpx2.Response) -> None:
        if not response.headers.get("content-type", "").startswith("text/event-stream"):  # that is bounded by event
            response.stream = _bounded(response.stream, ended)

    timeout = httpx2.Timeout(30, read=PATIENCE)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=timeout, event_hooks={"response": [bound]}) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=LONGEST_LINE) as streams,
    ):
        yield streams


def _bounded(body: Any, ended: Ended) -> Any:
    """Return the body of a response, which breaks off once it is too long."""
    import httpx2

    class Bounded(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for piece in body:
                size += len(piece)
                if size > LONGEST_LINE:
                    ended.why = f"it sent more than {LONGEST_LINE // 2**20} MB at once"
                    raise httpx2.ReadError(ended.why)
                yield piece

        async def aclose(self) -> None:
            await body.aclose()

    return Bounded()
