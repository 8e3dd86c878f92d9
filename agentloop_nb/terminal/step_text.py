"""The texts of a step on a terminal: plan, code, output, failure, and what it took."""

from __future__ import annotations

from agentloop_nb._internal import amounts
from agentloop_nb.actions import Action, ActionResult, Query, RunCode, WriteFile
from agentloop_nb.actions.output_text import text_of
from agentloop_nb.actions.plan import numbered
from agentloop_nb.events import PlanMade, PlanSettled
from agentloop_nb.step import Step

SHOWN_LINES = 20
"""Lines of one output that are printed; the record keeps them all."""


def plan_text(event: PlanMade | PlanSettled) -> str:
    """Show a plan with what it may take, or what became of it."""
    if isinstance(event, PlanMade):
        return "\n".join(filter(None, ["🗺️ Plan:", numbered(event.lines), event.forecast and f"🔭 {event.forecast}"]))
    if not event.approved:
        return f"🙋 The plan was rejected{': ' + event.reason if event.reason else ''}"
    whose = {"user": "You approved the plan", "nobody": "Nobody is there to see the plan, so it is followed"}
    changed = f" with changes:\n{numbered(event.lines)}" if event.lines else ""
    return f"🙋 {whose.get(event.by, 'The plan was changed')}{changed}"


def input_text(action: Action) -> tuple[str, str]:
    """Return the part of an action worth showing whole, and the language it is written in."""
    if isinstance(action, RunCode):
        return action.code, "python"
    if isinstance(action, Query):
        return action.sql, "sql"
    if isinstance(action, WriteFile):
        lexer = "python" if action.filename.endswith(".py") else "text"
        return first_and_last(f"{action.filename}:\n{action.content}"), lexer
    return ("", "") if action.name == "finish" else (f"{action.title}", "text")


def output_text(result: ActionResult) -> str:
    """Return what an action put out, else what it says of itself."""
    return text_of(result.outputs) or result.output


def failure_text(result: ActionResult) -> str:
    """Return what was printed before a failure, then its traceback."""
    error = result.effects.error
    return "\n".join(filter(None, (text_of(result.outputs), error.traceback if error else "")))


def headline(text: str) -> tuple[str, str]:
    """Part a text into what stands beside its mark, and the lines below: one line stands beside it."""
    text = text.strip("\n")
    return (text, "") if "\n" not in text else ("", text)


def first_and_last(text: str, limit: int = SHOWN_LINES) -> str:
    """Leave out the middle of a text of many lines."""
    lines = text.split("\n")
    if len(lines) <= limit:
        return text
    half = limit // 2
    return "\n".join([*lines[:half], f"[… {len(lines) - 2 * half} more lines …]", *lines[-half:]])


def meters(step: Step) -> str:
    """Say what a step took: time, tokens, money."""
    parts = [f"{step.thinking + step.seconds:.1f} s"]
    if step.usage.total:
        parts.append(f"{step.usage.total:,} tokens")
        parts.append(amounts.cost(step.cost) if step.cost_known else "price unknown")
    if step.saved:
        parts.append(f"cached, saved {amounts.cost(step.saved)}")
    return " · ".join(parts)
