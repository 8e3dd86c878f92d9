"""Runs a loop in a kernel: beside the cell that started it, or from code that cannot await.

While it runs, SIGINT (the Interrupt button, Ctrl-C) stops the run instead of being lost in the event loop.
"""

from __future__ import annotations

import _thread
import asyncio
import contextvars
import queue
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.agent.control import Control
from agentloop_nb.errors import UserError
from agentloop_nb.notebook.kernel import interrupts, output_scope, turn
from agentloop_nb.notebook.kernel.time_limit import time_limit

T = TypeVar("T")

POLL = 0.1
"""Seconds between two looks at the work of a step, where waiting cannot be interrupted (Windows)."""


def fulfil(future: Future[T], work: Callable[[], T]) -> None:
    """Do the work of a future, unless it was cancelled before: the run was stopped before it came to this."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)


class Bench:
    """The thread that started a run, offered to its steps as the place where code runs."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._waiting: set[Future[Any]] = set()
        self._closed = False

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have `work` done on the bench; from any other thread."""
        future: Future[T] = Future()
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)

        self._jobs.put(lambda: fulfil(future, work))
        if self._closed:
            self.close()
        return future

    def serve(self, done: Callable[[], bool]) -> None:
        """Do what is submitted until `done`."""
        while not done():
            try:
                job = self._jobs.get(timeout=POLL)
            except queue.Empty:
                continue
            if job is not None:
                job()

    def wake(self) -> None:
        """Look at `done` again."""
        self._jobs.put(None)

    def close(self) -> None:
        """Cancel what nobody will do any more: the run was abandoned."""
        self._closed = True
        for future in list(self._waiting):
            future.cancel()


_bench: contextvars.ContextVar[Bench | None] = contextvars.ContextVar("agentloop_bench", default=None)


def bench() -> Bench | None:
    """Return the bench of the run that the calling code belongs to; None when its loop runs on the kernel's own."""
    return _bench.get()


def use(place: Bench) -> None:
    """Have the steps of the calling context run on `place`."""
    _bench.set(place)


def can_ask(shell: Any) -> bool:
    """Whether the front end says that a person can answer; nbconvert, papermill and Voila say no."""
    return bool(getattr(getattr(shell, "kernel", None), "_allow_stdin", False))


def is_attended(shell: Any) -> bool:
    """Whether somebody may be there to answer: at the front end of a kernel, or at a terminal."""
    if getattr(shell, "kernel", None) is not None:
        return can_ask(shell)
    return sys.stdin is not None and sys.stdin.isatty()


async def read_line(prompt: str, control: Control, *, seconds: float | None = None) -> str:
    """Read a line on the thread of the cell, the only one that may. A stop breaks it off: `KeyboardInterrupt`.

    Raises `TimeoutError` where nothing was typed within `seconds`.
    """

    def read() -> str:
        control.interrupt = _interrupt_main
        try:
            with time_limit(seconds):
                return input(prompt).strip()
        finally:
            control.interrupt = None

    place = bench()
    return read() if place is None else await asyncio.wrap_future(place.submit(read))


def _interrupt_main() -> None:
    if threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt
    _thread.interrupt_main()


def drive(make_coro: Callable[[], Coroutine[Any, Any, T]], control: Control) -> T:
    """Run a coroutine to its end from code that is not asynchronous, inside a running event loop or not.

    It runs in a loop of its own on a second thread; steps come back to this one. Raises what the coroutine raises;
    a second interrupt, when the first did not end it, raises `KeyboardInterrupt` and abandons it.
    """
    refuse_nesting()
    turn.refuse_deadlock()
    if IN_BROWSER:
        raise UserError(
            "a browser has no second thread: %%agent must open its cell, and run_agent be `await arun_agent`"
        )
    place = Bench()
    outcome: Future[T] = Future()

    def work() -> None:
        output_scope.enter(output_scope.OUTSIDE)
        _bench.set(place)
        try:
            outcome.set_result(asyncio.run(make_coro()))
        except BaseException as error:
            outcome.set_exception(error)
        finally:
            place.wake()

    context = contextvars.copy_context()  # so that what the loop shows lands in the cell that started it
    thread = threading.Thread(target=context.run, args=(work,), name="agentloop-loop", daemon=True)
    try:
        with interrupts.heard(_stops(control, patience=1)):
            thread.start()
            place.serve(outcome.done)
    finally:
        place.close()
    thread.join()
    return outcome.result()


async def drive_async(coro: Awaitable[T], control: Control) -> T:
    """Await a run inside the cell that started it, on the kernel's own loop."""
    if output_scope.in_step() and asyncio.iscoroutine(coro):
        coro.close()
    refuse_nesting()
    task = asyncio.ensure_future(coro)
    with interrupts.heard(control.stop):
        return await task


def refuse_nesting() -> None:
    """Raise `UserError` where the calling code runs inside a step."""
    if output_scope.in_step():
        raise UserError("an agent cannot start an agent: this code runs inside a step of one already")


def _stops(control: Control, patience: int) -> Callable[[], None]:
    """Make what stops the run at SIGINT; after `patience` of them without an end it raises `KeyboardInterrupt`."""
    seen = 0

    def stop() -> None:
        nonlocal seen
        seen += 1
        if seen > patience:
            control.kill()
            raise KeyboardInterrupt
        control.stop()

    return stop
