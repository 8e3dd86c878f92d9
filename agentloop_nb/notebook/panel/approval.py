"""Asking a person about a decision: by the panel's buttons, by `input()` where those are not served, else by policy."""

from __future__ import annotations

import _thread
import asyncio
import threading
from collections.abc import Callable
from typing import Any, Protocol

from pydantic import ValidationError

from agentloop_nb.actions.action import Action
from agentloop_nb.control import Control
from agentloop_nb.decision import Decision
from agentloop_nb.events import ApprovalAsked, ApprovalGiven
from agentloop_nb.notebook.kernel.drive import bench

NOBODY = (
    "nobody is there to approve: this notebook runs without a person. "
    "Finish with what can be done without approval, or say that `--approve auto` is needed."
)


class Desk(Protocol):
    """Where an approval is asked for: the panel."""

    served: threading.Event
    """Set once a front end's message arrived while the run was going on."""

    def ask(self, step: int, fields: dict[str, str]) -> None:
        """Show buttons for a step; `fields` may be edited."""

    def complain(self, step: int, message: str) -> None:
        """Say why an edit cannot be used."""


class Approval:
    """Turns a person's clicks or words into `ApprovalGiven`. Answers may come from any thread."""

    def __init__(self, desk: Desk, control: Control, *, anybody: Callable[[], bool]) -> None:
        self._desk = desk
        self._control = control
        self._anybody = anybody
        self._answer: asyncio.Future[dict[str, Any]] | None = None
        self._step = 0

    async def __call__(self, asked: ApprovalAsked, decision: Decision) -> ApprovalGiven:
        """Wait for an answer; never wait where none can come."""
        if not self._anybody():
            return ApprovalGiven(step=asked.step, approved=False, reason=NOBODY, by="policy")
        if await self._reachable():
            return await self._by_buttons(asked, decision)
        return await self._by_input(asked, decision)

    async def _reachable(self) -> bool:
        """Whether the panel's messages arrive, known within a second and a half of the first question."""
        for _ in range(30):
            if self._desk.served.is_set():
                return True
            await asyncio.sleep(0.05)
        return False

    async def _by_buttons(self, asked: ApprovalAsked, decision: Decision) -> ApprovalGiven:
        self._step = asked.step
        self._desk.ask(asked.step, editable(decision.action))
        try:
            while True:
                self._answer = asyncio.get_running_loop().create_future()
                answer = await self._answer
                try:
                    return self._given(asked.step, decision, answer)
                except ValidationError as error:
                    self._desk.complain(asked.step, _explain(error))
        finally:
            self._answer = None

    def answer(self, message: dict[str, Any]) -> bool:
        """Take a click in: `{op: approve|rest|reject, n, fields?, reason?}`. False when it comes too late."""
        waiting = self._answer
        if waiting is None or message.get("n") != self._step:
            return False
        waiting.get_loop().call_soon_threadsafe(_settle, waiting, message)
        return True

    def _given(self, step: int, decision: Decision, answer: dict[str, Any]) -> ApprovalGiven:
        if answer["op"] == "reject":
            reason = str(answer.get("reason") or "").strip() or "no reason given"
            return ApprovalGiven(step=step, approved=False, reason=reason)
        edited = _edited(decision, answer.get("fields") or {})
        return ApprovalGiven(step=step, approved=True, edited=edited, rest=answer["op"] == "rest")

    async def _by_input(self, asked: ApprovalAsked, decision: Decision) -> ApprovalGiven:
        """Ask in the cell itself; used where a busy kernel cannot serve the panel's buttons."""
        risks = f" [touches: {', '.join(asked.risks)}]" if asked.risks else ""
        prompt = f"Step {asked.step}: {decision.action.name}{risks} — y yes, a yes to all, or the reason why not: "
        place = bench()
        try:
            words = (
                self._read(prompt)
                if place is None
                else await asyncio.wrap_future(place.submit(lambda: self._read(prompt)))
            )
        except (KeyboardInterrupt, EOFError):
            self._control.stopping = True
            raise asyncio.CancelledError from None
        if words.lower() in ("y", "yes", "a", "all"):
            return ApprovalGiven(step=asked.step, approved=True, rest=words.lower().startswith("a"))
        reason = "" if words.lower() in ("", "n", "no") else words
        return ApprovalGiven(step=asked.step, approved=False, reason=reason or "no reason given")

    def _read(self, prompt: str) -> str:
        """Read a line on the main thread, which is the only one that may; a stop breaks it off."""
        self._control.interrupt = _interrupt_main
        try:
            return input(prompt).strip()
        finally:
            self._control.interrupt = None


def _interrupt_main() -> None:
    if threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt
    _thread.interrupt_main()


def editable(action: Action) -> dict[str, str]:
    """The texts of an action that a person may change before it is carried out."""
    return {name: value for name in type(action).model_fields if isinstance(value := getattr(action, name), str)}


def _edited(decision: Decision, fields: dict[str, Any]) -> Decision | None:
    """The decision with changed texts, or None when nothing differs. Raises `pydantic.ValidationError`."""
    action = decision.action
    changed = {name: fields[name] for name, value in editable(action).items() if fields.get(name, value) != value}
    if not changed:
        return None
    context = {"timeout": getattr(action, "timeout", 30)}
    return Decision(
        reasoning=decision.reasoning,
        action=type(action).model_validate({**action.model_dump(), **changed}, context=context),
    )


def _settle(waiting: asyncio.Future[dict[str, Any]], message: dict[str, Any]) -> None:
    if not waiting.done():
        waiting.set_result(message)


def _explain(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False))
