"""One executing step in a process: runs take turns.

Streams, signals, the folder and `__main__` belong to the whole process. A step patches them when it begins and puts
them back when it ends. One step at a time means that patches never interleave. Nothing is held between steps.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from agentloop_nb.errors import UserError


@dataclass(eq=False)
class Turn:
    """The right of one step to execute. Whoever takes it has to release it when the step is over."""

    owner: Turns
    thread: int
    """The thread the step runs on."""
    outside: Path | None = None
    """The folder of everybody else, where the step has moved the process into its own."""

    def release(self) -> None:
        """Let the next step begin; a second call does nothing."""
        self.owner.release(self)


class Turns:
    """Grants turns, one at a time. Safe from any thread and event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: Turn | None = None
        self._waiting: list[Future[None]] = []

    @property
    def holder(self) -> Turn | None:
        """The turn that is taken now, if one is."""
        return self._holder

    async def take(self, thread: int, waits: Callable[[], None]) -> Turn:
        """Take a turn for a step on `thread`, when it is free. `waits` is called once if it is not."""
        told = False
        while True:
            with self._lock:
                if self._holder is None:
                    self._holder = Turn(self, thread)
                    return self._holder
                woken = Future[None]()
                self._waiting.append(woken)
            if not told:
                told = True
                waits()
            await asyncio.wrap_future(woken)

    def release(self, turn: Turn) -> None:
        """Wake all who wait: the first whose loop is free goes on. A loop that is blocked holds nobody up."""
        with self._lock:
            if self._holder is not turn:
                return
            self._holder = None
            waiting, self._waiting = self._waiting, []
        for each in waiting:
            if each.set_running_or_notify_cancel():
                each.set_result(None)


TURNS = Turns()
"""The turns of this process. A step from outside (a served one) takes its turn here, too."""


def refuse_deadlock() -> None:
    """Raise `UserError` where blocking this thread would keep a step on it from ever ending."""
    holder = TURNS.holder
    if holder is not None and holder.thread == threading.get_ident():
        raise UserError("a step of another run awaits on this thread and cannot end meanwhile: use `await arun_agent`")


def caller_folder() -> Path:
    """Return the current folder as code outside any step sees it."""
    holder = TURNS.holder
    return (holder and holder.outside) or Path.cwd()
