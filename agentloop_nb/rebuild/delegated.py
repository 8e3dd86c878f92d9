"""What came of the run of a delegated part, as the step that delegated it records it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from agentloop_nb._internal.markup import fenced
from agentloop_nb.actions import Cell, Finish, RunCode
from agentloop_nb.actions.delegate import SubGoal
from agentloop_nb.actions.effects import Child, ChildCell
from agentloop_nb.protocols import WrittenFile
from agentloop_nb.record.replay_data import refused
from agentloop_nb.state import State


def child_of(
    state: State,
    task: SubGoal,
    mine: Collection[str],
    *,
    brought: Sequence[str] = (),
    files: Sequence[WrittenFile] = (),
    left: Mapping[str, str] | None = None,
) -> Child:
    """Tell of a part: what it cost, which results came of it, and the cells that make them again.

    `mine` are the names of the run that delegated it; what the part changes of them stays its own.
    """
    kept = [name for name in state.changed if name in mine and name not in brought]
    return Child(
        run=state.run,
        status=state.status,
        reason="" if state.is_complete else state.reason or state.status,
        summary=state.summary,
        steps=state.current_step,
        cost=state.total_cost,
        cost_known=state.cost_known,
        usage=state.usage,
        brought=tuple(brought),
        files=tuple(files),
        refused=dict(left or {}),
        kept=tuple(kept),
        copied=tuple(name for name in kept if name in task.needs),
        purposes=tuple(step.purpose for step in state.steps if step.result),
        cells=tuple(ChildCell(**dict(cell)) for cell in _cells(state)) if state.is_complete else (),
    )


def _cells(state: State) -> Iterator[Cell]:
    """The cells that do the steps of a part again; code that cannot be run again is only shown."""
    for step in state.steps:
        action, result = step.decision.action if step.decision else None, step.result
        if action is None or result is None or refused(step) or isinstance(action, Finish):
            continue
        ended = result.success or any(output["output_type"] == "error" for output in result.outputs)
        if isinstance(action, RunCode) and not ended:
            yield Cell(cell_type="markdown", source=f"{fenced(action.code)}\n\n*It did not end by itself.*")
        else:
            yield from action.cells(result, step.number)
