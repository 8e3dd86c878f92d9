"""What happens in a run: frozen events, named in the past tense. The record is these, one a line, and nothing else.

`Progress` is what a view may show while something is under way, `Adjustment` what is so in this process only; neither
is ever recorded.
"""

from __future__ import annotations

import re
import time
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    field_serializer,
    model_serializer,
)

from agentloop_nb.actions import ActionResult
from agentloop_nb.actions.registry import ActionRecord
from agentloop_nb.decision import Decision
from agentloop_nb.errors import Hint
from agentloop_nb.protocols import Check, CodeRan, Delta, Output, Usage, Value

FORMAT = 1
"""Version of the record; the first key of its first line."""

Status = Literal["running", "finished", "not_met", "step_limit", "cost_limit", "stopped", "failed", "interrupted"]


Dollars = Annotated[Decimal, Field(ge=0, le=10**9)]
"""An amount in US dollars; a larger one is no price but a forgery that would overflow."""


def _safe(run: str) -> str:
    """A run's id names files, and is shown on terminals."""
    if not re.fullmatch(r"\w[\w.-]{0,63}", run, re.ASCII) or ".." in run:
        raise ValueError("a run's id is at most 64 letters, digits, dots, dashes and underscores")
    return run


def _sound(settings: dict[str, Any]) -> dict[str, Any]:
    try:
        int(settings.get("max_steps", 0)), Decimal(str(settings.get("budget") or 0))
    except (TypeError, ArithmeticError):
        raise ValueError("max_steps and budget must be numbers") from None
    if "\0" in str(settings.get("output_dir")):
        raise ValueError("output_dir must be a path")
    return settings


RunId = Annotated[str, AfterValidator(_safe)]
RecordedSettings = Annotated[dict[str, Any], AfterValidator(_sound)]


class Event(Value):
    """Base of all events. `step` is the number of the decision it belongs to, from 1; 0 before the first."""

    model_config = ConfigDict(allow_inf_nan=False)
    step: int = 0
    at: float = Field(default_factory=time.time)
    """Seconds since the epoch."""


class RunStarted(Event):
    """A goal was given. Everything the model is told at the start is in here, so that the record alone can go on."""

    kind: Literal["run_started"] = "run_started"
    format: int = FORMAT
    run: RunId
    goal: str
    context: str
    """What the model is told beside the goal: instructions, namespace, recent cells, earlier runs."""
    settings: RecordedSettings
    """The resolved settings, without any secret."""
    versions: dict[str, str] = {}
    earlier_goals: tuple[str, ...] = ()
    """Goals of earlier runs in the same kernel, oldest first."""
    actions: tuple[ActionRecord, ...] = ()
    """What the run may do; records of older versions name none, and mean the five of the original."""
    cells: tuple[str, ...] = ()
    """Sources of what ran before the run, oldest first: what an export may bring along."""
    ran: tuple[CodeRan, ...] = ()
    """What is known of some of `cells`."""
    part_of: RunId | None = None
    """What it belongs to: the run that delegated it, or the tries of one goal."""
    part: str = ""
    """Which part of that it is."""

    @model_serializer(mode="wrap")
    def _format_first(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"format": self.format, **handler(self)}


class ModelCalled(Event):
    """A request is about to be sent; `reserved` is the worst it can cost in dollars (None: unknown price)."""

    kind: Literal["model_called"] = "model_called"
    attempt: int
    """1 for the first try of this reply, then 2, 3, 4 for its retries."""
    reserved: Dollars | None = None
    max_tokens: int | None = None
    window: int | None = None
    """Tokens that the model reads at most, if known."""


class ModelReplied(Event):
    """A whole reply came, valid decision or not; it is billed here."""

    kind: Literal["model_replied"] = "model_replied"
    text: str
    usage: Usage
    cost: Dollars | None
    finish_reason: str = "stop"
    reasoning: str = ""
    model: str = ""
    saved: Dollars | None = None
    seconds: float = 0.0


class ModelFailed(Event):
    """An attempt brought no reply. `cost` is what it counts as having cost; `wait` seconds follow if it is retried."""

    kind: Literal["model_failed"] = "model_failed"
    attempt: int
    error: str
    cost: Dollars | None = Decimal(0)
    wait: float | None = None
    """Seconds until the next attempt; None when there is none."""


class DecisionRejected(Event):
    """A reply was no valid decision; `reason` goes back to the model."""

    kind: Literal["decision_rejected"] = "decision_rejected"
    reason: str


class DecisionMade(Event):
    """The model decided what to do."""

    kind: Literal["decision_made"] = "decision_made"
    decision: Decision
    line: int = 0
    """The line of the plan that it is for; 0 where it names none."""

    @field_serializer("decision")
    def _record(self, decision: Decision) -> dict[str, Any]:
        return decision.record()


class PlanMade(Event):
    """The model proposed a plan, or changed the one that stands. No step: it belongs to the one that comes next."""

    kind: Literal["plan_made"] = "plan_made"
    lines: tuple[str, ...]
    reasoning: str = ""
    forecast: str = ""
    """What the person is told that it may take."""


class PlanSettled(Event):
    """The plan that was made last stands, or was rejected."""

    kind: Literal["plan_settled"] = "plan_settled"
    approved: bool
    lines: tuple[str, ...] = ()
    """As a person edited it; empty: as it was made."""
    reason: str = ""
    by: Literal["user", "nobody", "model"] = "user"
    """The person; nobody was there; the model itself, which changed it."""


class ApprovalAsked(Event):
    """The run waits for a person; `risks` names what the action touches."""

    kind: Literal["approval_asked"] = "approval_asked"
    risks: tuple[str, ...] = ()


class ApprovalGiven(Event):
    """A person (or a policy, see `by`) answered. An edited decision replaces the one that was asked about."""

    kind: Literal["approval_given"] = "approval_given"
    approved: bool
    reason: str = ""
    by: str = "user"
    rest: bool = False
    """The rest of the run is approved too."""
    edited: Decision | None = None

    @field_serializer("edited")
    def _record(self, edited: Decision | None) -> dict[str, Any] | None:
        return None if edited is None else edited.record()


class QuestionAsked(Event):
    """The run waits for a person to answer an `ask_user`, at most so many `seconds`."""

    kind: Literal["question_asked"] = "question_asked"
    seconds: float


class ActionStarted(Event):
    """The action is being carried out; a record that ends here was killed in the middle of it."""

    kind: Literal["action_started"] = "action_started"
    risks: tuple[str, ...] = ()
    """What code touches beyond the namespace, as it was read beforehand."""


class LongStepShown(Event):
    """Code runs long: the model is told what it has shown so far."""

    kind: Literal["long_step_shown"] = "long_step_shown"
    seconds: float
    output: str
    left: int
    """How often the model may still wait."""


class LongStepDecided(Event):
    """The model waits for running code so many seconds more, or stops it (0)."""

    kind: Literal["long_step_decided"] = "long_step_decided"
    wait: float
    reason: str = ""


class ActionFinished(Event):
    """The action was carried out, well or not; the step is over."""

    kind: Literal["action_finished"] = "action_finished"
    result: ActionResult
    seconds: float = 0.0


class OutcomeDiffered(Event):
    """A replayed step did something else than in the record that it is replayed from."""

    kind: Literal["outcome_differed"] = "outcome_differed"
    expected: str
    """What the record says it brought, on one line."""
    found: str

    @property
    def text(self) -> str:
        """What differs, on one line."""
        return f"it came out differently than in the record: then {self.expected}, now {self.found}"


class NoteAdded(Event):
    """The user told the agent something while it works, or on resuming or forking it; `by` "system", the system did."""

    kind: Literal["note_added"] = "note_added"
    text: str
    by: Literal["user", "system"] = "user"


class ContractChecked(Event):
    """The expressions that must be True at the end were evaluated."""

    kind: Literal["contract_checked"] = "contract_checked"
    checks: tuple[Check, ...]
    before: bool = False
    """Before the first step, or the first one after a resumption."""


class TranscriptCompacted(Event):
    """From now on outputs of steps up to `through` are told in `keep` characters, steps up to `digested` in a line."""

    kind: Literal["transcript_compacted"] = "transcript_compacted"
    through: int
    keep: int
    digested: int = 0
    context: int | None = None
    """Characters that remain of what stands beside the goal (the namespace); None is all."""


class StepsUndone(Event):
    """Step `first` and all later ones were taken back: variables, files, and what the model remembers."""

    kind: Literal["steps_undone"] = "steps_undone"
    first: int


class RunFinished(Event):
    """The run is over, for `reason`. A finished step left its summary in its `finish` action."""

    kind: Literal["run_finished"] = "run_finished"
    status: Status
    reason: str = ""
    hints: tuple[Hint, ...] = ()
    """What can be typed to go on."""
    summary: str = ""
    artifacts: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    """What the run claims and no step shows, a sentence each."""


class RunResumed(Event):
    """A run that had ended goes on, perhaps with other limits."""

    kind: Literal["run_resumed"] = "run_resumed"
    max_steps: int
    budget: Decimal | None = None
    actions: tuple[ActionRecord, ...] = ()
    """What it may do from here on; empty: what it could do before."""
    settings: RecordedSettings = {}
    """The settings it goes on with, without any secret."""


class NamespaceRebuilt(Event):
    """The variables of a run whose kernel is gone were made again, from recorded code and without a model."""

    kind: Literal["namespace_rebuilt"] = "namespace_rebuilt"
    steps: tuple[int, ...] = ()
    """Steps that ran again with the same outcome."""
    skipped: tuple[int, ...] = ()
    """Steps that cannot be repeated safely, and that nobody allowed."""
    divergence: str | None = None
    """What came out differently, where it stopped."""


class RunForked(Event):
    """What stands before was taken over from another run, up to the end of its step `step`; it paid for that."""

    kind: Literal["run_forked"] = "run_forked"
    parent: RunId
    """The id of the run it was forked from."""


class TryRank(Value):
    """One of several tries of a goal, as it was ranked."""

    number: int
    run: RunId
    status: Status
    steps: int
    cost: Dollars
    cost_known: bool = True
    contract: bool | None = None
    """Whether its contract held; None where it had none."""
    doubts: int = 0
    """Claims of its summary that no step shows."""
    agreement: float | None = None
    """The share of its figures and tables that the other tries came to, too; None where there is nothing to compare."""


class TriesRanked(Event):
    """All tries of a goal are over: which was chosen, and why. It stands in the record of each of them."""

    kind: Literal["tries_ranked"] = "tries_ranked"
    tries: tuple[TryRank, ...]
    """Best first."""
    chosen: RunId | None
    """None where no try met the goal."""
    reason: str


class UnknownEvent(Event):
    """An event of a newer version: kept, and passed over."""

    kind: str


KnownEvent = (
    RunStarted
    | ModelCalled
    | ModelReplied
    | ModelFailed
    | DecisionRejected
    | DecisionMade
    | PlanMade
    | PlanSettled
    | ApprovalAsked
    | ApprovalGiven
    | QuestionAsked
    | ActionStarted
    | LongStepShown
    | LongStepDecided
    | ActionFinished
    | OutcomeDiffered
    | NoteAdded
    | ContractChecked
    | TranscriptCompacted
    | StepsUndone
    | RunFinished
    | RunResumed
    | NamespaceRebuilt
    | RunForked
    | TriesRanked
)
AnyEvent = KnownEvent | UnknownEvent

_KNOWN: TypeAdapter[KnownEvent] = TypeAdapter(Annotated[KnownEvent, Field(discriminator="kind")])
_KINDS = {str(event.model_fields["kind"].default) for event in KnownEvent.__args__}


def event_from(data: dict[str, Any]) -> AnyEvent:
    """Rebuild an event from its record. Raises `pydantic.ValidationError` for a damaged one."""
    if data.get("kind") in _KINDS:
        return _KNOWN.validate_python(data)
    return UnknownEvent.model_validate(data)


class RunInterrupted(Value):
    """Adjustment: the kernel of a run that has no end in its record is dead."""


class LimitsReplaced(Value):
    """Adjustment: the run has the limits of the person's own settings, not those of its record."""

    max_steps: int
    budget: Decimal | None = None


class OutputsEvicted(Value):
    """Adjustment: of a step's outputs only the beginning is held in memory; the record has them."""

    index: int
    """The place of the step among all that were paid for: those that were taken back, then the others."""
    result: ActionResult


Adjustment = RunInterrupted | LimitsReplaced | OutputsEvicted
"""What changes a state and is never recorded: it is so in this process only."""


class ReplyStreamed(Value):
    """Progress: a piece of the reply for `step` came in."""

    step: int
    delta: Delta


class OutputAppeared(Value):
    """Progress: the running step showed something; streams carry only the new text."""

    step: int
    output: Output


class WaitStarted(Value):
    """Progress: nothing happens for `seconds`, because of `reason`."""

    step: int
    seconds: float
    reason: str


Progress = ReplyStreamed | OutputAppeared | WaitStarted
