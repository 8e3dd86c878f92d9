"""Ends a running step from outside: at its time limit, or when somebody asks. Nothing of it can fire late.

Python code is cut by a signal to the thread that runs it, awaiting code by cancelling its task; both again and again
until the step is over, because code may swallow either. Where signals cannot reach (a thread other than the main one,
Windows), an exception is set in the thread, which takes effect at its next bytecode.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import queue
import signal
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any, Literal, Protocol

from agentloop_nb.notebook.kernel import output_scope
from agentloop_nb.notebook.kernel.handlers import set_handler
from agentloop_nb.notebook.kernel.thread_frames import current_frames
from agentloop_nb.notebook.kernel.worker_threads import have_done

Reason = Literal["timeout", "stopped"]

REPEAT = 0.25
"""Seconds between two attempts to cut the code short."""
STUCK = 1.5
"""Seconds after which code that cannot be cut is called stuck in native code."""
TICK = 0.05
"""Seconds after which waiting stream text is told."""


class StepInterrupt(BaseException):
    """Raised inside a step's code to end it. No `Exception`, so that the code does not handle it by accident; no
    `KeyboardInterrupt`, because asyncio lets that one tear down the kernel's event loop.
    """


class Listener(Protocol):
    """What an overseer asks and tells while the step runs."""

    def interrupted(self) -> None:
        """Note that the user, not the overseer, sent SIGINT. Called in the signal handler."""

    def at_work(self, frame: FrameType | None) -> bool:
        """Whether a frame is inside the step's code, not in what surrounds it. Called in the signal handler."""

    def flush(self) -> None:
        """Stream text waits to be told. Called on the overseer's thread, as is `stuck`."""

    def stuck(self) -> None:
        """Note that the code has been asked to end, and is in native code that cannot be cut."""


class Interrupter:
    """Watches one step from a thread of its own. Enter it on the thread that runs the step."""

    def __init__(self, step: object, seconds: float, listener: Listener) -> None:
        self._step = step
        self._listener = listener
        self._deadline = time.monotonic() + seconds
        self._inbox: queue.SimpleQueue[str] = queue.SimpleQueue()  # its put is reentrant: safe in a signal handler
        self._striking = threading.Lock()
        self._over = self._struck = False
        self._raised_at = float("-inf")
        self._home = threading.main_thread()
        self._signals = False
        self._task: asyncio.Task[object] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._old_handler: Any = None
        self.reason: Reason | None = None
        """Why the step was cut short, if it was."""
        self.asked_at: float | None = None
        """When it was first asked to end (monotonic seconds)."""

    # -- from any thread

    def stop(self) -> None:
        """End the step now, because the user wants it."""
        self._inbox.put("stopped")

    def extend(self, seconds: float) -> None:
        """Give the step more time."""
        self._deadline += seconds
        self._inbox.put("")

    def flush_soon(self) -> None:
        """Have the listener flush within `TICK`."""
        self._inbox.put("flush")

    @property
    def remaining(self) -> float:
        """Seconds until the time limit."""
        return self._deadline - time.monotonic()

    # -- on the thread of the step

    def __enter__(self) -> Interrupter:
        self._home, self._signals = threading.current_thread(), _signals_work()
        if self._signals:
            self._old_handler = set_handler(signal.SIGINT, self._on_sigint)
        self._begin()
        return self

    def _begin(self) -> None:
        have_done(self._watch)

    def watch_task(self, task: asyncio.Task[object]) -> None:
        """Say that the step awaits, in this task of the running loop."""
        self._task, self._loop = task, task.get_loop()

    def __exit__(self, *_: object) -> None:
        with self._striking:  # from here on no strike can come, so the handler can go
            self._over = True
        self._inbox.put("")
        if self._signals:
            set_handler(signal.SIGINT, self._old_handler)
        if self._struck:
            take_strike(self._home)

    def _on_sigint(self, _signal: int, frame: FrameType | None) -> None:
        if self._over:
            return
        if self.reason is None:
            self.reason = "stopped"
            self._listener.interrupted()
            self.stop()
        if output_scope.current() is self._step and self._listener.at_work(frame):
            self._raised_at = time.monotonic()
            raise StepInterrupt  # else it hit a view, the event loop or IPython: the overseer comes again

    # -- on the overseer's thread

    def _watch(self) -> None:
        while not self._over and self.reason is None:
            try:
                message = self._inbox.get(timeout=max(self.remaining, 0))
            except queue.Empty:
                self.reason = "timeout"
                break
            if message == "stopped":
                self.reason = "stopped"
            elif message == "flush":
                time.sleep(TICK)
                self._listener.flush()
        self._cut()

    def _cut(self) -> None:
        self.asked_at = time.monotonic()
        rounds = 0
        told = False
        while not self._over:
            with self._striking:
                if not self._over and time.monotonic() - self._raised_at >= REPEAT:  # else the code is just ending
                    self._strike(rounds)
            rounds += 1
            time.sleep(REPEAT)
            self._listener.flush()
            if not told and not self._over and time.monotonic() - self.asked_at > STUCK:
                told = True
                self._listener.stuck()

    def _strike(self, rounds: int) -> None:
        if self._task is not None and self._loop is not None and rounds % 4 == 0:
            with suppress(RuntimeError):  # the loop was closed
                self._loop.call_soon_threadsafe(self._task.cancel)
        if self._task is not None and rounds == 0:
            return
        if self._signals and signal.getsignal(signal.SIGINT) == self._on_sigint:
            signal.pthread_kill(self._home.ident or 0, signal.SIGINT)
        elif self._listener.at_work(current_frames().get(self._home.ident or 0)):
            self._struck = True
            raise_in(self._home, StepInterrupt)


def _signals_work() -> bool:
    return threading.current_thread() is threading.main_thread() and hasattr(signal, "pthread_kill") and os.name != "nt"


def raise_in(thread: threading.Thread, error: type[BaseException]) -> None:
    """Raise `error` in a thread at its next bytecode."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(error))


def take_strike(thread: threading.Thread) -> None:
    """Take what may still wait to be raised in the current thread, so that it cannot hit anything later.

    It is raised here. To set no exception at all instead would leave Python 3.11 looking for it at each bytecode, for
    ever: profilers and `sys.settrace` hang then, and all other code runs slower.
    """
    with suppress(StepInterrupt):
        raise_in(thread, StepInterrupt)  # in place of one that waits, if any: so there is one for certain
        for _ in range(1000):
            pass
