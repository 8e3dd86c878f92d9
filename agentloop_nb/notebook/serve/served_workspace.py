"""The workspace of a served kernel: steps run between the person's cells, and a client may cancel one."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from agentloop_nb.notebook.kernel import runner
from agentloop_nb.notebook.kernel.kernel_workspace import KernelWorkspace
from agentloop_nb.notebook.serve.main_thread import Hold, MainThread
from agentloop_nb.notebook.serve.outside_model import Call, OutsideModel
from agentloop_nb.protocols import CodeError, CodeOutcome, OnOutput, Output

CANCELLED = "the client cancelled this call"
_WAITS: Output = {"output_type": "stream", "name": "stderr", "text": "[waiting: a cell of yours is running]\n"}


class ServedWorkspace(KernelWorkspace):
    """A `KernelWorkspace` whose steps come from another thread."""

    def __init__(self, shell: Any, *, place: MainThread, model: OutsideModel, **options: Any) -> None:
        super().__init__(shell, **options)
        self._place = place
        self._model = model

    async def run_code(self, code: str, *, step: int, timeout: float, on_output: OnOutput) -> CodeOutcome:
        """Run code once, after the cell that runs now and before the next one."""
        if runner.bench() is not self._place:  # a run of our own goes on from here; its cell keeps others waiting
            return await super().run_code(code, step=step, timeout=timeout, on_output=on_output)
        call, began, hold = self._model.current, time.monotonic(), Hold()
        watching = asyncio.ensure_future(self._give_up(call, hold))
        if self._place.is_busy:
            on_output(_WAITS)
        try:
            async with self._place.between_cells(hold) as granted:
                if call is not None:
                    call.waited = time.monotonic() - began
                if not granted:
                    return _cancelled(CodeOutcome(ending="error"))
                outcome = await super().run_code(code, step=step, timeout=timeout, on_output=on_output)
        finally:
            watching.cancel()
        gone = call is not None and call.gone.is_set()
        return _cancelled(outcome) if gone and outcome.ending == "stopped" and not self.control.stopping else outcome

    async def _give_up(self, call: Call | None, hold: Hold) -> None:
        """End the step when its client cancels it: before it begins, or in the middle."""
        if call is None:
            return
        await call.gone.wait()
        hold.withdraw()
        while True:  # it may be about to begin
            if self.control.interrupt is not None:
                self.control.interrupt()
            await asyncio.sleep(0.05)


def _cancelled(outcome: CodeOutcome) -> CodeOutcome:
    """Tell a step that its client cancelled as an error of the step: the run goes on."""
    error = CodeError(type="Cancelled", message=CANCELLED, traceback=f"Cancelled: {CANCELLED}.")
    return outcome.model_copy(update={"ending": "error", "error": error})
