"""The header of a run: its goal, how it stands, and what it has taken so far."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TypedDict

from agentloop_nb._internal.amounts import count, dollars
from agentloop_nb._internal.text import NOT_METERED, STATUS_WORDS, capitalized
from agentloop_nb.events import ModelFailed, ModelReplied
from agentloop_nb.notebook.panel.limits import MAX_GOAL
from agentloop_nb.notebook.panel.safe_text import one_line, shortened
from agentloop_nb.protocols import Check, Usage
from agentloop_nb.reports import gauge
from agentloop_nb.state import State


class Header(TypedDict, total=False):
    """What stands above the cards."""

    goal: str
    run: str
    model: str
    status: str
    label: str
    """The status in words."""
    reason: str
    step: int
    steps: int
    tokens: str
    tokens_detail: str
    cost: str
    spent: float
    """Of the budget, 0 to 1."""
    began: float
    elapsed: float


@dataclass
class Totals:
    """Tokens and dollars of a run, kept up event by event: adding up 500 steps for each reply would be slow."""

    usage: Usage = Usage()
    cost: Decimal = Decimal(0)
    known: bool = True
    metered: bool = True
    """Nothing is known here of what outside agents pay."""

    @classmethod
    def of(cls, state: State) -> Totals:
        """Add up a whole run."""
        return cls(state.usage, state.total_cost, state.cost_known, not state.is_served)

    def add(self, event: ModelReplied | ModelFailed) -> None:
        """Count one call."""
        if isinstance(event, ModelReplied):
            self.usage += event.usage
        if event.cost is None:
            self.known = False
        else:
            self.cost += event.cost


def header(state: State) -> Header:
    """Return the header of a run as its state says; what happens in between is the panel's to add."""
    last = state.steps[-1] if state.steps else None
    shown = Header(
        goal=shortened(state.subject if state.forked_from else state.goal, MAX_GOAL),
        run=state.run,
        model=one_line(state.decided_by),
        status=state.status,
        label=STATUS_WORDS[state.status],
        reason=_reason(state),
        step=(last.number if last else 0) if state.status == "running" else state.current_step,
        steps=state.max_steps,
        began=state.began,
        elapsed=_elapsed(state),
    )
    shown.update(meters(Totals.of(state), state))
    return shown


def _reason(state: State) -> str:
    """Say why it ended, by whose word; what no step shows; and how much of a replay came out differently."""
    told = [
        capitalized(shortened(state.ending(), MAX_GOAL)),
        *map(contract_line, state.checks),
        *(f"⚠️ {shortened(doubt, MAX_GOAL)}" for doubt in state.doubts),
    ]
    return "\n".join(filter(None, [*told, state.differences]))


def contract_line(check: Check) -> str:
    """Return what became of an expression of the contract."""
    return shortened(f"{'☑' if check.held else '☐'} The contract {check.line}", MAX_GOAL)


def _elapsed(state: State) -> float:
    """Return seconds a run took; of one whose kernel died, those its steps are known to have taken."""
    if state.ended is not None:
        return max(state.ended - state.began, 0)
    return sum(step.thinking + step.seconds for step in state.steps)


def meters(totals: Totals, state: State) -> Header:
    """Return the part of a header that grows with every reply."""
    if not totals.metered:
        return Header(tokens="", tokens_detail=NOT_METERED, cost=NOT_METERED, spent=0.0)
    budget = state.budget
    full = f", context {gauge.share(state.prompt, state.window)} full" if state.window and state.prompt else ""
    context = gauge.context(state)
    return Header(
        tokens=f"{count(totals.usage.total)} tokens{full}" if totals.usage.total else "",
        tokens_detail=_token_classes(totals.usage) + (f"; the last prompt: {context}" if context else ""),
        cost=_spent(totals, budget),
        spent=float(min(totals.cost / budget, Decimal(1))) if budget else 0.0,
    )


def _spent(totals: Totals, budget: Decimal | None) -> str:
    """`$0.0123 of $0.50`; says so when a part is unknown."""
    amount = dollars(totals.cost)
    if not totals.known:
        amount = f"{amount} + unknown" if totals.cost else "cost unknown"
    return f"{amount} of {dollars(budget)}" if budget is not None else amount


def _token_classes(usage: Usage) -> str:
    parts = [f"{usage.input:,} in"]
    if usage.cached:
        parts.append(f"{usage.cached:,} of them cached ({gauge.cached(usage)})")
    parts.append(f"{usage.output:,} out")
    if usage.reasoning:
        parts.append(f"{usage.reasoning:,} of them reasoning")
    return ", ".join(parts) + (" (estimated)" if usage.estimated else "")
