"""Asking a person about a decision: by the panel's buttons, by `input()` where those are not served, else by policy."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from pydantic import ValidationError

from agentloop_nb.actions.action import Action
from agentloop_nb.agent.control import Control
from agentloop_nb.agent.unanswered import what_then
from agentloop_nb.decision import Decision
from agentloop_nb.events import ApprovalAsked, ApprovalGiven
from agentloop_nb.notebook.kernel.runner import read_line

NOBODY = (
    "nobody is there to approve: this notebook runs without a person. "
    "Finish with what can be done without approval, or say that `--approve auto` is needed."
)


class Desk(Protocol):
    """Where an approval is asked for: the panel."""

    served: threading.Event
    """Set once a front end's message arrived while the run was going on."""

    def ask(self, step: int, fields: dict[str, str], until: float = 0) -> None:
        """Show buttons for a step; `fields` may be edited, and the time is over at `until`, unless it is 0."""

    def complain(self, step: int, message: str) -> None:
        """Say why an edit cannot be used."""


class Approval:
    """Turns a person's clicks or words into `ApprovalGiven`. Answers may come from any thread.

    Without a desk, in a run that shows no cards, the question itself tells what would be carried out.
    """

    def __init__(self, desk: Desk | None, control: Control, *, anybody: Callable[[], bool]) -> None:
        self._desk = desk
        self._control = control
        self._anybody = anybody
        self._answer: asyncio.Future[dict[str, Any]] | None = None
        self._step = 0

    async def __call__(self, asked: ApprovalAsked, decision: Decision) -> ApprovalGiven:
        """Wait for an answer; never wait where none can come. Raises `TimeoutError`."""
        if not self._anybody():
            return ApprovalGiven(step=asked.step, approved=False, reason=NOBODY, by="policy")
        if self._desk is not None and await reachable(self._desk):
            return await self._by_buttons(self._desk, asked, decision)
        return await self._by_input(asked, decision)

    async def _by_buttons(self, desk: Desk, asked: ApprovalAsked, decision: Decision) -> ApprovalGiven:
        self._step = asked.step
        desk.ask(asked.step, editable(decision.action), until_of(asked.seconds))
        try:
            async with asyncio.timeout(asked.seconds or None):
                while True:
                    self._answer = asyncio.get_running_loop().create_future()
                    answer = await self._answer
                    try:
                        return self._given(asked.step, decision, answer)
                    except ValidationError as error:
                        desk.complain(asked.step, _explain(error))
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
        if limit := what_then(asked.seconds):
            prompt = f"{limit}\n{prompt}"
        if self._desk is None:
            prompt = "\n".join([*editable(decision.action).values(), "", prompt])
        try:
            words = await read_line(prompt, self._control, seconds=asked.seconds or None)
        except (KeyboardInterrupt, EOFError):
            self._control.stopping = True
            raise asyncio.CancelledError from None
        except NotImplementedError:  # nobody can type here, whatever the panel believed
            return ApprovalGiven(step=asked.step, approved=False, reason=NOBODY, by="policy")
        if words.lower() in ("y", "yes", "a", "all"):
            return ApprovalGiven(step=asked.step, approved=True, rest=words.lower().startswith("a"))
        reason = "" if words.lower() in ("", "n", "no") else words
        return ApprovalGiven(step=asked.step, approved=False, reason=reason or "no reason given")


def until_of(seconds: float) -> float:
    """When a wait that begins now is over, in seconds since the epoch; 0 for one without end."""
    return time.time() + seconds if seconds else 0.0


async def reachable(desk: Desk) -> bool:
    """Whether the panel's messages arrive, known within a second and a half of the first question."""
    for _ in range(30):
        if desk.served.is_set():
            return True
        await asyncio.sleep(0.05)
    return False


def editable(action: Action) -> dict[str, str]:
    """Return the texts of an action that a person may change before it is carried out."""
    return {name: value for name in type(action).model_fields if isinstance(value := getattr(action, name), str)}


def _edited(decision: Decision, fields: dict[str, Any]) -> Decision | None:
    """Return the decision with changed texts, or None when nothing differs. Raises `pydantic.ValidationError`."""
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
