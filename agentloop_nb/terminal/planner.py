"""Showing a plan to a person on a terminal: go, edit a line or all of it, or reject it with a reason."""

from __future__ import annotations

from pydantic import ValidationError

from agentloop_nb._internal.text import clean
from agentloop_nb.actions import Plan
from agentloop_nb.actions.plan import numbered
from agentloop_nb.agent.planning import edited, understood, unseen
from agentloop_nb.agent.unanswered import what_then
from agentloop_nb.events import PlanMade, PlanSettled
from agentloop_nb.terminal.terminal_prompt import TerminalPrompt, has_terminal, in_editor

ASK = "[g]o, [e]dit (e 2 TEXT for one line), or why not: "


class TerminalPlanner(TerminalPrompt):
    """A `planning.Planner` that reads its answers from standard input, if that is a terminal."""

    async def __call__(self, made: PlanMade) -> PlanSettled:
        """Ask until the answer is clear; without a terminal the plan stands. Raises `TimeoutError`."""
        if not has_terminal():
            return unseen(made)
        self._before()
        self._console.print(what_then(made.seconds), end="\n" if made.seconds else "")
        lines = made.lines
        while True:
            if not (words := await self._line(ASK, made.seconds)):
                return PlanSettled(step=made.step, approved=True, by="nobody", lines=edited(made, lines))
            answer = (
                await self._edit(lines) if words.strip().lower() in ("e", "edit") else understood(words, made, lines)
            )
            if isinstance(answer, PlanSettled):
                return answer
            lines = answer or lines
            if answer:
                self._console.print(clean(numbered(lines)))

    async def _edit(self, lines: tuple[str, ...]) -> tuple[str, ...] | None:
        """Let the person change the plan in their editor; None when that brought no plan."""
        try:
            return Plan.model_validate({"lines": await in_editor("\n".join(lines), ".txt")}).lines
        except (OSError, ValueError, ValidationError) as error:
            self._console.print(clean(f"That could not be used: {str(error).splitlines()[0]}"))
            return None
