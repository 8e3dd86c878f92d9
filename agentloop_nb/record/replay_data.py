"""What can be replayed of a run: its decisions, and what the web answered them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from agentloop_nb.actions import Action, ActionResult, AskUser, Query, ReadUrl, RunCode, SearchWeb, UseTool
from agentloop_nb.actions.effects import Answer, OwnCall, Queried
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.decision import Decision
from agentloop_nb.protocols import Page, SearchHit, ToolAnswer, Value
from agentloop_nb.step import Step


class Brought(Value):
    """What a search, a page, a question or a tool brought then."""

    hits: tuple[SearchHit, ...] | None = None
    page: Page | None = None
    answer: Answer | None = None
    """What a question was answered."""
    tool: ToolAnswer | None = None
    """What a tool answered."""
    query: Queried | None = None
    """What a connection answered."""
    own: OwnCall | None = None
    """What a function that reaches outside brought."""
    error: str | None = None
    """Why a search or a page failed then."""


class Recorded(Brought):
    """A decision of a recorded run, and what it was answered."""

    decision: Decision
    step: int = 0
    """The number of its step; 0 in notebooks of older versions."""
    plans: tuple[tuple[str, ...], ...] = ()
    """Plans that stood from here on."""
    line: int = 0
    """The line of the plan that it was for."""
    limit: int = 0
    """Seconds that its code may run again, where that is not its time limit; 0 where it is."""
    parts: tuple[Brought, ...] | None = None
    """What each part of a composite action brought."""

    def answers(self) -> Iterator[tuple[Action, Brought]]:
        """Each part of the action with what it was answered."""
        parts = self.decision.action.parts()
        kept = self.parts if self.parts is not None and len(self.parts) == len(parts) else (self,) * len(parts)
        yield from zip(parts, kept, strict=True)

    def record(self) -> dict[str, Any]:
        """Return JSON values, for the metadata of an exported notebook."""
        nothing = {name for name in ("plans", "line", "limit") if not getattr(self, name)}
        kept = self.model_dump(mode="json", exclude={"decision", *nothing}, exclude_none=True)
        return {"decision": self.decision.record(), **kept}


def refused(step: Step) -> bool:
    """Whether this step was not carried out: a person (or a policy) said no, or it was the same again."""
    return bool(step.effects.repeated) or (step.approval is not None and not step.approval.approved)


def recorded(steps: Iterable[Step]) -> list[Recorded]:
    """Return the decisions of a run's steps in order, without those that were refused."""
    return [_recorded(step, step.decision) for step in steps if step.decision is not None and not refused(step)]


def _recorded(step: Step, decision: Decision) -> Recorded:
    plans = tuple(each.lines for each in step.plans if each.settled is not None and each.settled.approved)
    limit = _limit(step, decision.action)
    found = Recorded(decision=decision, step=step.number, plans=plans, line=step.plan_line, limit=limit)
    if step.result is None:
        return found
    answers = [_brought(part, result) for part, result in decision.action.outcomes(step.result)]
    if len(answers) == 1 and decision.action.parts() == (decision.action,):
        return found.model_copy(update=dict(answers[0]))
    return found.model_copy(update={"parts": tuple(answers)})


def _limit(step: Step, action: Action) -> int:
    """Return how long code may run again that was given more time, with room for a slower machine, or was stopped."""
    if not isinstance(action, RunCode) or step.result is None:
        return 0
    if step.result.success:
        return math.ceil(2 * step.seconds) if step.seconds > action.timeout else 0
    decided = step.looks[-1].decided if step.looks else None
    return math.ceil(step.seconds) if decided is not None and not decided.wait else 0


def _brought(action: Action, result: ActionResult) -> Brought:
    if isinstance(action, AskUser):
        return Brought(answer=result.effects.answer)
    if isinstance(action, UseTool) and result.effects.tool is not None:
        return Brought(tool=result.effects.tool)
    if isinstance(action, Query | OwnAction) and action.is_kept(result):
        query = result.effects.query if result.success else None
        return Brought(query=query, own=result.effects.own, error=result.error)
    if not isinstance(action, SearchWeb | ReadUrl | UseTool):
        return Brought()
    if not result.success:
        return Brought(error=result.error or result.output)
    return Brought(hits=result.effects.hits, page=result.effects.page)
