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
from agentloop_nb.notebook.kernel.runner import read_line
from agentloop_nb.notebook.panel.approval_prompt import Desk, reachable, until_of

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
        self._waiting: asyncio.Future[dict[str, Any]] | None = None

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
                    self._waiting = asyncio.get_running_loop().create_future()
                    self._desk.put_plan({"lines": made.lines, "complaint": complaint, "until": until})
                    message = await self._waiting
                    try:
                        return _settled(made, message)
                    except ValidationError:
                        complaint = f"A plan has 1 to {MOST_LINES} lines."
        finally:
            self._waiting = None

    def answer(self, message: dict[str, Any]) -> bool:
        """Take a click in: `{op: plan, go, text | reason}`. False when it comes too late."""
        waiting = self._waiting
        if waiting is None or waiting.done():
            return False
        waiting.get_loop().call_soon_threadsafe(_settle, waiting, message)
        return True

    async def _by_input(self, made: PlanMade) -> PlanSettled:
        """Ask in the cell itself, where a busy kernel cannot serve the panel."""
        lines = made.lines
        while True:
            shown = clean("\n".join(filter(None, ["Plan:", numbered(lines), made.forecast, what_then(made.seconds)])))
            try:
                words = await read_line(f"{shown}\n{ASK}", self._control, seconds=made.seconds or None)
                answer = understood(words, made, lines)
            except (KeyboardInterrupt, EOFError):
                self._control.stopping = True
                raise asyncio.CancelledError from None
            except NotImplementedError:  # nobody can type here, whatever the panel believed
                return unseen(made)
            if isinstance(answer, PlanSettled):
                return answer
            lines = answer or lines


def _settled(made: PlanMade, message: dict[str, Any]) -> PlanSettled:
    if not message.get("go"):
        return PlanSettled(step=made.step, approved=False, reason=str(message.get("reason") or "").strip())
    text = message.get("text")
    lines = made.lines if text is None else Plan.model_validate({"lines": str(text)}).lines
    return PlanSettled(step=made.step, approved=True, lines=edited(made, lines))


def _settle(waiting: asyncio.Future[dict[str, Any]], message: dict[str, Any]) -> None:
    if not waiting.done():
        waiting.set_result(message)
