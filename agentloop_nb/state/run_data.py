"""What is known about a run, and what follows from it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from agentloop_nb.actions import ACTIONS, WriteFile
from agentloop_nb.actions.registry import Actions
from agentloop_nb.errors import Front, Hint, worded
from agentloop_nb.events import (
    FunctionProposed,
    ModelCalled,
    Status,
    TranscriptCompacted,
    TriesRanked,
)
from agentloop_nb.protocols import Change, Check, CodeRan, Usage
from agentloop_nb.step import Step

OUTSIDE = "mcp"
"""What stands for the model of a run whose decisions come from outside agents."""
THROUGH = ", through MCP"
"""Ends the name of an outside agent."""


def awaited(agent: str) -> str:
    """Say that the next call of an outside agent is waited for; an empty name is that of nobody yet."""
    return f"waiting for {agent.removesuffix(THROUGH) or 'an agent to connect'}"


@dataclass
class RunData:
    """Everything known about a run. Only `State.apply` changes it."""

    run: str = ""
    goal: str = ""
    context: str = ""
    cells: tuple[str, ...] = ()
    """What ran before the run: the user's cells, and code of earlier runs."""
    ran: tuple[CodeRan, ...] = ()
    """What is known of some of these cells."""
    earlier_goals: tuple[str, ...] = ()
    """Goals of earlier runs in the same kernel."""
    settings: dict[str, Any] = field(default_factory=dict)
    actions: Actions = ACTIONS
    """What the run may do."""
    max_steps: int = 50
    budget: Decimal | None = None
    status: Status = "running"
    reason: str = ""
    hints: tuple[Hint, ...] = ()
    """What can be typed to go on after its end."""
    summary: str = ""
    artifacts: tuple[str, ...] = ()
    steps: list[Step] = field(default_factory=list)
    last_call: ModelCalled | None = None
    """A call whose end is not yet known."""
    resumed_at: int = 0
    """Steps that were done when the run was resumed last."""
    doubts: tuple[str, ...] = ()
    """What the run claims and no step shows."""
    window: int | None = None
    """Tokens that the model reads at most, if known."""
    prompt: int = 0
    """Tokens of the newest prompt."""
    checks: tuple[Check, ...] = ()
    """What the expressions of the contract yielded when they were evaluated last."""
    held_before: tuple[str, ...] = ()
    """Expressions of the contract that held before the first step."""
    plan: tuple[str, ...] = ()
    """The lines of the plan that stands."""
    plan_line: int = 0
    """The line that is worked on, as the decisions say; 0 for none."""
    rejections: int = 0
    """Replies in a row that were no decision."""
    undone: list[Step] = field(default_factory=list)
    """Steps that were taken back; they stay paid for."""
    compacted: TranscriptCompacted | None = None
    forked_from: tuple[str, int] | None = None
    """The run this one was forked from, and its last step that was taken over."""
    part_of: str | None = None
    """The run that delegated this one, or what the tries of one goal have in common."""
    part: str = ""
    """Which part of that it is."""
    proposed: list[FunctionProposed] = field(default_factory=list)
    """Functions that were proposed after its end; they cost something, too."""
    ranked: TriesRanked | None = None
    """How the tries of one goal were ranked, if this run is one of them."""
    borrowed: tuple[str, ...] | None = None
    """Words in its steps that are another person's, who recorded them; None where all are this user's."""
    began: float = 0.0
    ended: float | None = None
    revision: int = field(default=0, compare=False, repr=False)
    """Grows with all that may change what was told before the last step; not with what belongs to that step alone."""

    @property
    def current_step(self) -> int:
        """Steps done: decisions whose action was carried out or refused."""
        return sum(step.result is not None for step in self.steps[-1:]) + max(len(self.steps) - 1, 0)

    def ending(self, front: Front = "notebook") -> str:
        """Say why it ended, and what can be typed there to go on."""
        return worded(self.reason, self.hints, front)

    @property
    def subject(self) -> str:
        """What a list of runs calls it: its goal, and where it comes from; of a fork, what was to be different."""
        parent, step = self.forked_from or ("", 0)
        part = self.part + (", chosen" if self.ranked and self.ranked.chosen == self.run else "")
        goal = f"({part}) {self.goal}" if part else self.goal
        notes = [note for each in self.steps if each.number == step + 1 for note in each.notes]
        return f"({': '.join([f'fork of {parent} after step {step}', *notes[:1]])}) {goal}" if parent else goal

    @property
    def is_served(self) -> bool:
        """Whether outside agents decide, who pay for their own models."""
        return self.settings.get("model") == OUTSIDE

    @property
    def decided_by(self) -> str:
        """The model that decided, or the outside agents that did."""
        model = str(self.settings.get("model") or "")
        agents = dict.fromkeys(step.model for step in self.steps if step.model.endswith(THROUGH))
        if self.is_served:
            return "; ".join(agents) or f"outside agents{THROUGH}"
        return "; ".join([*agents, model])

    @property
    def is_complete(self) -> bool:
        """The goal was met, says the model."""
        return self.status == "finished"

    @property
    def total_cost(self) -> Decimal:
        """Dollars known to have been spent."""
        return sum(
            (*(step.cost for step in self.paid), *(each.cost or Decimal(0) for each in self.proposed)), Decimal(0)
        )

    @property
    def cost_known(self) -> bool:
        """Whether `total_cost` is all that was spent."""
        return all(step.cost_known for step in self.paid) and all(each.cost is not None for each in self.proposed)

    @property
    def usage(self) -> Usage:
        """Tokens of all calls."""
        return sum((*(step.usage for step in self.paid), *(each.usage for each in self.proposed)), Usage())

    @property
    def paid(self) -> list[Step]:
        """All steps that cost something: those that were taken back, then the others."""
        return [*self.undone, *self.steps]

    @property
    def next_step(self) -> int:
        """The number of the step that is under way or comes next."""
        return self.current_step + 1

    @property
    def is_last_step(self) -> bool:
        """Whether no step may follow the one that is under way or comes next."""
        return self.next_step >= self.max_steps

    @property
    def differences(self) -> str:
        """How much of a replayed run came out differently than in its record; empty where nothing did."""
        count = sum(bool(step.difference) for step in self.steps)
        return f"{count} of {len(self.steps)} steps came out differently than in the record" if count else ""

    @property
    def written(self) -> frozenset[str]:
        """SHA-256 of the files this run wrote, also where its kernel died before that could be recorded."""
        files = (file for step in self.steps for file in step.effects.placed)
        return frozenset(file.sha256 for file in files) | frozenset(self._cut_off())

    def _cut_off(self) -> Iterator[str]:
        for step in self.steps:
            action = step.decision.action if step.decision else None
            ended = step.result is not None and not step.effects.cut_off
            if isinstance(action, WriteFile) and step.started and not ended:
                yield hashlib.sha256(action.content.encode(errors="replace")).hexdigest()

    @property
    def delegated(self) -> bool:
        """Whether a model wrote its goal, as a part of a person's."""
        return self.part_of is not None and not self.part.startswith("try ")

    @property
    def files(self) -> frozenset[str]:
        """Names of the files that this run's code wrote by itself."""
        return frozenset(name for step in self.steps for name in step.effects.files_written)

    @property
    def changed(self) -> dict[str, int]:
        """Names the run made or changed and that still stand, with the step that did it last."""
        names: dict[str, int] = {}
        for step in self.steps:
            for change in step.result.changes if step.result else ():
                if change.how == "deleted":
                    names.pop(change.name, None)
                else:
                    names[change.name] = step.number
        return names

    def unasked(self, change: Change) -> bool:
        """Whether a change deserves a warning: to a variable of the user's that neither goal nor notes mention."""
        allowed = [name.strip() for name in str(self.settings.get("allow_changes") or "").split(",")]
        if not change.previous or change.how == "added" or {"all", change.name} & set(allowed):
            return False
        said = "\n".join([self.goal, *(words for step in self.steps for words in step.said)])
        return re.search(rf"(?<!\w){re.escape(change.name)}(?!\w)", said) is None

    def account(self) -> str:
        """Say what was done so far, in Markdown; for a run that ended before it could sum up by itself."""
        lines = [step.purpose for step in self.steps if step.result]
        if not lines:
            return ""
        if self.changed:
            lines.append(f"\nVariables: {', '.join(f'`{name}`' for name in self.changed)}")
        return "\n".join(["The run ended before its goal was met. What was done:", "", *lines])

    @property
    def until(self) -> tuple[str, ...]:
        """The expressions that must be True at the end."""
        return tuple(map(str, self.settings.get("until") or ()))
