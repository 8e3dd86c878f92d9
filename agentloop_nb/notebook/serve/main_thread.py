"""The kernel's main thread, offered to a loop on another one: work is done there between the person's cells.

The kernel's own lock makes the order. A step waits for the cell that runs, and later cells wait for the step. It is
taken before a turn of `turn.TURNS`, because a cell that runs an agent holds it, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from agentloop_nb.errors import UserError
from agentloop_nb.notebook.kernel.runner import Bench

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

    def between_cells(self, work: Callable[[], Awaitable[T]]) -> Job[T]:
        """Have `work` done between the person's cells."""
        job = Job[T](self._loop)
        self._start(lambda: self._carry_out(job, work))
        return job

    async def _carry_out(self, job: Job[T], work: Callable[[], Awaitable[T]]) -> None:
        async with self._lock or contextlib.nullcontext():
            if not job.begin():
                return
            self._tell("busy")
            await job.carry_out(work)
            self._tell("idle")

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have `work` done between the person's cells."""

        async def job() -> T:
            return work()

        return self.between_cells(job).done

    async def do(self, work: Callable[[], T]) -> T:
        """Do `work` between the person's cells, and return what it returns."""
        return await asyncio.wrap_future(self.submit(work))

    def _start(self, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin a task on the kernel's loop whose output appears in the cell that serves."""
        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(job(), context=self._context.copy()))

    def _tell(self, state: str) -> None:
        """Have front ends show that the kernel works: no cell runs, so nobody else says it."""
        kernel = self._kernel
        parent = kernel.session.msg("agentloop_step")
        topic = kernel._topic("status")  # noqa: SLF001 - as the kernel itself tells it
        kernel.session.send(kernel.iopub_socket, "status", {"execution_state": state}, parent=parent, ident=topic)


class Job(Generic[T]):
    """Work that waits for its turn between the person's cells; until it begins it may be withdrawn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._task: asyncio.Task[Any] | None = None
        self.done: Future[T] = Future()

    def begin(self) -> bool:
        """Begin it, in the task that carries it out. False if it was withdrawn."""
        self._task = asyncio.current_task()
        return self.done.set_running_or_notify_cancel()

    async def carry_out(self, work: Callable[[], Awaitable[T]]) -> None:
        """Do the work of a job that has begun."""
        try:
            self.done.set_result(await work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the job is awaited
            self.done.set_exception(error)

    def withdraw(self) -> bool:
        """Give it up, from any thread. False if it has begun."""
        return self.done.cancel()

    def break_off(self) -> None:
        """Break off what it awaits, from any thread."""
        if not self.withdraw() and self._task is not None:
            with contextlib.suppress(RuntimeError):  # the kernel's loop is closed
                self._loop.call_soon_threadsafe(self._task.cancel)

    async def ended(self) -> bool:
        """Wait for its end, on any loop. False if it was withdrawn."""
        await asyncio.wait([asyncio.wrap_future(self.done)])
        return not self.done.cancelled()
