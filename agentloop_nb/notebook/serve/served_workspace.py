"""The workspace of a served kernel: steps run between the person's cells, or in a kernel of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.notebook.kernel import runner
from agentloop_nb.notebook.kernel.kernel_workspace import ANOTHER_STEP, KernelWorkspace
from agentloop_nb.notebook.kernel.running_step import RunningStep
from agentloop_nb.notebook.serve.cancellation import as_told, heard
from agentloop_nb.notebook.serve.execution import Execution
from agentloop_nb.notebook.serve.main_thread import MainThread
from agentloop_nb.notebook.serve.outside_model import OutsideModel
from agentloop_nb.notebook.snapshots.undo_history import History
from agentloop_nb.protocols import CodeOutcome, OnOutput, Output

T = TypeVar("T")

_WAITS: Output = {"output_type": "stream", "name": "stderr", "text": "[waiting: a cell of yours is running]\n"}


class ServedWorkspace(KernelWorkspace):
    """A `KernelWorkspace` whose steps come from another thread."""

    def __init__(self, shell: Any, *, place: MainThread, model: OutsideModel, **options: Any) -> None:
        super().__init__(shell, **options)
        self._place = place
        self._model = model

    @property
    def is_busy(self) -> bool:
        """Whether a step would have to wait."""
        return self._place.is_busy

    async def at_rest(self, work: Callable[[], T]) -> T:
        """Do what looks at variables or changes them, while no code runs."""
        return await self._place.do(work)

    async def run_code(self, code: str, *, step: int, timeout: float, on_output: OnOutput) -> CodeOutcome:
        """Run code once, after the cell that runs now and before the next one."""
        call = self._model.current if runner.bench() is self._place else None
        outcome = await super().run_code(code, step=step, timeout=timeout, on_output=on_output)
        return as_told(outcome, call, self.control)

    async def _run(self, code: str, step: int, timeout: float, on_output: OnOutput, past: History) -> CodeOutcome:
        if runner.bench() is not self._place:  # a run of our own goes on from here; its cell keeps others waiting
            return await super()._run(code, step, timeout, on_output, past)
        if self._place.is_busy:
            on_output(_WAITS)
        call, mandate, self.mandate, loop = self._model.current, self.mandate, None, asyncio.get_running_loop()

        def post(output: Output) -> None:
            loop.call_soon_threadsafe(on_output, output)

        make = partial(RunningStep, self, code, step, timeout, post, mandate=mandate, past=past)
        execution = Execution(make, call, self.control, partial(post, ANOTHER_STEP))
        job = self._place.between_cells(execution.work)
        async with heard(call, self.control, job.withdraw):
            return await execution.outcome(job)


class ServedIsolatedWorkspace(IsolatedWorkspace):
    """An `IsolatedWorkspace` whose steps are calls that a client may cancel. The person's cells keep nobody waiting."""

    def __init__(self, folder: Path, *, model: OutsideModel, **options: Any) -> None:
        super().__init__(folder, **options)
        self._model = model

    @property
    def is_busy(self) -> bool:
        """Whether a step would have to wait."""
        return self._model.is_at_work

    async def at_rest(self, work: Callable[[], T]) -> T:
        """Do what asks the process, which answers one question at a time."""
        return await asyncio.to_thread(work)

    async def run_code(self, code: str, *, step: int, timeout: float, on_output: OnOutput) -> CodeOutcome:
        """Run code once, in the process."""
        call = self._model.current if self._model.is_deciding else None
        if call is not None:
            call.at_work = True
        async with heard(call, self.control, lambda: None):
            outcome = await super().run_code(code, step=step, timeout=timeout, on_output=on_output)
        return as_told(outcome, call, self.control)


Served = ServedWorkspace | ServedIsolatedWorkspace
