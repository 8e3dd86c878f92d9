"""Questions of the model to the person: who answers one, how many there may be, and what holds if nobody does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from agentloop_nb._internal.amounts import duration
from agentloop_nb.actions import ActionResult, AskUser
from agentloop_nb.actions.ask_user import NOBODY
from agentloop_nb.actions.effects import Answer, Effects
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.events import QuestionAsked
from agentloop_nb.settings import Settings
from agentloop_nb.state import State
from agentloop_nb.step import Step

MOST = 3
"""Questions a run may put to a person."""
NOT_RECORDED = "the record holds no answer"
TURNED_OFF = "questions are turned off (--questions never)"


class Asker(Protocol):
    """Asks a person."""

    async def __call__(self, asked: QuestionAsked, action: AskUser) -> Answer:
        """Return what the person says, or the default where nobody can be there. Raises `TimeoutError`."""


@dataclass
class Questions:
    """Answers the questions of one run."""

    stream: Stream
    settings: Settings
    asker: Asker | None = None
    recorded: Callable[[AskUser], Answer | None] | None = None
    """For a replayed run: what the record says."""

    async def answer(self, action: AskUser, step: int) -> ActionResult:
        """Have a question answered by the record, an earlier answer, the person, or its default."""
        if self.recorded is not None:
            return action.result(self.recorded(action) or action.unanswered(NOT_RECORDED))
        if self.settings.questions == "never":
            return action.result(action.unanswered(TURNED_OFF))
        if (before := _asked_before(action, self.stream.state)) is not None:
            return _said_before(*before)
        if asked_so_far(self.stream.state, before=step) >= MOST:
            return _too_many(action)
        if self.asker is None:
            return action.result(action.unanswered(NOBODY))
        return action.result(await self._ask(self.asker, action, step))

    async def _ask(self, asker: Asker, action: AskUser, step: int) -> Answer:
        asked = QuestionAsked(step=step, seconds=self.settings.answer_within)
        self.stream.emit(asked)
        try:
            return await asker(asked, action)
        except TimeoutError:
            return action.unanswered(f"nobody answered within {duration(asked.seconds)}")


def asked_so_far(state: State, before: int | None = None) -> int:
    """Count the questions that a person was shown, perhaps only in steps before one."""
    return sum(bool(step.asked) for step in state.steps if before is None or step.number < before)


def may_ask(state: State) -> bool:
    """Whether a person can be asked one more question in this run."""
    return bool(state.settings.get("asks")) and asked_so_far(state) < MOST


def _asked_before(action: AskUser, state: State) -> tuple[int, Answer] | None:
    """Return the step that put the same question to the person, and the answer."""
    return next((found for step in state.steps for found in _answered(step, action.question)), None)


def _answered(step: Step, question: str) -> Iterator[tuple[int, Answer]]:
    action = step.decision.action if step.decision else None
    answer = step.effects.answer
    if isinstance(action, AskUser) and action.question == question and answer and answer.by in ("typed", "choice"):
        yield step.number, answer


def _said_before(step: int, answer: Answer) -> ActionResult:
    told = f"The person answered this in step {step}: {answer.text}"
    kept = Answer(text=answer.text, by="record", why=f"it was answered in step {step}")
    return ActionResult(success=True, output=told, effects=Effects(answer=kept))


def _too_many(action: AskUser) -> ActionResult:
    told = f"{MOST} questions were asked in this run, and there are no more. Decide yourself: {action.default}"
    return ActionResult(success=False, output=told, error=f"not asked: {MOST} questions were asked already")
