"""What is held in memory of outputs: all of them up to a limit, from there on only the beginning of the oldest.

Records, and what is made of them, have them whole; cards and prompts show little more than a beginning anyway.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agentloop_nb._internal import truncate
from agentloop_nb.actions import ActionResult
from agentloop_nb.state import State, Step

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
    for step in reversed([step for state in states for step in (*state.undone, *state.steps)]):
        size = weight(step)
        if held + size > room and size > truncate.BEGINNING:
            _cut(step)
            size = weight(step)
        held += size
    return held


def _cut(step: Step) -> None:
    if step.result is not None:
        kept, _ = truncate.cut_parts(_parts(step.result), truncate.BEGINNING, "in the record only")
        step.result = step.result.model_copy(update={**kept, "outputs": tuple(kept["outputs"])})


def _parts(result: ActionResult) -> dict[str, Any]:
    return {"outputs": list(result.outputs), "error": result.error, "metadata": result.metadata}
