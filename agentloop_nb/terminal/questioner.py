"""Putting a question of the model to a person on a terminal."""

from __future__ import annotations

from agentloop_nb._internal.amounts import duration
from agentloop_nb._internal.text import clean
from agentloop_nb.actions import AskUser
from agentloop_nb.actions.ask_user import NOBODY
from agentloop_nb.actions.effects import Answer
from agentloop_nb.events import QuestionAsked
from agentloop_nb.terminal.terminal_prompt import TerminalPrompt, has_terminal


class TerminalQuestioner(TerminalPrompt):
    """A `questions.Asker` that reads its answers from standard input, if that is a terminal."""

    async def __call__(self, asked: QuestionAsked, action: AskUser) -> Answer:
        """Ask once; without a terminal, or behind a closed one, the default holds. Raises `TimeoutError`."""
        if not has_terminal():
            return action.unanswered(NOBODY)
        self._before()
        for label, choice in zip(action.labels, action.choices, strict=True):
            self._console.print(clean(f"  {label}  {choice}"))
        how = "A label, or your own words" if action.choices else "Your answer"
        told = f"{how} (nothing within {duration(asked.seconds)} means: {action.default}): "
        words = await self._line(clean(told), asked.seconds)
        return action.understood(words) if words else action.unanswered(NOBODY)
