"""A step of a run: one decision and what became of it, folded from the events that belong to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from agentloop_nb.actions import ActionResult, AskUser, Finish
from agentloop_nb.actions.effects import NO_EFFECTS, Effects
from agentloop_nb.decision import Decision
from agentloop_nb.events import (
    ActionFinished,
    ActionStarted,
    AnyEvent,
    ApprovalAsked,
    ApprovalGiven,
    DecisionMade,
    DecisionRejected,
    LongStepDecided,
    LongStepShown,
    ModelFailed,
    ModelReplied,
    NoteAdded,
    OutcomeDiffered,
    PlanMade,
    PlanSettled,
    QuestionAsked,
)
from agentloop_nb.protocols import Usage


@dataclass
class PlanRound:
    """A plan that was proposed, and what became of it."""

    made: PlanMade
    settled: PlanSettled | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """As it stands, or would."""
        return (self.settled.lines if self.settled else ()) or self.made.lines


@dataclass
class Look:
    """A look at code that runs long, and what the model decided then."""

    shown: LongStepShown
    decided: LongStepDecided | None = None


@dataclass
class Step:
    """One decision and what became of it, with everything that led there."""

    number: int
    rejected: list[tuple[str, str]] = field(default_factory=list)
    """Replies that were no decision, each with the reason the model was told."""
    failures: list[str] = field(default_factory=list)
    """Attempts that brought no reply."""
    notes: list[str] = field(default_factory=list)
    """What the user said before this decision."""
    remarks: list[str] = field(default_factory=list)
    """What the system told the model before this decision."""
    reply: str = ""
    thoughts: str = ""
    """What the model thought before its replies, as far as its server shows it."""
    model: str = ""
    """The model that answered, as the server names it; for a step from outside, the agent."""
    plans: list[PlanRound] = field(default_factory=list)
    """Plans that were made before this decision."""
    plan_line: int = 0
    """The line of the plan that it is for."""
    decision: Decision | None = None
    result: ActionResult | None = None
    started: bool = False
    """The action began; without a result it was cut off in the middle."""
    looks: list[Look] = field(default_factory=list)
    """Looks at its code while it ran."""
    approval: ApprovalGiven | None = None
    unapproved: bool = False
    """A person was asked to approve it, and neither answered nor said anything since."""
    asked: float = 0.0
    """Seconds since the epoch until which a person may answer its question; 0 where none was put to one."""
    risks: tuple[str, ...] = ()
    """What its code touches, and why a person was asked."""
    difference: str = ""
    """How a replayed step came out differently than in its record."""
    usage: Usage = Usage()
    cost: Decimal = Decimal(0)
    cost_known: bool = True
    saved: Decimal = Decimal(0)
    inherited: bool = False
    """Taken over from the run that this one was forked from, which paid for it."""
    began: float = 0.0
    """Seconds since the epoch, of its first event."""
    thinking: float = 0.0
    """Seconds spent waiting for the model."""
    seconds: float = 0.0
    """Seconds the action took."""

    @property
    def effects(self) -> Effects:
        """What it did and brought beside its output."""
        return self.result.effects if self.result else NO_EFFECTS

    @property
    def is_only_words(self) -> bool:
        """Whether nothing was to be done: the run was to end, or a person was asked."""
        return self.decision is not None and isinstance(self.decision.action, Finish | AskUser)

    @property
    def is_looked_at(self) -> bool:
        """Whether the model decides about its running code just now."""
        return self.result is None and bool(self.looks) and self.looks[-1].decided is None

    @property
    def said(self) -> tuple[str, ...]:
        """The person's own words in this step: notes, why a plan was rejected, an answer that was typed."""
        answer, rounds = self.effects.answer, (each.settled for each in self.plans)
        reasons = (settled.reason for settled in rounds if settled and settled.by == "user" and settled.reason)
        typed = (answer.text,) if answer is not None and answer.by == "typed" else ()
        return (*self.notes, *reasons, *typed)

    @property
    def line(self) -> str:
        """One line of Markdown: number, action, title, and whether it failed."""
        return self._line("" if self.decision is None else self.decision.action.title[:80])

    @property
    def purpose(self) -> str:
        """One line of Markdown: number, action, why it was taken, then its title, and whether it failed."""
        if self.decision is None:
            return self._line("")
        action, why = self.decision.action, " ".join(self.decision.reasoning.split())[:100]
        return self._line(why if isinstance(action, Finish) else f"{why} ({action.title[:60]})")

    def _line(self, what: str) -> str:
        told = f"{self.decision.action.name}: {what}" if self.decision else "no decision"
        failed = "" if self.result is None or self.result.success else " (failed)"
        return f"- step {self.number}, {told}{failed}"

    def apply(self, event: AnyEvent) -> None:
        """Fold in what one of its events says of this step alone; what it says of the run is `State.apply`'s."""
        match event:
            case ModelReplied() | ModelFailed() | LongStepShown() | LongStepDecided():
                self._apply_call(event)
            case DecisionRejected() | DecisionMade() | NoteAdded() | PlanMade() | PlanSettled():
                self._apply_decision(event)
            case ApprovalAsked() | ApprovalGiven() | QuestionAsked():
                self._apply_approval(event)
            case ActionStarted() | ActionFinished() | OutcomeDiffered():
                self._apply_action(event)
            case _:
                pass

    def _apply_call(self, event: ModelReplied | ModelFailed | LongStepShown | LongStepDecided) -> None:
        match event:
            case LongStepShown():
                self.looks.append(Look(event))
            case LongStepDecided() if self.looks:
                self.looks[-1].decided = event
            case ModelReplied():
                self.usage += event.usage
                if not self.started:  # else it is about code that runs
                    self.thoughts = "\n\n".join(filter(None, (self.thoughts, event.reasoning.strip())))
                    self.reply, self.model = event.text, event.model
                self.thinking += event.seconds
                self.saved += event.saved or 0
                self.spend(event.cost)
            case ModelFailed():
                self.failures.append(event.error)
                self.spend(event.cost)

    def _apply_decision(self, event: DecisionRejected | DecisionMade | NoteAdded | PlanMade | PlanSettled) -> None:
        match event:
            case PlanMade():  # what was rejected before a plan came is over with it
                self.plans.append(PlanRound(event))
                self.rejected.clear()
            case PlanSettled() if self.plans:
                self.plans[-1].settled = event
            case DecisionRejected():
                self.rejected.append((self.reply, event.reason))
            case DecisionMade():
                self.decision, self.plan_line = event.decision, event.line
            case NoteAdded():
                self.unapproved = False
                (self.notes if event.by == "user" else self.remarks).append(event.text)

    def _apply_approval(self, event: ApprovalAsked | ApprovalGiven | QuestionAsked) -> None:
        match event:
            case ApprovalAsked():
                self.risks, self.unapproved = event.risks, True
            case ApprovalGiven():
                self.approval, self.unapproved = event, False
                self.decision = event.edited or self.decision
            case QuestionAsked():
                self.asked = event.at + event.seconds

    def _apply_action(self, event: ActionStarted | ActionFinished | OutcomeDiffered) -> None:
        match event:
            case ActionStarted():
                self.started = True
                self.risks = tuple(dict.fromkeys((*self.risks, *event.risks)))
            case ActionFinished():
                self.result, self.seconds = event.result, event.seconds
                for child in event.result.effects.children:  # they spent from the same budget
                    self.usage += child.usage
                    self.spend(child.cost if child.cost_known else None)
            case OutcomeDiffered():
                self.difference = event.text

    def spend(self, cost: Decimal | None) -> None:
        """Count dollars as spent in this step; None is an unknown amount."""
        if cost is None:
            self.cost_known = False
        else:
            self.cost += cost
