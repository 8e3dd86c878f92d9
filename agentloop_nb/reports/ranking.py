"""Ranking the tries of one goal: contract, evidence, agreement of results, cost; and why the first is the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from agentloop_nb._internal import amounts
from agentloop_nb._internal.text import STATUS_WORDS, counted
from agentloop_nb.events import Status, TriesRanked, TryRank
from agentloop_nb.reports.agreement import Results, agreement
from agentloop_nb.state import State

_ORDER: tuple[Status, ...] = (
    "finished", "not_met", "step_limit", "cost_limit", "stopped", "failed", "interrupted", "running",
)  # fmt: skip
"""Endings, best first."""


class Tried(NamedTuple):
    """One try that is over."""

    number: int
    state: State
    results: Results


def rank(tries: Sequence[Tried]) -> TriesRanked:
    """Rank tries, best first, and say what decided."""
    ranked = sorted((_ranked(each, tries) for each in tries), key=_key)
    chosen = ranked[0].run if ranked and ranked[0].status == "finished" else None
    return TriesRanked(tries=tuple(ranked), chosen=chosen, reason=_reason(ranked))


def _ranked(tried: Tried, tries: Sequence[Tried]) -> TryRank:
    state = tried.state
    others = [each.results for each in tries if each is not tried and each.state.is_complete]
    return TryRank(
        number=tried.number,
        run=state.run,
        status=state.status,
        steps=state.current_step,
        cost=state.total_cost,
        cost_known=state.cost_known,
        contract=all(check.held for check in state.checks) if state.until and state.checks else None,
        doubts=len(state.doubts),
        agreement=agreement(tried.results, others) if state.is_complete and others else None,
    )


def _key(each: TryRank) -> tuple[float, ...]:
    return (
        _ORDER.index(each.status),
        each.contract is False,
        each.doubts,
        -(each.agreement or 0),
        float(each.cost),
        each.number,
    )


def _reason(ranked: Sequence[TryRank]) -> str:
    """Say what set the first apart from the second."""
    first = ranked[0]
    met = [each for each in ranked if each.status == "finished"]
    if not met:
        return "no try met the goal"
    if len(met) == 1:
        return f"only {_named(first)} {'met the contract' if first.contract else 'reports the goal met'}"
    second = ranked[1]
    if first.doubts != second.doubts:
        shown = "everything it says" if not first.doubts else f"all but {counted(first.doubts, 'claim')}"
        unshown = counted(second.doubts, "claim")
        return f"the steps of {_named(first)} show {shown}; {_named(second)} has {unshown} that no step shows"
    if first.agreement != second.agreement:
        return (
            f"the others came to {first.agreement or 0:.0%} of the figures and tables of {_named(first)} "
            f"({second.agreement or 0:.0%} for {_named(second)}); agreement is no proof"
        )
    alike = "nothing else sets them apart" if first.agreement is None else "they agree equally"
    return (
        f"{_named(first)} cost least; {alike}" if first.cost < second.cost else f"{_named(first)} came first; {alike}"
    )


def _named(each: TryRank) -> str:
    return f"try {each.number}"


def judged(each: TryRank) -> str:
    """Say what it was ranked by, beside how it ended and what it cost."""
    contract = {True: "contract holds", False: "contract does not hold", None: ""}[each.contract]
    doubts = f"{counted(each.doubts, 'claim')} not shown" if each.doubts else ""
    agrees = "" if each.agreement is None else f"agreement {each.agreement:.0%}"
    return " · ".join(filter(None, (contract, doubts, agrees)))


def line(each: TryRank) -> str:
    """One line: how it ended, and what it was ranked by."""
    cost = amounts.cost(each.cost) if each.cost_known else "price unknown"
    parts = [STATUS_WORDS[each.status], judged(each), counted(each.steps, "step"), cost]
    return f"try {each.number}: {' · '.join(filter(None, parts))} · {each.run}"
