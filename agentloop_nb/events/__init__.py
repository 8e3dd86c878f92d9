"""What happens in a run: frozen events, named in the past tense. The record is these, one a line, and nothing else.

`Progress` is what a view may show while something is under way, `Adjustment` what is so in this process only; neither
is ever recorded.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from agentloop_nb.events.action_events import (
    ActionFinished,
    ActionStarted,
    ApprovalAsked,
    ApprovalGiven,
    LongStepDecided,
    LongStepShown,
    OutcomeDiffered,
    QuestionAsked,
)
from agentloop_nb.events.adjustment import Adjustment, LimitsReplaced, OutputsEvicted, RunInterrupted
from agentloop_nb.events.decision_events import (
    DecisionMade,
    DecisionRejected,
    ModelCalled,
    ModelFailed,
    ModelReplied,
    PlanMade,
    PlanSettled,
)
from agentloop_nb.events.event import FORMAT, Dollars, Event, RecordedSettings, RunId, Status
from agentloop_nb.events.progress import OutputAppeared, Progress, ReplyStreamed, WaitStarted
from agentloop_nb.events.run_events import (
    ContractChecked,
    FunctionProposed,
    NamespaceRebuilt,
    NoteAdded,
    RunFinished,
    RunForked,
    RunResumed,
    RunStarted,
    StepsUndone,
    TranscriptCompacted,
    TriesRanked,
    TryRank,
)

__all__ = [
    "FORMAT",
    "ActionFinished",
    "ActionStarted",
    "Adjustment",
    "AnyEvent",
    "ApprovalAsked",
    "ApprovalGiven",
    "ContractChecked",
    "DecisionMade",
    "DecisionRejected",
    "Dollars",
    "Event",
    "FunctionProposed",
    "KnownEvent",
    "LimitsReplaced",
    "LongStepDecided",
    "LongStepShown",
    "ModelCalled",
    "ModelFailed",
    "ModelReplied",
    "NamespaceRebuilt",
    "NoteAdded",
    "OutcomeDiffered",
    "OutputAppeared",
    "OutputsEvicted",
    "PlanMade",
    "PlanSettled",
    "Progress",
    "QuestionAsked",
    "RecordedSettings",
    "ReplyStreamed",
    "RunFinished",
    "RunForked",
    "RunId",
    "RunInterrupted",
    "RunResumed",
    "RunStarted",
    "Status",
    "StepsUndone",
    "TranscriptCompacted",
    "TriesRanked",
    "TryRank",
    "UnknownEvent",
    "WaitStarted",
    "event_from",
]


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
    | FunctionProposed
)
AnyEvent = KnownEvent | UnknownEvent

_KNOWN: TypeAdapter[KnownEvent] = TypeAdapter(Annotated[KnownEvent, Field(discriminator="kind")])
_KINDS = {str(event.model_fields["kind"].default) for event in KnownEvent.__args__}


def event_from(data: dict[str, Any]) -> AnyEvent:
    """Rebuild an event from its record. Raises `pydantic.ValidationError` for a damaged one."""
    if data.get("kind") in _KINDS:
        return _KNOWN.validate_python(data)
    return UnknownEvent.model_validate(data)
