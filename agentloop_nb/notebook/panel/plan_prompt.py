"""Showing a plan to a person: on its card, by `input()` where the panel is not served, or to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from pydantic import ValidationError

from agentloop_nb._internal.text import clean
from agentloop_nb.actions import Plan
from agentloop_nb.actions.plan import MOST_LINES, numbered
from agentloop_nb.agent.control import Control
from agentloop_nb.agent.planning import edited, understood, unseen
from agentloop_nb.agent.unanswered import what_then
from agentloop_nb.events import PlanMade, PlanSettled
from agentloop_nb.notebook.panel.person import Click, Desk, reachable, typed, until_of

ASK = "g go, e 2 TEXT changes a line, or the reason why not: "


class PlanDesk(Desk, Protocol):
    """Where a plan is shown: the panel."""

    def put_plan(self, plan: dict[str, Any]) -> None:
        """Show a plan with its buttons."""


class PlanPrompt:
    """Turns a person's click or words into `PlanSettled`. Messages may come from any thread."""

    def __init__(self, desk: PlanDesk, control: Control, *, anybody: Callable[[], bool]) -> None:
        self._desk = desk
        self._control = control
        self._anybody = anybody
        self._click = Click()

    async def __call__(self, made: PlanMade) -> PlanSettled:
        """Wait for a verdict; where none can come, the plan stands. Raises `TimeoutError`."""
        if not self._anybody():
            return unseen(made)
        if await reachable(self._desk):
            return await self._on_card(made)
        return await self._by_input(made)

    async def _on_card(self, made: PlanMade) -> PlanSettled:
        complaint, until = "", until_of(made.seconds)
        try:
            async with asyncio.timeout(made.seconds or None):
                while True:
                    clicked = self._click.expect()
                    self._desk.put_plan({"lines": made.lines, "complaint": complaint, "until": until})
                    message = await clicked
                    try:
                        return _settled(made, message)
                    except ValidationError:
                        complaint = f"A plan has 1 to {MOST_LINES} lines."
        finally:
            self._click.no_more()

    def answer(self, message: dict[str, Any]) -> bool:
        """Take a click in: `{op: plan, go, text | reason}`. False when it comes too late."""
        return self._click.take(message)

    async def _by_input(self, made: PlanMade) -> PlanSettled:
        """Ask in the cell itself, where a busy kernel cannot serve the panel."""
        lines = made.lines
        while True:
            shown = clean("\n".join(filter(None, ["Plan:", numbered(lines), made.forecast, what_then(made.seconds)])))
            words = await typed(f"{shown}\n{ASK}", self._control, made.seconds or None)
            if words is None:
                return unseen(made)
            answer = understood(words, made, lines)
            if isinstance(answer, PlanSettled):
                return answer
            lines = answer or lines


def _settled(made: PlanMade, message: dict[str, Any]) -> PlanSettled:
    if not message.get("go"):
        return PlanSettled(step=made.step, approved=False, reason=str(message.get("reason") or "").strip())
    text = message.get("text")
    lines = made.lines if text is None else Plan.model_validate({"lines": str(text)}).lines
    return PlanSettled(step=made.step, approved=True, lines=edited(made, lines))
