"""A cell that waits while its kernel is served: what runs notebooks by itself goes on to the next cell at once, else.

The cell has the main thread, so the steps run in it, one after the other.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from agentloop_nb.notebook.kernel.turn import TURNS
from agentloop_nb.notebook.serve.main_thread import Job, MainThread

T = TypeVar("T")


class HeldCell(MainThread):
    """A `MainThread` whose work is done by `serve`, which the cell calls."""

    _at_work = False

    @property
    def is_busy(self) -> bool:
        """Whether a step runs."""
        return self._at_work

    def _start(self, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._jobs.put(lambda: self._finish(job()))

    def _finish(self, job: Coroutine[Any, Any, None]) -> None:
        """Do a job that awaits nothing: the kernel's loop stands still while its cell waits."""
        while TURNS.holder is not None:
            time.sleep(0.05)
        self._at_work = True
        try:
            job.send(None)
        except StopIteration:
            return
        finally:
            self._at_work = False
        job.close()

    async def _carry_out(self, job: Job[T], work: Callable[[], Awaitable[T]]) -> None:
        if job.begin():
            await job.carry_out(work)
