"""A server as a child process that speaks JSON lines: its environment, its lines and its end are bounded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentloop_nb._internal.clean_env import plain_environment
from agentloop_nb.errors import UserError
from agentloop_nb.mcp_tools.configuration import Server

if TYPE_CHECKING:
    from asyncio.subprocess import Process

LONGEST_LINE = 8 * 2**20
"""Bytes of one message; the SDK's own reader has no bound, and is quadratic in it."""
MOST_UNASKED = 32 * 2**20
"""Bytes that a server may send without being asked anything in between."""
KEPT_ERRORS = 2_000
"""Characters of what it wrote to stderr last, for the person who allows it."""
GRACE = 1.0
"""Seconds in which it ends by itself once its input is closed."""

_running: set[int] = set()
"""Process groups that have not ended."""


class Ended:
    """Why a server's process is no longer spoken with, and what it said last on stderr."""

    def __init__(self) -> None:
        self.why = ""
        self.errors = ""


def environment(server: Server) -> dict[str, str]:
    """Return the variables of its process: where things are installed, its home, and what the file names."""
    named = {str(name): server.expanded(value) for name, value in (server.spec.get("env") or {}).items()}
    return plain_environment(Path.home()) | named


@asynccontextmanager
async def bounded_stdio(server: Server, ended: Ended) -> AsyncIterator[Any]:
    """Start a server and yield its two streams. Raises `UserError` where it cannot be started."""
    import anyio

    process = await _started(server)
    _running.add(process.pid)
    to_client, reads = anyio.create_memory_object_stream[Any](16)
    writes, from_client = anyio.create_memory_object_stream[Any](16)
    conversation = _Conversation(process, ended)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(conversation.read, to_client)
            tasks.start_soon(conversation.write, from_client)
            tasks.start_soon(conversation.read_errors)
            try:
                yield reads, writes
            finally:
                tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)
        for stream in (to_client, reads, writes, from_client):
            stream.close()


async def _started(server: Server) -> Process:
    variables = environment(server)
    command = server.expanded(server.spec["command"])
    found = shutil.which(command, path=variables.get("PATH")) or command
    arguments = [server.expanded(each) for each in server.spec.get("args", ())]
    folder = server.folder / server.expanded(server.spec.get("cwd", ""))
    try:
        return await asyncio.create_subprocess_exec(
            found,
            *arguments,
            env=variables,
            cwd=folder,
            limit=LONGEST_LINE,
            start_new_session=sys.platform != "win32",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except (OSError, ValueError) as error:
        why = "there is no such command" if isinstance(error, FileNotFoundError) else str(error)
        raise UserError(f"the server {server.name} cannot be started ({command[:80]}: {why})") from None


class _Conversation:
    """What goes to and comes from one process."""

    def __init__(self, process: Process, ended: Ended) -> None:
        self._process = process
        self._ended = ended
        self._unasked = 0

    async def read(self, to_client: Any) -> None:
        """Hand each message on, until the process closes its output or says too much."""
        import anyio
        import mcp_types
        from mcp.shared.message import SessionMessage

        assert self._process.stdout is not None
        async with to_client:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                while line := await self._line(self._process.stdout):
                    with suppress(ValueError, RecursionError):  # what a careless server prints is no message
                        message = mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                        await to_client.send(SessionMessage(message))

    async def _line(self, stream: asyncio.StreamReader) -> bytes:
        try:
            line = await stream.readline()
        except ValueError:
            self._ended.why = f"it sent more than {LONGEST_LINE // 2**20} MB at once"
            return b""
        self._unasked += len(line)
        if self._unasked > MOST_UNASKED:
            self._ended.why = f"it sent more than {MOST_UNASKED // 2**20} MB without being asked"
            return b""
        return line

    async def write(self, from_client: Any) -> None:
        """Send what the client says."""
        assert self._process.stdin is not None
        async for message in from_client:
            self._unasked = 0
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            with suppress(ConnectionError, RuntimeError):
                self._process.stdin.write(text.encode() + b"\n")
                await self._process.stdin.drain()

    async def read_errors(self) -> None:
        """Keep the end of what it writes to stderr."""
        assert self._process.stderr is not None
        while piece := await self._process.stderr.read(4096):
            self._ended.errors = (self._ended.errors + piece.decode(errors="replace"))[-KEPT_ERRORS:]


async def _end(process: Process) -> None:
    """Let a process end by itself, else end it and all that it started."""
    if process.stdin is not None:
        process.stdin.close()
    for number in (0, signal.SIGTERM, _KILL):
        if number:
            _signal(process.pid, number)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), GRACE)
            break
    _signal(process.pid, _KILL)  # what it left behind
    _running.discard(process.pid)


_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError, OSError):
        if hasattr(os, "killpg"):
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def end_all() -> None:
    """End every server that still runs, when Python exits."""
    for pid in list(_running):
        _signal(pid, _KILL)
        _running.discard(pid)
