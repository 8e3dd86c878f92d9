"""The state of a run: a fold of its events, so that the record alone rebuilds it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from agentloop_nb.actions import ACTIONS, WriteFile
from agentloop_nb.actions.registry import Actions, resolve
from agentloop_nb.errors import Front, Hint, worded
from agentloop_nb.events import (
    Adjustment,
    AnyEvent,
    ContractChecked,
    DecisionMade,
    DecisionRejected,
    LimitsReplaced,
    ModelCalled,
    ModelFailed,
    ModelReplied,
    NamespaceRebuilt,
    OutputsEvicted,
    PlanMade,
    PlanSettled,
    RunFinished,
    RunForked,
    RunInterrupted,
    RunResumed,
    RunStarted,
    Status,
    StepsUndone,
    TranscriptCompacted,
    TriesRanked,
    UnknownEvent,
)
from agentloop_nb.protocols import Change, Check, CodeRan, Usage
from agentloop_nb.step import Step

OUTSIDE = "mcp"
"""What stands for the model of a run whose decisions come from outside agents."""
THROUGH = ", through MCP"
"""Ends the name of an outside agent."""


@dataclass
class State:
    """Everything known about a run. Only `apply` changes it."""

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
    ranked: TriesRanked | None = None
    """How the tries of one goal were ranked, if this run is one of them."""
    began: float = 0.0
    ended: float | None = None
    revision: int = field(default=0, compare=False, repr=False)
    """Grows with all that may change what was told before the last step; not with what belongs to that step alone."""

    @property
    def current_step(self) -> int:
        """Steps done: decisions whose action was carried out or refused."""
        return sum(step.result is not None for step in self.steps[-1:]) + max(len(self.steps) - 1, 0)

    def ending(self, front: Front = "notebook") -> str:
        """Why it ended, and what can be typed there to go on."""
        return worded(self.reason, self.hints, front)

    @property
    def subject(self) -> str:
        """What a list of runs calls it: its goal, and where it comes from."""
        parent, step = self.forked_from or ("", 0)
        part = self.part + (", chosen" if self.ranked and self.ranked.chosen == self.run else "")
        goal = f"({part}) {self.goal}" if part else self.goal
        return f"(fork of {parent} after step {step}) {goal}" if parent else goal

    @property
    def decided_by(self) -> str:
        """The model that decided, or the outside agents that did."""
        model = str(self.settings.get("model") or "")
        agents = dict.fromkeys(step.model for step in self.steps if step.model.endswith(THROUGH))
        if model == OUTSIDE:
            return "; ".join(agents) or f"outside agents{THROUGH}"
        return "; ".join([*agents, model])

    @property
    def is_complete(self) -> bool:
        """The goal was met, says the model."""
        return self.status == "finished"

    @property
    def total_cost(self) -> Decimal:
        """Dollars known to have been spent."""
        return sum((step.cost for step in self.paid), Decimal(0))

    @property
    def cost_known(self) -> bool:
        """Whether `total_cost` is all that was spent."""
        return all(step.cost_known for step in self.paid)

    @property
    def usage(self) -> Usage:
        """Tokens of all calls."""
        return sum((step.usage for step in self.paid), Usage())

    @property
    def paid(self) -> list[Step]:
        """All steps that cost something: those that were taken back, then the others."""
        return [*self.undone, *self.steps]

    @property
    def next_step(self) -> int:
        """The number of the step that is under way or comes next."""
        return self.current_step + 1

    @property
    def differences(self) -> str:
        """How much of a replayed run came out differently than in its record; empty where nothing did."""
        count = sum(bool(step.difference) for step in self.steps)
        return f"{count} of {len(self.steps)} steps came out differently than in the record" if count else ""

    @property
    def written(self) -> frozenset[str]:
        """SHA-256 of the files this run wrote, also where its kernel died before that could be recorded."""
        files = (step.effects.file for step in self.steps)
        return frozenset(file.sha256 for file in files if file) | frozenset(self._cut_off())

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

    def apply(self, event: AnyEvent | Adjustment) -> None:
        """Fold one event in."""
        self.revision += 1
        match event:
            case RunInterrupted() | LimitsReplaced() | OutputsEvicted():
                self._adjust(event)
            case RunStarted():
                self._start(event)
            case RunFinished() | RunResumed():
                self._close_call()
                self._finish(event) if isinstance(event, RunFinished) else self._resume(event)
            case RunForked():
                self._fork(event)
            case ContractChecked() | TranscriptCompacted() | TriesRanked():
                self._note(event)
            case StepsUndone():
                self._undo(event.first)
            case NamespaceRebuilt() | UnknownEvent():
                pass
            case _:
                self.revision -= not isinstance(event, PlanSettled)
                self._apply_step(event)

    def _adjust(self, event: Adjustment) -> None:
        match event:
            case RunInterrupted():
                self.status, self.reason = "interrupted", "its kernel died"
            case LimitsReplaced():
                self.max_steps, self.budget = event.max_steps, event.budget
            case OutputsEvicted():
                self.paid[event.index].result = event.result

    def _start(self, event: RunStarted) -> None:
        self.run, self.goal, self.context = event.run, event.goal, event.context
        self.cells, self.ran, self.earlier_goals = event.cells, event.ran, event.earlier_goals
        self.settings, self.began = event.settings, event.at
        self.part_of, self.part = event.part_of, event.part
        self.actions = resolve(event.actions)
        self.max_steps = int(event.settings.get("max_steps", self.max_steps))
        budget = event.settings.get("budget")
        self.budget = None if budget is None else Decimal(str(budget))

    def _finish(self, event: RunFinished) -> None:
        self.status, self.reason, self.hints, self.ended = event.status, event.reason, event.hints, event.at
        self.summary, self.artifacts, self.doubts = event.summary, event.artifacts, event.doubts

    def _resume(self, event: RunResumed) -> None:
        self.status, self.reason, self.summary, self.artifacts, self.ended = "running", "", "", (), None
        self.doubts, self.hints, self.resumed_at = (), (), self.current_step
        self.max_steps, self.budget, self.rejections = event.max_steps, event.budget, 0
        self.settings = self.settings | event.settings
        self.actions = resolve(event.actions) if event.actions else self.actions

    def _note(self, event: ContractChecked | TranscriptCompacted | TriesRanked) -> None:
        if isinstance(event, TranscriptCompacted):
            self.compacted = event
            return
        if isinstance(event, TriesRanked):
            self.ranked = event
            return
        self.checks = event.checks
        if event.before and not self.steps:
            self.held_before = tuple(check.expression for check in event.checks if check.held)

    @property
    def until(self) -> tuple[str, ...]:
        """The expressions that must be True at the end."""
        return tuple(map(str, self.settings.get("until") or ()))

    def _fork(self, event: RunForked) -> None:
        """What was spent before was spent by the parent."""
        self.forked_from, self.began, self.undone, self.last_call = (event.parent, event.step), event.at, [], None
        for step in self.steps:
            step.inherited = True
            step.cost, step.cost_known, step.usage, step.saved = Decimal(0), True, Usage(), Decimal(0)

    def _undo(self, first: int) -> None:
        self.undone += [step for step in self.steps if step.number >= first]
        self.steps = [step for step in self.steps if step.number < first]
        if self.status != "running":
            self.status, self.summary, self.artifacts = "stopped", "", ()
            self.reason, self.hints = f"step {first} and what followed were taken back", ()
        self.checks = ()
        if self.compacted is not None and self.compacted.through >= first:
            self.compacted = None

    def _step(self, event: AnyEvent) -> Step:
        """Return the step an event belongs to, opening it with its first event."""
        if not self.steps or self.steps[-1].number != event.step:
            self.steps.append(Step(number=event.step, began=event.at))
        return self.steps[-1]

    def _apply_step(self, event: AnyEvent) -> None:
        """Fold in an event of a step: into the step itself, then what the run makes of it."""
        step = self._step(event)
        step.apply(event)
        match event:
            case ModelCalled():
                self._close_call()
                self.last_call, self.window = event, event.window or self.window
            case ModelReplied():
                self.last_call, self.prompt = None, event.usage.input or self.prompt
            case ModelFailed():
                self.last_call = None
            case DecisionRejected():
                self.rejections += 1
            case DecisionMade():
                self.rejections, self.plan_line = 0, event.line or self.plan_line
            case PlanMade():
                self.rejections = 0
            case PlanSettled() if step.plans and event.approved:
                self.plan, self.plan_line = step.plans[-1].lines, 0
            case _:
                pass

    def _close_call(self) -> None:
        """Count a call that never reported its end (a killed kernel) at its worst case."""
        if self.last_call is not None and self.steps:
            self.steps[-1].spend(self.last_call.reserved)
        self.last_call = None


def fold(events: Iterable[AnyEvent]) -> State:
    """Rebuild a state from its events."""
    state = State()
    for event in events:
        state.apply(event)
    return state
