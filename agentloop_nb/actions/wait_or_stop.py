"""What a model may decide while its code runs: to wait for it, or to stop it. Neither is a step."""

from __future__ import annotations

from typing import Any

from pydantic import Field, JsonValue, field_validator

from agentloop_nb.actions.action import Action, ActionResult, clamp
from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import OnOutput, Workspace

LONGEST = 300
"""Seconds of one wait."""
_CHOICES: list[JsonValue] = [30, 60, 120, LONGEST]


class Wait(Action):
    """Let the running code go on, and look at it again after some seconds."""

    icon = "⏳"
    title_field = "seconds"

    seconds: int = Field(60, ge=1, json_schema_extra={"maximum": LONGEST, "choices": _CHOICES})
    """Seconds."""

    @field_validator("seconds", mode="before")
    @classmethod
    def _bounded(cls, value: Any) -> Any:
        return 60 if value is None else clamp(1, LONGEST, value)

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        raise ActionFailed("a wait is no step")


class Stop(Action):
    """Stop the running code."""

    icon = "✋"
    title_field = "name"

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        raise ActionFailed("a stop is no step")


WHILE_IT_RUNS: tuple[type[Action], ...] = (Wait, Stop)
