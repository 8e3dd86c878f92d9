"""Compares what a step brought with what it brought another time."""

from __future__ import annotations

from agentloop_nb.actions import Action, ActionResult, ReadDocument, ReadUrl, RunCode, SearchWeb
from agentloop_nb.verify.clock import looks_at_clock
from agentloop_nb.verify.output_compare import flat, same

LONGEST = 120
"""Characters of an outcome that is told on one line."""


def alike(action: Action, before: ActionResult, now: ActionResult) -> bool:
    """Whether an action ended the same way, left the same names behind, and shows the same, as far as that is kept."""
    if before.success != now.success:
        return False
    if all(isinstance(part, SearchWeb | ReadUrl) for part in action.parts()):
        return before.output == now.output
    if isinstance(action, ReadDocument):
        return before.effects.document == now.effects.document
    names = [
        {(each.name, each.type, each.detail) for each in result.changes if not each.sampled} for result in (before, now)
    ]
    if names[0] != names[1] or before.effects.not_kept or now.effects.not_kept:
        return names[0] == names[1]
    return same(before.outputs, now.outputs, timed=isinstance(action, RunCode) and looks_at_clock(action.code))


def shown_by(result: ActionResult) -> str:
    """Return what a result shows and leaves behind, as text."""
    outputs = " | ".join(str(value) for values in flat(result.outputs).values() for value in values)
    names = ", ".join(f"{change.name} {change.type} {change.detail}".strip() for change in result.changes)
    return " ".join(filter(None, [result.error or "", outputs, names and f"({names})"])) or "nothing shown"


def in_a_line(text: str) -> str:
    """Return an outcome in quotes on one line, shortened."""
    text = " ".join(text.split())
    return repr(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")
