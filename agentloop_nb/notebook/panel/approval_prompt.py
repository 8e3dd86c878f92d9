"""Asking a person about a decision: by the panel's buttons, by `input()` where those are not served, else by policy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from pydantic import ValidationError

from agentloop_nb.actions.action import Action
from agentloop_nb.agent.control import Control
from agentloop_nb.agent.unanswered import what_then
from agentloop_nb.decision import Decision
from agentloop_nb.events import ApprovalAsked, ApprovalGiven
from agentloop_nb.notebook.panel.person import Click, Desk, reachable, typed, until_of

NOBODY = (
    "nobody is there to approve: this notebook runs without a person. "
    "Finish with what can be done without approval, or say that `--approve auto` is needed."
)


class ApprovalDesk(Desk, Protocol):
    """Where an approval is asked for: the panel."""

    def ask(self, step: int, fields: dict[str, str], until: float = 0) -> None:
        """Show buttons for a step; `fields` may be edited, and the time is over at `until`, unless it is 0."""

    def complain(self, step: int, message: str) -> None:
        """Say why an edit cannot be used."""


class Approval:
    """Turns a person's clicks or words into `ApprovalGiven`. Answers may come from any thread.

    Without a desk, in a run that shows no cards, the question itself tells what would be carried out.
    """

    def __init__(self, desk: ApprovalDesk | None, control: Control, *, anybody: Callable[[], bool]) -> None:
        self._desk = desk
        self._control = control
        self._anybody = anybody
        self._click = Click()
        self._step = 0

    async def __call__(self, asked: ApprovalAsked, decision: Decision) -> ApprovalGiven:
        """Wait for an answer; never wait where none can come. Raises `TimeoutError`."""
        if not self._anybody():
            return ApprovalGiven(step=asked.step, approved=False, reason=NOBODY, by="policy")
        if self._desk is not None and await reachable(self._desk):
            return await self._by_buttons(self._desk, asked, decision)
        return await self._by_input(asked, decision)

    async def _by_buttons(self, desk: ApprovalDesk, asked: ApprovalAsked, decision: Decision) -> ApprovalGiven:
        self._step, clicked = asked.step, self._click.expect()
        desk.ask(asked.step, editable(decision.action), until_of(asked.seconds))
        try:
            async with asyncio.timeout(asked.seconds or None):
                while True:
                    answer = await clicked
                    try:
                        return self._given(asked.step, decision, answer)
                    except ValidationError as error:
                        clicked = self._click.expect()
                        desk.complain(asked.step, _explain(error))
        finally:
            self._click.no_more()

    def answer(self, message: dict[str, Any]) -> bool:
        """Take a click in: `{op: approve|rest|reject, n, fields?, reason?}`. False when it comes too late."""
        return message.get("n") == self._step and self._click.take(message)

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
        words = await typed(prompt, self._control, asked.seconds or None)
        if words is None:
            return ApprovalGiven(step=asked.step, approved=False, reason=NOBODY, by="policy")
        if words.lower() in ("y", "yes", "a", "all"):
            return ApprovalGiven(step=asked.step, approved=True, rest=words.lower().startswith("a"))
        reason = "" if words.lower() in ("", "n", "no") else words
        return ApprovalGiven(step=asked.step, approved=False, reason=reason or "no reason given")


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


def _explain(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False))
