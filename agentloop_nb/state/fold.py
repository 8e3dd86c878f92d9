"""The state of a run: a fold of its events, so that the record alone rebuilds it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from agentloop_nb.actions.registry import resolve
from agentloop_nb.events import (
    Adjustment,
    AnyEvent,
    ContractChecked,
    DecisionMade,
    DecisionRejected,
    FunctionProposed,
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
    StepsUndone,
    TranscriptCompacted,
    TriesRanked,
    UnknownEvent,
)
from agentloop_nb.protocols import Usage
from agentloop_nb.state.run_data import RunData
from agentloop_nb.step import Step


class State(RunData):
    """What is known about a run, changed by its events alone."""

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
            case FunctionProposed():
                self.proposed.append(event)
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
        if event.borrowed:
            self.borrowed = tuple(words for step in self.steps for words in step.said)

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

    def _fork(self, event: RunForked) -> None:
        """Leave what was spent before to the parent."""
        self.forked_from, self.began, self.undone, self.last_call = (event.parent, event.step), event.at, [], None
        self.proposed = []
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
