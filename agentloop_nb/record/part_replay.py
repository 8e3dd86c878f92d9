"""What can be replayed of delegated parts: the cells that do their steps again, as decisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentloop_nb.actions import ActionResult, Delegate, Finish, RunCode
from agentloop_nb.actions.delegate import code_of
from agentloop_nb.actions.effects import Child
from agentloop_nb.decision import Decision
from agentloop_nb.record.replay_data import Recorded
from agentloop_nb.record.visible_cells import source_of

AS_RECORDED = "as recorded"
SECONDS = 300
"""Seconds that one cell may take."""


def part_decisions(child: Child) -> tuple[list[Recorded], dict[int, ActionResult]]:
    """Return the decisions that do a part again, and what its cells showed then, by step."""
    cells = [cell for cell in child.cells if cell.cell_type == "code"]
    decisions = [_run(cell.source, step) for step, cell in enumerate(cells, 1)]
    shown = {step: _shown(cell.outputs) for step, cell in enumerate(cells, 1)}
    finish = Decision(reasoning=AS_RECORDED, action=Finish(summary=child.summary or "done"))
    return [*decisions, Recorded(decision=finish, step=len(cells) + 1)], shown


def with_parts(decisions: Sequence[Recorded], cells: Sequence[Mapping[str, Any]]) -> Iterator[Recorded]:
    """Decisions of a notebook, with the visible cells of parts in the place of what delegated them."""
    for each in decisions:
        if not isinstance(each.decision.action, Delegate):
            yield each
            continue
        mine = (cell for cell in cells if str(cell.get("id")).startswith(f"step-{each.step}-"))
        yield from (_run(source_of(cell), 0) for cell in mine if cell.get("cell_type") == "code")


def done_here(decisions: Sequence[Recorded], outcomes: Mapping[int, ActionResult]) -> Iterator[Recorded]:
    """Yield decisions with the code of parts in the place of what delegated them."""
    for each in decisions:
        result = outcomes.get(each.step)
        if isinstance(each.decision.action, Delegate) and result is not None:
            yield from (_run(source, 0) for source in code_of(result, each.step))
        else:
            yield each


def _run(source: str, step: int) -> Recorded:
    action = RunCode.model_validate({"code": source, "timeout": SECONDS}, context={"timeout": SECONDS})
    return Recorded(decision=Decision(reasoning=AS_RECORDED, action=action), step=step)


def _shown(outputs: tuple[dict[str, Any], ...]) -> ActionResult:
    failed = any(output["output_type"] == "error" for output in outputs)
    return ActionResult(success=not failed, output="", outputs=outputs)
