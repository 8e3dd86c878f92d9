"""The plan of a run: proposed before the first step, settled by a person, followed, and changed where it has to be."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from agentloop_nb.actions import Action, Plan
from agentloop_nb.actions.plan import MOST_LINES
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.unanswered import Unanswered
from agentloop_nb.decision import Decision
from agentloop_nb.errors import DecisionError
from agentloop_nb.events import PlanMade, PlanSettled
from agentloop_nb.settings import Settings
from agentloop_nb.state import State
from agentloop_nb.step import PlanRound

MOST_CHANGES = 5
"""Times a plan may be changed in a run."""
_LINE = re.compile(r"^\W{0,3}(?:line |step )?(\d{1,2})\W{0,2}[:.)\]-]\W{0,2}\s+", re.IGNORECASE)
_EDIT = re.compile(r"e(?:dit)?\s+(\d{1,2})\b[:.]?\s*(.*)", re.IGNORECASE | re.DOTALL)


class Planner(Protocol):
    """Shows a plan to a person."""

    async def __call__(self, made: PlanMade) -> PlanSettled:
        """Return what the person decides; where nobody can be there, the plan stands. Raises `TimeoutError`."""


def unseen(made: PlanMade) -> PlanSettled:
    """Let a plan stand that nobody is there to see."""
    return PlanSettled(step=made.step, approved=True, by="nobody")


@dataclass
class Planning:
    """Makes, settles and changes the plan of one run."""

    stream: Stream
    settings: Settings
    planner: Planner | None = None
    forecast: Callable[[], str] | None = None
    """Says what earlier runs took; may read files."""
    replayed: bool = False

    @property
    def wanted(self) -> bool:
        """Whether a plan has to stand before anything else is decided."""
        state = self.stream.state
        asked = self.settings.plan and not state.plan and not state.is_last_step
        return asked and not state.is_served and not self.replayed

    @property
    def proposed(self) -> PlanRound | None:
        """The plan that waits to be settled."""
        last = self.stream.state.steps[-1] if self.stream.state.steps else None
        return last.plans[-1] if last is not None and last.plans and last.plans[-1].settled is None else None

    def check(self, action: Action, *, first: bool) -> None:
        """Raise `DecisionError` where a plan is missing, or is none that this run may have now."""
        if first and not isinstance(action, Plan):
            raise DecisionError(f"first decide on a plan: only 'plan' is allowed now, not {action.name!r}.")
        if first or not isinstance(action, Plan):
            return
        if not self.replayed and changes(self.stream.state) >= MOST_CHANGES:
            raise DecisionError("the plan was changed often enough: take the next step.")

    def propose(self, decision: Decision, step: int, forecast: str = "") -> None:
        """Emit a plan."""
        assert isinstance(decision.action, Plan)
        lines = decision.action.lines
        seconds = 0 if self.stream.state.plan else self.settings.answer_within
        told = {"reasoning": decision.reasoning, "forecast": forecast, "seconds": seconds}
        self.stream.emit(PlanMade(step=step, lines=lines, **told))

    def change(self, decision: Decision, step: int) -> None:
        """Put another plan in the place of the one that stands, for everybody to see."""
        self.propose(decision, step)
        self.stream.emit(PlanSettled(step=step, approved=True, by="model"))

    async def settle(self, made: PlanMade) -> None:
        """Have a person say what becomes of a plan. Raises `Unanswered`."""
        try:
            self.stream.emit(await self.planner(made) if self.planner else unseen(made))
        except TimeoutError:
            raise Unanswered("the plan waits for your word", made.seconds) from None

    def located(self, decision: Decision) -> tuple[Decision, int]:
        """Take the number of the plan's line off the front of a reasoning."""
        lines, found = self.stream.state.plan, _LINE.match(decision.reasoning)
        if found is None or not 1 <= int(found[1]) <= len(lines) or not decision.reasoning[found.end() :].strip():
            return decision, 0
        return decision.model_copy(update={"reasoning": decision.reasoning[found.end() :]}), int(found[1])


def changes(state: State) -> int:
    """Count how often the model has changed the plan."""
    rounds = (each for step in state.steps for each in step.plans)
    return sum(each.settled is not None and each.settled.by == "model" for each in rounds)


def understood(words: str, made: PlanMade, lines: tuple[str, ...]) -> PlanSettled | tuple[str, ...] | None:
    """Read what a person typed about a plan: a verdict, lines as edited, or None for nothing.

    `e 2 TEXT` replaces a line, or adds it behind the last, and `e 2` alone drops it.
    """
    words = words.strip()
    if not words:
        return None
    if words.lower() in ("g", "go", "y", "yes", "ok"):
        return PlanSettled(step=made.step, approved=True, lines=edited(made, lines))
    if found := _EDIT.fullmatch(words):
        at, text = int(found[1]) - 1, found[2].strip()
        return (*lines[:at], *([text] if text else []), *lines[at + 1 :])[:MOST_LINES] or lines
    word, _, reason = words.partition(" ")
    refused = word.lower().strip(":,") in ("n", "no", "r", "reject")
    return PlanSettled(step=made.step, approved=False, reason=reason.strip(" :,") if refused else words)


def edited(made: PlanMade, lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return the lines of a plan where a person changed them; empty where not."""
    return () if lines == made.lines else lines
