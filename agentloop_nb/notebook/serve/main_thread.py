"""The kernel's main thread, offered to a loop on another one: work is done there between the person's cells.

The kernel's own lock makes the order. A step waits for the cell that runs, and later cells wait for the step. It is
taken before a turn of `turn.TURNS`, because a cell that runs an agent holds it, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from agentloop_nb.errors import UserError
from agentloop_nb.notebook.kernel.runner import Bench, fulfil

T = TypeVar("T")


class MainThread(Bench):
    """Made on the main thread, in the cell whose output later work appears in."""

    def __init__(self, kernel: Any) -> None:
        super().__init__()
        self._kernel = kernel
        self._lock: asyncio.Lock | None = getattr(kernel, "_main_asyncio_lock", None)
        if self._lock is None:
            raise UserError("serving a kernel needs ipykernel 7 or newer: pip install -U 'ipykernel>=7', then restart")
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()

    @property
    def is_busy(self) -> bool:
        """Whether a cell or a step runs."""
        return self._lock is not None and self._lock.locked()

    @asynccontextmanager
    async def between_cells(self, hold: Hold) -> AsyncIterator[bool]:
        """Keep cells from running for the length of the body. Yields False if `hold` was withdrawn meanwhile."""
        over = asyncio.Event()
        self._start(lambda: self._keep(hold, over))
        try:
            yield await asyncio.wrap_future(hold.acquired)
        finally:
            hold.withdraw()
            with contextlib.suppress(RuntimeError):  # the kernel's loop is closed
                self._loop.call_soon_threadsafe(over.set)

    async def _keep(self, hold: Hold, over: asyncio.Event) -> None:
        async with self._lock or contextlib.nullcontext():
            try:
                hold.acquired.set_result(True)
            except InvalidStateError:
                return
            self._tell("busy")
            try:
                await over.wait()
            finally:
                self._tell("idle")

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have `work` done at once; call it from the body of `between_cells`."""
        future: Future[T] = Future()

        async def job() -> None:
            fulfil(future, work)

        self._start(job)
        return future

    async def do(self, work: Callable[[], T]) -> T:
        """Do `work` between the person's cells, and return what it returns."""
        async with self.between_cells(Hold()):
            return await asyncio.wrap_future(self.submit(work))

    def _start(self, job: Callable[[], Any]) -> None:
        """Begin a task on the kernel's loop whose output appears in the cell that serves."""
        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(job(), context=self._context.copy()))

    def _tell(self, state: str) -> None:
        """Have front ends show that the kernel works: no cell runs, so nobody else says it."""
        kernel = self._kernel
        parent = kernel.session.msg("agentloop_step")
        topic = kernel._topic("status")  # noqa: SLF001 - as the kernel itself tells it
        kernel.session.send(kernel.iopub_socket, "status", {"execution_state": state}, parent=parent, ident=topic)


class Hold:
    """The wish to keep cells from running; it may be withdrawn until it is granted."""

    def __init__(self) -> None:
        self.acquired: Future[bool] = Future()

    def withdraw(self) -> None:
        """Give it up; nothing happens if it was granted before."""
        with contextlib.suppress(InvalidStateError):
            self.acquired.set_result(False)
