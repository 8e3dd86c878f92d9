"""Putting a question of the model to a person on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from agentloop_nb._internal.amounts import duration
from agentloop_nb._internal.text import clean
from agentloop_nb.actions import AskUser
from agentloop_nb.actions.ask_user import NOBODY
from agentloop_nb.actions.effects import Answer
from agentloop_nb.events import QuestionAsked
from agentloop_nb.terminal.approver import read_line

if TYPE_CHECKING:
    from rich.console import Console


class TerminalQuestioner:
    """A `questions.Asker` that reads its answers from standard input, if that is a terminal."""

    def __init__(self, console: Console, before: Callable[[], None]) -> None:
        self._console = console
        self._before = before
        """Called before each question, so that nothing moves on the screen."""

    async def __call__(self, asked: QuestionAsked, action: AskUser) -> Answer:
        """Ask once; without a terminal, or behind a closed one, the default holds. Raises `TimeoutError`."""
        if not has_terminal():
            return action.unanswered(NOBODY)
        self._before()
        for label, choice in zip(action.labels, action.choices, strict=True):
            self._console.print(clean(f"  {label}  {choice}"))
        how = "A label, or your own words" if action.choices else "Your answer"
        told = f"{how} (nothing within {duration(asked.seconds)} means: {action.default}): "
        self._console.print(clean(told), end="")
        self._console.file.flush()
        words = await read_line(asked.seconds)
        return action.understood(words) if words else action.unanswered(NOBODY)


def has_terminal() -> bool:
    """Whether a person can type: standard input is a terminal, and this process is not in its background."""
    if not sys.stdin or not sys.stdin.isatty():
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):  # Windows; a terminal that is none of this process
        return True
