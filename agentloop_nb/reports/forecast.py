"""What a run may take, from what earlier runs of the folder took with the same model, and how often that was right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypeVar

from agentloop_nb._internal.amounts import count, dollars
from agentloop_nb._internal.text import counted
from agentloop_nb.errors import UserError
from agentloop_nb.record import locating, reading, trust
from agentloop_nb.state import State

T = TypeVar("T", int, Decimal)

LEAST = 3
"""Earlier runs from which a range is told."""
MOST_RUNS, MOST_BYTES = 40, 8_000_000
"""Records that are read, the newest, and the size of one."""


class Taken(NamedTuple):
    """What a run took."""

    steps: int
    tokens: int
    cost: Decimal | None


class Ranges(NamedTuple):
    """From a tenth to nine tenths of what earlier runs took."""

    steps: tuple[int, int]
    tokens: tuple[int, int]
    cost: tuple[Decimal, Decimal] | None

    def hold(self, taken: Taken) -> bool:
        """Whether a run stayed within all of them."""
        within = self.steps[0] <= taken.steps <= self.steps[1] and self.tokens[0] <= taken.tokens <= self.tokens[1]
        if self.cost is None or taken.cost is None:
            return within
        return within and self.cost[0] <= taken.cost <= self.cost[1]

    @property
    def told(self) -> str:
        """`4 to 9 steps, 12.3k to 40.0k tokens, $0.01 to $0.05`."""
        few, many = self.tokens
        parts = [f"{self.steps[0]} to {self.steps[1]} steps", f"{count(few)} to {count(many)} tokens"]
        if self.cost is not None:
            parts.append(f"{dollars(self.cost[0])} to {dollars(self.cost[1])}")
        return ", ".join(parts)


def forecast(folder: Path, model: str, *, without: str = "") -> str:
    """Say in a line or two what a run may take."""
    return told(earlier(folder, model, without=without), model)


def told(runs: Sequence[Taken], model: str) -> str:
    """Say what runs like these, the oldest first, lead to expect, and how often that was right."""
    if not runs:
        return f"There are no earlier runs here with {model}, so nothing is known of what this will take."
    known = f"{counted(len(runs), 'earlier run')} here with {model}"
    if len(runs) < LEAST:
        took = "; ".join(f"{counted(each.steps, 'step')}, {count(each.tokens)} tokens" for each in runs)
        return f"Too little is known of what this will take: {known} ({took})."
    line = f"Likely {ranges(runs).told}: {known}."
    tried = [ranges(runs[:at]).hold(runs[at]) for at in range(LEAST, len(runs))]
    if not tried:
        return f"{line} No such forecast could be checked yet."
    return f"{line} A forecast like this was right for {sum(tried)} of the {len(tried)} runs it can be checked on."


def ranges(runs: Sequence[Taken]) -> Ranges:
    """Return the ranges of some runs."""
    costs = [each.cost for each in runs if each.cost is not None]
    steps, tokens = _most([each.steps for each in runs]), _most([each.tokens for each in runs])
    return Ranges(steps, tokens, _most(costs) if len(costs) == len(runs) else None)


def _most(values: Sequence[T]) -> tuple[T, T]:
    ordered, last = sorted(values), len(values) - 1
    return ordered[math.floor(last * 0.1)], ordered[math.ceil(last * 0.9)]


def earlier(folder: Path, model: str, *, without: str = "") -> list[Taken]:
    """Return what the runs of a folder took that came to an end of their own with a model, the oldest first."""
    found = []
    paths = sorted(locating.runs_folder(folder).glob("*.jsonl"), key=lambda path: path.stem, reverse=True)
    for path in [path for path in paths if path.stem != without][:MOST_RUNS]:
        with suppress(UserError, OSError):
            if path.stat().st_size <= MOST_BYTES and trust.standing(path) != "foreign":
                found += _taken(reading.load(path), model)
    return found[::-1]


def _taken(state: State, model: str) -> list[Taken]:
    ended = state.status in ("finished", "not_met") and state.forked_from is None
    if not ended or str(state.settings.get("model")) != model:
        return []
    return [Taken(state.current_step, state.usage.total, state.total_cost if state.cost_known else None)]
