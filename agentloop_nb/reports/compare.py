"""Two runs side by side, read off their records: decisions, results, variables, files and cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile, zip_longest
from typing import Any, NamedTuple

from agentloop_nb._internal import amounts
from agentloop_nb._internal.text import STATUS_WORDS
from agentloop_nb.errors import Hint, UserError
from agentloop_nb.reports.ranking import judged
from agentloop_nb.state import State
from agentloop_nb.step import Step
from agentloop_nb.verify.step_compare import alike

_UNTOLD = {"model", "max_steps", "export", "output", "output_dir", "quiet", "strict"}
"""Settings that say nothing about how a run went, or are told apart."""


class Pair(NamedTuple):
    """The steps of two runs that stand side by side; one is missing where its run was over."""

    left: Step | None
    right: Step | None

    @property
    def same_decision(self) -> bool:
        """Whether both decided the same, whatever their reasons."""
        if self.left is None or self.right is None or self.left.decision is None or self.right.decision is None:
            return False
        return self.left.decision.action == self.right.decision.action

    @property
    def same(self) -> bool:
        """Whether both decided the same, and the same came of it."""
        if not self.same_decision:
            return False
        assert self.left is not None
        assert self.left.decision is not None
        assert self.right is not None
        before, now = self.left.result, self.right.result
        if before is None or now is None:
            return before is now
        return alike(self.left.decision.action, before, now)


class Row(NamedTuple):
    """Something both runs have a word on; empty where one has none."""

    name: str
    left: str
    right: str


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side."""

    left: State
    right: State
    shared: tuple[Pair, ...]
    """The steps they begin with and that are the same in both."""
    pairs: tuple[Pair, ...]
    """The steps from there on."""
    heads: tuple[Row, ...]
    """Goal, place among tries, model, how it ended, steps, time, tokens, cost, and what was set differently."""
    variables: tuple[Row, ...]
    """What each run made or changed: type, shape and the step that did it last."""
    files: tuple[Row, ...]
    """What each run wrote, and the step that did it last."""

    @property
    def told(self) -> str:
        """How far the runs are the same, on one line."""
        if not self.shared:
            return "They differ from the first step on."
        count = len(self.shared)
        which = "Step 1 is" if count == 1 else f"Steps 1-{count} are"
        rest = "" if self.pairs else ", and there are no others"
        return f"{which} the same{rest}."


def compare(left: State, right: State) -> Comparison:
    """Put two runs side by side. Raises `UserError` if they are one and the same."""
    if left.run == right.run:
        raise UserError(f"both name run {left.run}; name two runs to compare", Hint("runs", "lists them"))
    pairs = [Pair(*pair) for pair in zip_longest(left.steps, right.steps)]
    shared = tuple(takewhile(lambda pair: pair.same, pairs))
    return Comparison(
        left=left,
        right=right,
        shared=shared,
        pairs=tuple(pairs[len(shared) :]),
        heads=(*_heads(left, right), *_settings(left.settings, right.settings)),
        variables=tuple(_rows(_variables(left), _variables(right))),
        files=tuple(_rows(_files(left), _files(right))),
    )


def _heads(left: State, right: State) -> Iterator[Row]:
    for (name, before), (_, now) in zip(_head(left), _head(right), strict=True):
        if before or now:
            yield Row(name, before, now)


def _head(state: State) -> Iterator[tuple[str, str]]:
    yield "goal", state.goal
    yield "forked from", "{}, after step {}".format(*state.forked_from) if state.forked_from else ""
    place, reason = _choice(state)
    yield "ranked", place
    yield "choice", reason
    yield "model", str(state.settings.get("model", ""))
    yield "ended", STATUS_WORDS[state.status] + ("" if state.is_complete else f": {state.reason}")
    yield "steps", f"{state.current_step} of {state.max_steps}"
    yield "time", f"{sum(step.thinking + step.seconds for step in state.steps):.1f} s"
    yield "tokens", f"{state.usage.input:,} in, {state.usage.output:,} out"
    yield "cost", amounts.cost(state.total_cost, known=state.cost_known)


def _choice(state: State) -> tuple[str, str]:
    """Return the place of a run among the tries of its goal, and why one of them was chosen; empty for any other."""
    if state.ranked is None:
        return "", ""
    place, tries = "", state.ranked.tries
    for number, each in enumerate(tries, 1):
        if each.run == state.run:
            place = " · ".join(filter(None, [f"{number} of {len(tries)}: try {each.number}", judged(each)]))
    return place, state.ranked.reason


def _settings(left: dict[str, Any], right: dict[str, Any]) -> Iterator[Row]:
    for name in sorted({*left, *right} - _UNTOLD):
        told = [_told(each.get(name)) for each in (left, right)]
        if told[0] != told[1]:
            yield Row(name.replace("_", " "), *told)


def _told(value: Any) -> str:
    """Return a setting; one read from a record has a list where a running one has a tuple."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _rows(left: dict[str, str], right: dict[str, str]) -> list[Row]:
    """Return what either has, in the order of the left one, then of the right one."""
    return [Row(name, left.get(name, ""), right.get(name, "")) for name in {**left, **right}]


def _variables(state: State) -> dict[str, str]:
    """Names that still stand at the end of a run -> `DataFrame 60 x 3 (step 2)`."""
    described = {
        (step.number, change.name): " ".join(filter(None, (change.type, change.detail)))
        for step in state.steps
        if step.result
        for change in step.result.changes
    }
    return {name: f"{described[number, name]} (step {number})".strip() for name, number in state.changed.items()}


def _files(state: State) -> dict[str, str]:
    """Files that a run wrote -> `step 3`."""
    found: dict[str, str] = {}
    for step in state.steps:
        found |= dict.fromkeys(step.effects.all_files, f"step {step.number}")
    return found
