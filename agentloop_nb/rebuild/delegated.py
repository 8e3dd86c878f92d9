"""What came of the run of a delegated part, as the step that delegated it records it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from agentloop_nb._internal.markup import fenced
from agentloop_nb.actions import ActionResult, Cell, Delegate, Finish, RunCode
from agentloop_nb.actions.delegate import MOST, SubGoal, told_of
from agentloop_nb.actions.effects import Child, ChildCell
from agentloop_nb.export.dependencies import names_of
from agentloop_nb.protocols import Change, WrittenFile
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


def cut_off(action: Delegate, state: State, parts: Iterable[State]) -> ActionResult:
    """Return what came of parts whose parent's kernel died, by their records.

    The code of those that were done runs again.
    """
    found = {part.part: part for part in parts}
    which = (f"part {number} of {len(action.tasks)}, step {state.next_step}" for number in range(1, MOST + 1))
    mine = {name for code in state.cells for name in names_of(code).defines} | state.changed.keys()
    children = [_cut_off(task, found.get(name), mine) for task, name in zip(action.tasks, which, strict=False)]
    changes = tuple(Change(name=name, how="added") for child in children for name in child.brought)
    return told_of(children).model_copy(update={"changes": changes})


def _cut_off(task: SubGoal, state: State | None, mine: Collection[str]) -> Child:
    if state is None:
        return Child(status="interrupted", reason="it had not begun when the kernel died")
    if not state.is_complete:
        return child_of(state, task, ())
    made = [name for name in task.names if name in state.changed]
    wrote = {name for step in state.steps for name in step.effects.all_files}
    files = [WrittenFile(path=name) for name in task.files if name in wrote]  # written when its code runs again
    missing = {name: "it was not made" for name in task.brings if name not in state.changed and name not in wrote}
    return child_of(state, task, mine, brought=made, files=files, left=missing)


def _cells(state: State) -> Iterator[Cell]:
    """Yield the cells that do the steps of a part again; code that cannot be run again is only shown."""
    for step in state.steps:
        action, result = step.decision.action if step.decision else None, step.result
        if action is None or result is None or refused(step) or isinstance(action, Finish):
            continue
        ended = result.success or any(output["output_type"] == "error" for output in result.outputs)
        if isinstance(action, RunCode) and not ended:
            yield Cell(cell_type="markdown", source=f"{fenced(action.code)}\n\n*It did not end by itself.*")
        else:
            yield from action.cells(result, step.number)
