"""The thread that servers are spoken with on: a kernel's own loop may be busy, and on Windows starts no processes."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from functools import cache
from typing import Any, TypeVar

from agentloop_nb.mcp_tools.bounded_stdio import end_all

T = TypeVar("T")


class ServerThread:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="agentloop-tools", daemon=True).start()
        atexit.register(end_all)

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Have work done there; from any other thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Await work that is done there; a cancelled wait cancels it."""
        return await asyncio.wrap_future(self.submit(work))


@cache
def server_thread() -> ServerThread:
    """Return the one thread of this process, started at first use."""
    return ServerThread()
