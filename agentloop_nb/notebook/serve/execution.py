"""One step of an outside agent: it waits for its turn between the person's cells, and runs there in one go.

Each change of threads costs a client more than most steps do, so there are two: to the main thread and back.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from agentloop_nb.agent.control import Control
from agentloop_nb.notebook.kernel.running_step import RunningStep
from agentloop_nb.notebook.kernel.turn import TURNS
from agentloop_nb.notebook.serve.main_thread import Job
from agentloop_nb.notebook.serve.outside_model import Call
from agentloop_nb.protocols import CodeOutcome


class Execution:
    """Made on the server's loop; `make` makes the step, `waits` is called if another run's step is at work."""

    def __init__(
        self, make: Callable[[], RunningStep], call: Call | None, control: Control, waits: Callable[[], None]
    ) -> None:
        self._make, self._call, self._control, self._waits = make, call, control, waits
        self._began = time.monotonic()
        self._running: RunningStep | None = None

    async def work(self) -> CodeOutcome:
        """Run it on the main thread, which keeps cells from running."""
        if self._call is not None:
            self._call.waited, self._call.at_work = time.monotonic() - self._began, True
        turn = await TURNS.take(threading.get_ident(), self._waits)
        try:
            if self._control.stopping:
                return CodeOutcome(ending="stopped")
            self._running = self._make()
            return self._running.run_blocking()
        finally:
            turn.release()

    async def outcome(self, job: Job[CodeOutcome]) -> CodeOutcome:
        """Await it on the server's loop. A cancellation ends the step, which is waited for all the same."""
        try:
            return await self._of(job)
        except asyncio.CancelledError:
            if self._running is None:
                job.break_off()
                await job.ended()
                raise
            self._running.stop()
            return await self._of(job)

    async def _of(self, job: Job[CodeOutcome]) -> CodeOutcome:
        return job.done.result() if await job.ended() else CodeOutcome(ending="stopped")
