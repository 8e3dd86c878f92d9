"""What happens until there is a decision: calls of the model, its replies, its plans."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from pydantic import (
    field_serializer,
)

from agentloop_nb.decision import Decision
from agentloop_nb.events.event import Dollars, Event
from agentloop_nb.protocols import Usage


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
    seconds: float = 0
    """How long it waits for a person; 0 is without end."""


class PlanSettled(Event):
    """The plan that was made last stands, or was rejected."""

    kind: Literal["plan_settled"] = "plan_settled"
    approved: bool
    lines: tuple[str, ...] = ()
    """As a person edited it; empty: as it was made."""
    reason: str = ""
    by: Literal["user", "nobody", "model"] = "user"
    """The person; nobody was there; the model itself, which changed it."""
