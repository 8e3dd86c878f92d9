"""Runs as a tree: below each run its forks and the parts that it delegated, and the tries of one goal together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from agentloop_nb._internal import amounts
from agentloop_nb._internal.text import on_one_line
from agentloop_nb.state import State

Describe = Callable[[State], str]


def tree(states: Sequence[State], describe: Describe, most: int | None = None) -> list[str]:
    """Draw runs, oldest first, the newest `most` roots; `describe` makes the line of each."""
    below: dict[str, list[State]] = {}
    for state in sorted(states, key=lambda each: each.run):
        if parent := parent_of(state):
            below.setdefault(parent, []).append(state)
    known = {state.run: state for state in states}
    roots = {state.run: None for state in states if not parent_of(state)}
    roots |= {parent: None for parent in below if parent not in known}
    seen: set[str] = set()
    lines: list[str] = []
    for run in sorted(roots)[-most:] if most else sorted(roots):
        head = describe(known[run]) if run in known else _group(run, below[run])
        lines += [head, *_below(run, below, describe, seen, "  ")]
    return lines


def parent_of(state: State) -> str:
    """Return what a run belongs to, or was forked from; empty for a run of its own."""
    forked = state.forked_from[0] if state.forked_from else ""
    return state.part_of or forked


def _below(run: str, below: dict[str, list[State]], describe: Describe, seen: set[str], indent: str) -> Iterator[str]:
    if run in seen:  # a record may be anybody's, and name itself
        return
    seen.add(run)
    for state in below.get(run, ()):
        yield f"{indent}└ {describe(state)}"
        yield from _below(state.run, below, describe, seen, f"{indent}  ")


def _group(run: str, tries: Sequence[State]) -> str:
    """Return the line of what has no record of its own: the tries of one goal, or the rest of a deleted run."""
    first = tries[0]
    if not first.part.startswith("try "):
        return f"{run}  (its record is not here)"
    cost = sum((state.total_cost for state in tries), Decimal(0))
    spent = amounts.cost(cost, known=all(state.cost_known for state in tries))
    chosen = f", {first.ranked.reason}" if first.ranked else ""
    return f"{run}  " + on_one_line(f"best of {len(tries)}, {spent}{chosen}: {first.goal}")[:140]
