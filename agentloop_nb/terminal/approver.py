"""Asking a person on a terminal: approve, edit, refuse with a reason, or approve the rest."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import ValidationError

from agentloop_nb.actions import Action, RunCode, WriteFile
from agentloop_nb.agent.unanswered import what_then
from agentloop_nb.decision import Decision
from agentloop_nb.events import ApprovalAsked, ApprovalGiven
from agentloop_nb.terminal.terminal_prompt import TerminalPrompt, in_editor

QUESTION = "Carry it out? [y]es, [n]o, [e]dit, yes to [a]ll the rest, or no and a reason: "
CLOSED = "n the terminal was closed"
NOBODY = "nobody is there to approve it (no terminal); run it from a terminal, or with --approve auto"


class TerminalApprover(TerminalPrompt):
    """A `stream.Approver` that reads its answers from standard input, if that is a terminal."""

    async def __call__(self, asked: ApprovalAsked, decision: Decision) -> ApprovalGiven:
        """Ask until the answer is clear; without a terminal refuse at once. Raises `TimeoutError`."""
        if not sys.stdin or not sys.stdin.isatty():
            return ApprovalGiven(step=asked.step, approved=False, by="policy", reason=NOBODY)
        self._before()
        self._console.print(what_then(asked.seconds), end="\n" if asked.seconds else "")
        edited: Decision | None = None
        while True:
            answer = (await self._line(QUESTION, asked.seconds) or CLOSED).strip()
            match answer.lower():
                case "y" | "yes":
                    return ApprovalGiven(step=asked.step, approved=True, edited=edited)
                case "a" | "all":
                    return ApprovalGiven(step=asked.step, approved=True, edited=edited, rest=True)
                case "e" | "edit":
                    edited = await self._edit(edited or decision) or edited
                case "":
                    continue
                case _:
                    return ApprovalGiven(step=asked.step, approved=False, reason=_reason(answer))

    async def _edit(self, decision: Decision) -> Decision | None:
        """Let the person change the action in their editor; None when that brought nothing that can be used."""
        text, suffix = _editable(decision.action)
        try:
            changed = await in_editor(text, suffix)
            action = _rebuilt(decision.action, changed)
        except (OSError, ValueError, ValidationError) as error:
            self._console.print(f"That could not be used: {str(error).splitlines()[0]}")
            return None
        self._console.print(f"Edited:\n{changed}")
        return decision.model_copy(update={"action": action})


def _reason(answer: str) -> str:
    word, _, reason = answer.partition(" ")
    return reason.strip(" :,") if word.lower().strip(":,") in ("n", "no") else answer


def _editable(action: Action) -> tuple[str, str]:
    if isinstance(action, RunCode):
        return action.code, ".py"
    if isinstance(action, WriteFile):
        return action.content, Path(action.filename).suffix or ".txt"
    return json.dumps(action.model_dump(mode="json"), indent=2, ensure_ascii=False), ".json"


def _rebuilt(action: Action, text: str) -> Action:
    fields = action.model_dump(mode="json")
    if isinstance(action, RunCode):
        fields["code"] = text
    elif isinstance(action, WriteFile):
        fields["content"] = text
    else:
        fields = json.loads(text)
    return type(action).model_validate(fields, context={"timeout": fields.get("timeout", 30)})
