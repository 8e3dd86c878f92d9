"""What happens to a decision: it is approved and carried out."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import (
    field_serializer,
)

from agentloop_nb.actions import ActionResult
from agentloop_nb.decision import Decision
from agentloop_nb.events.event import Event


class ApprovalAsked(Event):
    """The run waits for a person; `risks` names what the action touches."""

    kind: Literal["approval_asked"] = "approval_asked"
    risks: tuple[str, ...] = ()
    seconds: float = 0
    """How long it waits; 0 is without end."""


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
