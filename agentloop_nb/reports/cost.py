"""What a run cost: by step and token class, and what it would have cost on another model."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from agentloop_nb._internal import amounts
from agentloop_nb._internal.text import NOT_METERED
from agentloop_nb.protocols import Usage
from agentloop_nb.reports import gauge
from agentloop_nb.state import State
from agentloop_nb.step import Step

_HEAD = ("step", "action", "input", "cached", "output", "reasoning", "cost")


def cost_report(state: State) -> str:
    """Return the costs of a run, then how full the model's context is and what share of the input was cached."""
    if state.is_served and not state.usage.total:
        return f"{NOT_METERED[0].upper()}{NOT_METERED[1:]}."
    told = [cost_table(state)]
    if context := gauge.context(state):
        told.append(f"context: {context}")
    if cached := gauge.cached(state.usage):
        told.append(f"cached: {cached} of the input")
    return "\n".join(told)


def cost_table(state: State) -> str:
    """Return the costs of a run as aligned text, a line a step, then the sum; `~` marks estimated tokens."""
    back = {id(step) for step in state.undone}
    rows = [
        _row(
            f"{step.number}, taken back" if id(step) in back else str(step.number),
            _action(step),
            step.usage,
            amounts.cost(step.cost) if step.cost_known else "unknown",
        )
        for step in (*state.undone, *state.steps)
    ]
    rows.append(_row("all", "", state.usage, amounts.cost(state.total_cost, known=state.cost_known)))
    lines = _aligned([_HEAD, *rows])
    if saved := sum((step.saved for step in (*state.undone, *state.steps)), Decimal(0)):
        lines.append(f"saved by the decision cache: {amounts.cost(saved)}")
    if state.budget is not None:
        lines.append(f"budget: {amounts.cost(state.budget)}, left: {amounts.cost(state.budget - state.total_cost)}")
    return "\n".join(lines)


def what_if(state: State, model: str, quote: Callable[[Usage], Decimal | None]) -> str:
    """Say what the same tokens would cost on another model, with and without its cache."""
    usage = state.usage
    same = quote(usage)
    if same is None:
        return f"The price of {model} is unknown; give one with AGENTLOOP_PRICE."
    uncached = quote(Usage(input=usage.input, output=usage.output)) or Decimal(0)
    spent = amounts.cost(state.total_cost, known=state.cost_known)
    there = f"{amounts.cost(same)} ({amounts.cost(uncached)} without its cache)"
    return f"The same tokens on {model}: {there}; this run: {spent}."


def _action(step: Step) -> str:
    return step.decision.action.name if step.decision else "-"


def _row(step: str, action: str, usage: Usage, cost: str) -> tuple[str, ...]:
    mark = "~" if usage.estimated else ""
    counts = (usage.input, usage.cached, usage.output, usage.reasoning)
    return (step, action, *(f"{mark}{count:,}" for count in counts), cost)


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Return columns to the right, but for the action's name."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    form = "  ".join(f"{{:{'<' if index == 1 else '>'}{width}}}" for index, width in enumerate(widths))
    return [form.format(*row) for row in rows]
