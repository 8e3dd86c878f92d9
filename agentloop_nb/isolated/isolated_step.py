"""One step of code in an isolated kernel: stopped, ended at its time limit, and told of when its process dies."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from agentloop_nb.agent.control import Control
from agentloop_nb.errors import UserError
from agentloop_nb.isolated.channel import EXTEND, STOP
from agentloop_nb.isolated.connection import Connection, Died, Garbled
from agentloop_nb.protocols import CodeError, CodeOutcome, OnOutput, Output
from agentloop_nb.safety.observed_effects import Mandate

OBEY = 0.7
"""Seconds in which code that is asked to stop has to end; then its process is killed."""
GRACE = 5.0
"""Seconds past its time limit after which code that cannot be cut is killed with its process."""
MAX_SHOWN = 200
"""Outputs kept of a step whose process died."""
MAX_TOLD = 1_000_000
"""Characters kept of what a step showed before its process died."""


class IsolatedStep:
    """One step of code in the process, bounded by a stop and by time."""

    def __init__(self, line: Connection, control: Control, timeout: float, on_output: OnOutput) -> None:
        self._line = line
        self._control = control
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout + GRACE
        self._on_output = on_output
        self._loop = asyncio.get_running_loop()
        self._over = self._stopped = self._late = False
        self._shown: list[Output] = []

    async def run(self, code: str, step: int, mandate: Mandate | None) -> CodeOutcome:
        """Run the code of a step; whatever becomes of the process, there is an outcome."""
        arguments = {"code": code, "step": step, "timeout": self._timeout, "mandate": dumped(mandate)}
        try:
            return self._noted(CodeOutcome.model_validate(await self.answer("run_code", arguments)))
        except Died as error:
            return self._died(str(error))
        except (Garbled, ValidationError) as error:
            return self._noted(failure("KernelError", f"the isolated kernel answered nothing usable: {error}"))

    async def answer(self, call: str, arguments: dict[str, Any]) -> Any:
        """Have the process answer a call, within the bounds of the step. Raises `Died` and `Garbled`."""
        waiting = asyncio.wrap_future(self._line.submit(call, arguments, self._show))
        self._control.interrupt, self._control.extend = self._stop, self._extend
        if self._control.stopping:
            self._stop()
        self._line.later(self._timeout + GRACE, self._end_late)
        try:
            return await self._patiently(waiting)
        finally:
            self._over = True
            self._control.interrupt = self._control.extend = None

    async def _patiently(self, waiting: asyncio.Future[Any]) -> Any:
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            self._stop()
            return await waiting

    # -- from any thread

    def _show(self, output: Output) -> None:
        if not _is_output(output):
            return
        self._keep(output)
        with suppress(RuntimeError):  # the run's loop is closed: it was abandoned
            self._loop.call_soon_threadsafe(self._on_output, output)

    def _stop(self) -> None:
        self._stopped = True
        self._line.tell(STOP)
        self._line.later(OBEY, lambda: None if self._over else self._line.kill("it did not stop when asked to"))

    def _extend(self, seconds: float) -> None:
        self._deadline += seconds
        self._line.tell(EXTEND, seconds=seconds)

    def _end_late(self) -> None:
        left = self._deadline - time.monotonic()
        if left > 0 and not self._over:
            self._line.later(left, self._end_late)
        elif not self._over:
            self._late = True
            self._line.kill("it did not end at its time limit")

    # -- outcomes

    def _keep(self, output: Output) -> None:
        last = self._shown[-1] if self._shown else {}
        if output["output_type"] != "stream":
            if output["output_type"] != "update_display_data" and len(self._shown) < MAX_SHOWN:
                self._shown.append(output)
        elif last.get("name") == output.get("name"):
            last["text"] = (str(last["text"]) + str(output.get("text", "")))[-MAX_TOLD:]
        else:
            self._shown.append(dict(output))

    def _noted(self, outcome: CodeOutcome) -> CodeOutcome:
        remarks, self._line.remarks = self._line.remarks, []
        outputs = tuple(filter(_is_output, outcome.outputs or self._shown))
        return outcome.model_copy(update={"outputs": outputs, "notes": (*outcome.notes, *remarks)})

    def _died(self, why: str) -> CodeOutcome:
        if self._stopped or self._late:
            note = f"The isolated kernel was ended: {why}."
            return self._noted(CodeOutcome(ending="stopped" if self._stopped else "timeout", notes=(note,)))
        return self._noted(failure("KernelDied", f"the isolated kernel is gone: {why}"))


def described(error: Exception) -> str:
    """Say on one line what went wrong in the process."""
    if isinstance(error, ValidationError):
        return "it answered nothing usable"
    kind = "" if isinstance(error, Died | Garbled) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split())


def unusable(error: Exception) -> UserError:
    """Return what a person is told where no process can be had."""
    return UserError(f"the isolated kernel cannot be used: {described(error)}; without --isolated code runs here")


def dumped(mandate: Mandate | None) -> Any:
    """Dump a mandate for the process, where nobody can be asked."""
    return mandate and mandate.model_copy(update={"anybody": False}).model_dump(mode="json")


def failure(kind: str, message: str) -> CodeOutcome:
    """Make the outcome of code that a fault of its kernel ended."""
    return CodeOutcome(ending="error", error=CodeError(type=kind, message=message, traceback=f"{kind}: {message}"))


def _is_output(output: Any) -> bool:
    """Whether what the other process calls an output is one: it may be forged."""
    match output:
        case {"output_type": "stream", "name": "stdout" | "stderr", "text": str()}:
            return True
        case {"output_type": "error", "ename": str(), "evalue": str(), "traceback": [*lines]}:
            return all(isinstance(line, str) for line in lines)
        case {"output_type": "display_data" | "execute_result" | "update_display_data", "data": dict()}:
            return isinstance(output.get("metadata", {}), dict)
        case _:
            return False
