"""What a run made, which step made it, and from what: read off its record."""

from __future__ import annotations

import ast

from agentloop_nb._internal.ipython_syntax import parsed, to_python
from agentloop_nb._internal.text import clean, on_one_line
from agentloop_nb.actions import RunCode
from agentloop_nb.actions.output_text import describe_change
from agentloop_nb.errors import UserError
from agentloop_nb.export.slicing import depended_on, pieces
from agentloop_nb.state import State


def who(state: State) -> str:
    """List the names the run made or changed and that still stand, each with the step that did it last."""
    if not state.changed:
        return "This run made and changed no variables."
    described = {
        (step.number, change.name): describe_change(change)
        for step in state.steps
        if step.result
        for change in step.result.changes
    }
    lines = (f"step {number}: {described[number, name]}" for name, number in state.changed.items())
    return "\n".join(map(on_one_line, lines))


def imported(state: State) -> frozenset[str]:
    """Return the names that steps brought in by `from ... import`."""
    actions = (step.decision.action for step in state.steps if step.decision)
    trees = (parsed(to_python(action.code)[0]) for action in actions if isinstance(action, RunCode))
    found = (node for tree in trees if tree for node in tree.body if isinstance(node, ast.ImportFrom))
    return frozenset(alias.asname or alias.name for node in found for alias in node.names)


def why(state: State, name: str) -> str:
    """Tell the chain of cells and steps behind a name, oldest first. Raises `UserError` for a name it never made."""
    made = state.changed.get(name)
    if made is None:
        known = ", ".join(state.changed) or "none"
        raise UserError(f"this run did not make {name!r}; it made {known}")
    steps = [step for step in state.steps if step.decision is not None]
    chain = pieces(state.cells, steps)
    root = len(state.cells) + next(index for index, step in enumerate(steps) if step.number == made)
    by_runs = {each.index for each in state.ran if each.step or each.by_model}
    lines = []
    for index in sorted(depended_on(chain[: root + 1], {root})):
        if index < len(state.cells):
            whose = "an earlier run" if index in by_runs else "your cell"
            lines.append(f"{whose}: {on_one_line(_first_line(state.cells[index]))}")
            continue
        step = steps[index - len(state.cells)]
        reason = step.decision.reasoning if step.decision else ""
        lines.append(f"{on_one_line(step.line.removeprefix('- '))}\n    {clean(reason)}")
    return "\n".join(lines)


def _first_line(source: str) -> str:
    return next((line for line in source.splitlines() if line.strip()), "")[:80]
