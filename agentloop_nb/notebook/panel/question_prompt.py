"""Putting a question of the model to a person: by the panel, by `input()` where it is not served, or to nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

from agentloop_nb._internal.amounts import duration
from agentloop_nb._internal.text import clean, on_one_line
from agentloop_nb.actions import AskUser
from agentloop_nb.actions.ask_user import NOBODY
from agentloop_nb.actions.effects import Answer
from agentloop_nb.agent.control import Control
from agentloop_nb.events import QuestionAsked
from agentloop_nb.notebook.panel.person import Click, Desk, reachable, typed


class QuestionDesk(Desk, Protocol):
    """Where a question is put: the panel."""

    def put_question(self, step: int, question: dict[str, Any]) -> None:
        """Show a question on the card of a step."""


class QuestionPrompt:
    """Turns a person's click or words into an `Answer`. Messages may come from any thread."""

    def __init__(self, desk: QuestionDesk, control: Control, *, anybody: Callable[[], bool]) -> None:
        self._desk = desk
        self._control = control
        self._anybody = anybody
        self._click = Click()
        self._step = 0

    async def __call__(self, asked: QuestionAsked, action: AskUser) -> Answer:
        """Wait for an answer until the time of the question is over; never where none can come."""
        if not self._anybody():
            return action.unanswered(NOBODY)
        if await reachable(self._desk):
            return await self._on_card(asked, action)
        return await self._by_input(asked, action)

    async def _on_card(self, asked: QuestionAsked, action: AskUser) -> Answer:
        self._step, clicked, until = asked.step, self._click.expect(), time.time() + asked.seconds
        self._desk.put_question(asked.step, {**action.model_dump(mode="json"), "until": until})
        try:
            async with asyncio.timeout(asked.seconds):
                message = await clicked
        finally:
            self._click.no_more()
        return _answer(action, message)

    def answer(self, message: dict[str, Any]) -> bool:
        """Take a click in: `{op: answer, n, choice | text}`. False when it comes too late."""
        return message.get("n") == self._step and self._click.take(message)

    async def _by_input(self, asked: QuestionAsked, action: AskUser) -> Answer:
        """Ask in the cell itself, where a busy kernel cannot serve the panel."""
        words = await typed(in_words(action, asked.seconds), self._control, asked.seconds)
        return action.unanswered(NOBODY) if words is None else action.understood(words)


def in_words(action: AskUser, seconds: float) -> str:
    """Return a question as text, with what may be typed."""
    lines = [f"The agent asks: {on_one_line(action.question)}"]
    lines += [f"  {label}  {on_one_line(choice)}" for label, choice in zip(action.labels, action.choices, strict=True)]
    how = "A label, or your own words" if action.choices else "Your answer"
    lines.append(f"{how}; nothing within {duration(seconds)} means: {on_one_line(action.default)}")
    return clean("\n".join(lines)) + "\n> "


def _answer(action: AskUser, message: dict[str, Any]) -> Answer:
    choice = message.get("choice")
    if isinstance(choice, int) and 0 <= choice < len(action.choices):
        return Answer(text=action.choices[choice], by="choice")
    return action.understood(str(message.get("text") or ""))
