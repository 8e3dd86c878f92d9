"""The plan of a run: decided like an action, and no step."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import Field, field_validator

from agentloop_nb.actions.action import Action, ActionResult
from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import OnOutput, Workspace

MOST_LINES = 12
LONGEST_LINE = 240
"""Characters of a line that are kept."""
_NUMBER = re.compile(r"^\s*(?:\d{1,2}[.):]|[-*•])\s+")


class Plan(Action):
    """Say what you will do: what is read, what is made, how it is checked. Again only if the plan has to change."""

    icon = "🗺️"
    title_field = "first_line"

    lines: tuple[str, ...] = Field(min_length=1, max_length=MOST_LINES)
    """At most 12, a sentence each."""

    @field_validator("lines", mode="before")
    @classmethod
    def _without_numbers(cls, value: Any) -> Any:
        """Take lines that are one text apart, and their own numbers off them."""
        lines = value.splitlines() if isinstance(value, str) else value
        if not isinstance(lines, list | tuple):
            return lines
        plain = (" ".join(_NUMBER.sub("", str(line)).split()) for line in lines)
        return tuple(line[:LONGEST_LINE] for line in plain if line)

    @property
    def first_line(self) -> str:
        return self.lines[0]

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        raise ActionFailed("a plan is no step")


def numbered(lines: tuple[str, ...], current: int = 0) -> str:
    """Return a plan as text; an arrow stands at the line that is worked on."""
    marks = ("→ " if number == current else "" for number in range(1, len(lines) + 1))
    return "\n".join(f"{mark}{number}. {line}" for number, (mark, line) in enumerate(zip(marks, lines, strict=True), 1))


def as_reply(reasoning: str, lines: tuple[str, ...]) -> str:
    """Return a plan as the model would write it."""
    action = {"name": Plan.name, "lines": list(lines)}
    return json.dumps({"reasoning": reasoning, "action": action}, ensure_ascii=False)
