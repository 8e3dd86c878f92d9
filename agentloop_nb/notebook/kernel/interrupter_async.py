"""Watches a step where there are no threads: from the event loop, so that only code that awaits can be cut."""

from __future__ import annotations

import asyncio
import time

from agentloop_nb.notebook.kernel.interrupter import REPEAT, TICK, Interrupter


class LoopInterrupter(Interrupter):
    """An overseer on the step's own event loop."""

    def stop(self) -> None:
        self.reason = self.reason or "stopped"
        if self._task is not None:
            self._look()

    def flush_soon(self) -> None:
        asyncio.get_running_loop().call_later(TICK, self._listener.flush)

    def watch_task(self, task: asyncio.Task[object]) -> None:
        super().watch_task(task)
        self._look()

    def __exit__(self, *_: object) -> None:
        self._over = True

    def _begin(self) -> None:
        """Nothing can be watched before there is a task."""

    def _look(self) -> None:
        """Cancel the task once its time is over, and again until it ends."""
        if self._over or self._task is None or self._loop is None:
            return
        if self.reason is None and self.remaining <= 0:
            self.reason = "timeout"
        if self.reason is not None:
            self.asked_at = self.asked_at or time.monotonic()
            self._task.cancel()
        self._loop.call_later(REPEAT if self.reason else self.remaining, self._look)
