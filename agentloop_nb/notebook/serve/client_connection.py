"""One client's connection: lines of JSON to and from the SDK's server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.shared.message import SessionMessage


async def speak(server: Server[Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Talk to a client until either side ends it."""
    to_server, incoming = anyio.create_memory_object_stream[Any](16)
    outgoing, from_server = anyio.create_memory_object_stream[Any](16)

    async def receive() -> None:
        async with to_server:
            with contextlib.suppress(OSError, ValueError):  # ValueError: a message beyond the limit; nothing is guessed
                while line := await reader.readline():
                    try:
                        message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                    except ValueError as error:
                        await to_server.send(error)
                    else:
                        await to_server.send(SessionMessage(message))

    async def send() -> None:
        with contextlib.suppress(OSError):
            async for message in from_server:
                writer.write(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
                await writer.drain()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receive)
        tasks.start_soon(send)
        try:
            await server.run(incoming, outgoing, server.create_initialization_options())
        finally:
            tasks.cancel_scope.cancel()
