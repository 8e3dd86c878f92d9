"""The end of a step whose client cancelled its call: an error of that step, and no end of the run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from agentloop_nb.agent.control import Control
from agentloop_nb.notebook.serve.outside_model import Call
from agentloop_nb.protocols import CodeError, CodeOutcome

CANCELLED = "the client cancelled this call"


@asynccontextmanager
async def heard(call: Call | None, control: Control, withdraw: Callable[[], object]) -> AsyncIterator[None]:
    """End the step of `call` when its client cancels it: `withdraw` before it begins, or interrupt it."""
    watching = asyncio.ensure_future(_give_up(call, control, withdraw)) if call is not None else None
    try:
        yield
    finally:
        if watching is not None:
            watching.cancel()


async def _give_up(call: Call, control: Control, withdraw: Callable[[], object]) -> None:
    await call.gone.wait()
    withdraw()
    while True:  # it may be about to begin
        if control.interrupt is not None:
            control.interrupt()
        await asyncio.sleep(0.05)


def cancelled(outcome: CodeOutcome) -> CodeOutcome:
    """Tell it as an error."""
    error = CodeError(type="Cancelled", message=CANCELLED, traceback=f"Cancelled: {CANCELLED}.")
    return outcome.model_copy(update={"ending": "error", "error": error})


def as_told(outcome: CodeOutcome, call: Call | None, control: Control) -> CodeOutcome:
    """Return the outcome of a step, whose stop was the person's or the client's."""
    by_client = call is not None and call.gone.is_set() and outcome.ending == "stopped" and not control.stopping
    return cancelled(outcome) if by_client else outcome
