"""What is held in memory of outputs: all of them up to a limit, from there on only the beginning of the oldest.

Records, and what is made of them, have them whole; cards and prompts show little more than a beginning anyway.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agentloop_nb._internal import truncate
from agentloop_nb.actions import ActionResult
from agentloop_nb.events import OutputsEvicted
from agentloop_nb.protocols import CodeError
from agentloop_nb.state import State
from agentloop_nb.step import Step

LIMIT = 200_000_000
"""Characters of outputs that one run, and the earlier runs of a kernel together, may hold."""


def weight(step: Step) -> int:
    """Characters of the outputs and errors that a step holds."""
    return truncate.weight(truncate.shown(_parts(step.result))) if step.result else 0


def lighten(states: Iterable[State], room: int) -> int:
    """Cut outputs, the oldest first, until all take about `room` characters; `states` come oldest first.

    Returns the characters that are held then.
    """
    held = 0
    placed = [(state, index, step) for state in states for index, step in enumerate(state.paid)]
    for state, index, step in reversed(placed):
        size = weight(step)
        if step.result is not None and held + size > room and size > truncate.BEGINNING:
            state.apply(OutputsEvicted(index=index, result=_cut(step.result)))
            size = weight(step)
        held += size
    return held


def _cut(result: ActionResult) -> ActionResult:
    kept, _ = truncate.cut_parts(_parts(result), truncate.BEGINNING, "in the record only")
    shorter = result.with_effects(error=CodeError(**told) if (told := kept["metadata"].get("error")) else None)
    return shorter.model_copy(update={"outputs": tuple(kept["outputs"]), "error": kept["error"]})


def _parts(result: ActionResult) -> dict[str, Any]:
    told = result.effects.error
    return {
        "outputs": list(result.outputs),
        "error": result.error,
        "metadata": {"error": told.model_dump()} if told else {},
    }
