"""How a run went, as the lines that close it on a terminal."""

from __future__ import annotations

from agentloop_nb._internal import amounts
from agentloop_nb._internal.text import STATUS_WORDS
from agentloop_nb.errors import Front
from agentloop_nb.state import State

_MARKS = {"finished": "✅", "stopped": "⏹️", "running": "🔄", "failed": "❌", "interrupted": "❌"}
"""Signs of a status; what met a limit has a warning."""


def summary(state: State, front: Front) -> str:
    """Sum up a run that has ended: goal, status, cost, files; `front` is where a person types."""
    done = [step for step in state.steps if step.result is not None]
    good = sum(step.result.success for step in done if step.result)
    reason = f" ({state.ending(front)})" if state.reason and not state.is_complete else ""
    lines = [
        f"Goal: {state.goal}",
        f"Status: {_MARKS.get(state.status, '⚠️')} {_status(state)}{reason}",
        f"Steps taken: {state.current_step}/{state.max_steps}",
        f"Estimated cost: {amounts.cost(state.total_cost, known=state.cost_known)}",
        f"Success rate: {good}/{len(done)} actions",
    ]
    if state.differences:
        lines.append(f"Replay: {state.differences}")
    lines += [f"Contract: {check.line}" for check in state.checks]
    lines += [f"⚠️ {doubt}" for doubt in state.doubts]
    if state.artifacts:
        lines.append(f"Files: {', '.join(state.artifacts)}")
    if state.summary:
        lines.append(f"Summary: {state.summary}")
    return "\n".join(lines)


def _status(state: State) -> str:
    return "Complete" if state.is_complete else STATUS_WORDS[state.status].capitalize()
