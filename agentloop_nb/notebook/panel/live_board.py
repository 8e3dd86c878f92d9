"""The board of a panel, kept up with a run: what each event, and each piece that streams in, changes on it."""

from __future__ import annotations

import time
from typing import Any

from agentloop_nb._internal.process_memory import in_words
from agentloop_nb.events import (
    ActionFinished,
    ActionStarted,
    AnyEvent,
    ApprovalAsked,
    ApprovalGiven,
    DecisionMade,
    DecisionRejected,
    LongStepDecided,
    ModelCalled,
    ModelFailed,
    ModelReplied,
    NoteAdded,
    OutputAppeared,
    PlanMade,
    PlanSettled,
    Progress,
    QuestionAsked,
    ReplyStreamed,
    RunFinished,
    RunResumed,
    RunStarted,
    StepsUndone,
    WaitStarted,
)
from agentloop_nb.notebook.panel.cards import card
from agentloop_nb.notebook.panel.delta import Board, Delta
from agentloop_nb.notebook.panel.limits import MAX_GOAL
from agentloop_nb.notebook.panel.plan_card import NUMBER, plan_card, plan_line
from agentloop_nb.notebook.panel.run_header import Totals, header, meters
from agentloop_nb.notebook.panel.safe_text import clean, one_line, shortened
from agentloop_nb.notebook.panel.streaming import LiveOutput, LiveReply
from agentloop_nb.state import State, awaited


class LiveBoard(Board):
    """The board of one run. Not thread-safe: the panel holds a lock."""

    def __init__(self, goal: str) -> None:
        super().__init__()
        self.state = State(goal=goal)
        self.acted_at = 0.0
        """When the last action began, on the monotonic clock."""
        self._totals = Totals()
        self._reply = LiveReply()
        self._output = LiveOutput()
        self._last_shown = 0
        """The highest number of a step that has a card."""
        self._model = ""
        """Who decided last."""
        self._streamed = 0
        """The step whose reply or output grew since the last message; 0 for none."""

    @property
    def acting(self) -> bool:
        """Whether an action is being carried out."""
        last = self.state.steps[-1] if self.state.steps else None
        return self.state.status == "running" and last is not None and last.started and last.result is None

    def take(self) -> Delta | None:
        """Return what changed since the last time, or None; from then on it counts as sent."""
        self._flush_streams()
        return super().take()

    # -- the run

    def begin(self) -> None:
        """Show the goal before anything has happened."""
        self.head({"goal": shortened(self.state.goal, MAX_GOAL), "status": "running", "label": "starting"})

    def show(self, event: AnyEvent, state: State) -> None:
        """Take an event in."""
        self._flush_streams()
        match event:
            case RunStarted() | RunResumed() | RunFinished():
                self._totals = Totals.of(state)
                self.head({**header(state), "wait": None})
                for step in state.steps[:-1] if isinstance(event, RunResumed) else ():
                    self.put(step.number, card(step, state))
            case ModelReplied() | ModelFailed():
                self._totals.add(event)
                self.head(meters(self._totals, state))
                self._decider(event, state)
            case ActionStarted():
                self._output = LiveOutput()
                self.put(event.step, {"began": event.at})
                self.acted_at = time.monotonic()
            case ModelCalled():
                self._reply = LiveReply()
            case StepsUndone():
                self._strike(event.first)
            case _:
                pass
        if isinstance(event, PlanMade | PlanSettled | DecisionMade | RunResumed):
            self._plan(event, state)
        self._label(event)
        if state.steps:
            self._card(event, state)

    def _strike(self, first: int) -> None:
        """Show that the steps from `first` on were taken back; later ones take their place."""
        for number in range(first, self._last_shown + 1):
            begun = self.get(number).get("state") not in ("thinking", "awaited", "hidden")
            taken: dict[str, Any] = {"state": "cut", "title": "(taken back)", "chips": [], "ask": None}
            self.put(number, taken if begun else {"state": "hidden"})

    def _label(self, event: AnyEvent) -> None:
        """Say in the header what the run is at."""
        match event:
            case ModelCalled():
                self._say(self._deciding(event.attempt))
            case ModelFailed() if event.wait is not None:
                self._say("retrying", until=time.time() + event.wait, why=event.error)
            case ModelReplied() | ModelFailed():
                self._say("deciding")
            case ApprovalAsked() | QuestionAsked():
                self._say("waiting for you")
            case ActionStarted() | LongStepDecided():
                self._say("running")
            case ActionFinished():
                self._say(self._deciding())
            case _:
                pass

    def _deciding(self, attempt: int = 1) -> str:
        """Say who has the word: the model, or the client whose next call is waited for."""
        if self.state.is_served:
            return awaited(self._model)
        return "thinking" if attempt == 1 else f"thinking, try {attempt}"

    def _card(self, event: AnyEvent, state: State) -> None:
        """Redraw the card an event belongs to; the live parts of a step that is not over stay as they are."""
        step = state.steps[-1]
        self._last_shown = max(self._last_shown, step.number)
        shown = card(step, state)
        if isinstance(event, PlanMade | ModelCalled | ModelFailed | DecisionRejected | NoteAdded) and not step.decision:
            anew = step.rejected or step.failures or step.plans
            shown.update({"title": "", "reasoning": "", "code": ""} if anew else {})
        if isinstance(event, ApprovalAsked | QuestionAsked):
            shown["state"] = "waiting"
        if isinstance(event, ApprovalGiven | RunFinished) or (isinstance(event, ActionFinished) and step.asked):
            self.put(step.number, {"ask": None})
        if "out" not in shown and self.get(step.number).get("out"):
            shown["out"] = self._output.blocks()
        self.put(step.number, shown)

    def _say(self, label: str, *, until: float | None = None, why: str = "") -> None:
        wait = None if until is None else {"until": until, "why": one_line(why)}
        self.head({"label": label, "wait": wait})
        if self.state.steps:
            self.head({"step": self.state.steps[-1].number})

    def progress(self, progress: Progress) -> None:
        """Take something in that is never recorded: a piece of a reply, an output, a wait."""
        match progress:
            case ReplyStreamed(delta=delta) if delta.status:
                self._say(delta.status)
            case ReplyStreamed():
                self._reply.feed(progress.delta)
                self._streamed = progress.step
            case OutputAppeared():
                self._output.feed(progress.output)
                self._streamed = progress.step
            case WaitStarted(seconds=0):
                self._say("waiting", why=progress.reason)
            case WaitStarted():
                self._say("retrying", until=time.time() + progress.seconds, why=progress.reason)

    def _flush_streams(self) -> None:
        """Bring what streamed in onto the board; done once a message, however many pieces came."""
        step, self._streamed = self._streamed, 0
        if not step:
            return
        if self.get(step).get("state") == "running":
            self.put(step, {"out": self._output.blocks()})
        else:
            self.put(step, self._reply.card())
            if self._reply.writing:
                self.head({"label": "writing"})

    def put_memory(self, size: int) -> None:
        """Show the memory that the process of the running code holds, in bytes."""
        self.put(self.state.steps[-1].number, {"memory": in_words(size)})

    def put_restored(self, step: int, name: str, how: str) -> None:
        """Say on the chip of a variable what became of restoring it."""
        chips = [dict(chip) for chip in self.get(step).get("chips", ())]
        for chip in chips:
            if chip["name"] == name:
                chip.update(how=how, restore=False, warn=False)
        self.put(step, {"chips": chips})

    # -- what waits for a person

    def ask(self, step: int, fields: dict[str, str], until: float) -> None:
        """Show the buttons of an approval, and the time that is left for it."""
        otherwise = {"otherwise": "this call is refused, and the agent is told"} if self.state.is_served else {}
        self.put(step, {"ask": {"fields": fields, "complaint": "", "until": until, **otherwise}})

    def complain(self, step: int, message: str) -> None:
        """Say in the card why an edit cannot be used."""
        self.put(step, {"ask": {**(self.get(step).get("ask") or {}), "complaint": clean(message)}})

    def put_question(self, step: int, question: dict[str, Any]) -> None:
        """Show a question with its choices, and the time that is left to answer it."""
        self.put(step, {"title": "A question for you", "ask": {"question": question}})

    def put_plan(self, plan: dict[str, Any]) -> None:
        """Show a plan with its buttons."""
        self._say("waiting for you")
        self.put(NUMBER, {"ask": {"plan": plan}})
        if self.get(self._last_shown).get("state") == "thinking":  # it waits too, and comes back when it goes on
            self.put(self._last_shown, {"state": "hidden"})

    def _decider(self, event: ModelReplied | ModelFailed, state: State) -> None:
        """Name who decides when that changes: reading it from a thousand steps for each reply would be slow."""
        if isinstance(event, ModelReplied) and event.model != self._model:
            self._model = event.model
            self.head({"model": one_line(state.decided_by)})

    def _plan(self, event: AnyEvent, state: State) -> None:
        """Show the plan, what became of it, and the line that is worked on."""
        read = state.steps if isinstance(event, RunResumed) else state.steps[-1:]
        if state.plan or self.get(NUMBER) or any(step.plans for step in read):
            self.put(NUMBER, {**plan_card(state), "ask": None})
            self.head({"line": plan_line(state)})
