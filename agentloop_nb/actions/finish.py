"""The action `finish`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from agentloop_nb._internal.markup import code_span, harmless
from agentloop_nb._internal.safe_files import safe_name
from agentloop_nb.actions.action import Action, ActionResult, Cell, markdown_cell
from agentloop_nb.actions.effects import Effects
from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import OnOutput, Workspace


class Finish(Action):
    """End the run with the answer, or by saying why the goal cannot be met."""

    icon = "🏁"
    title_field = "summary"

    summary: str = Field(min_length=1)
    """What the person reads, Markdown, the answer first."""
    artifacts: tuple[str, ...] = ()
    """Names of the files you made."""
    goal_met: bool = True
    """Whether the goal is met."""

    @model_validator(mode="before")
    @classmethod
    def _null_says_nothing(cls, fields: Any) -> Any:
        """Drop what is null: it is no word about the goal, and only what was said counts as said."""
        if isinstance(fields, dict) and fields.get("goal_met", False) is None:
            return {name: value for name, value in fields.items() if name != "goal_met"}
        return fields

    @field_validator("artifacts", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return () if value is None else value

    @model_serializer(mode="wrap")
    def _only_what_was_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave `goal_met` out where the model did not say it."""
        fields: dict[str, Any] = handler(self)
        return fields if self.says_goal_met is not None else {k: v for k, v in fields.items() if k != "goal_met"}

    @property
    def says_goal_met(self) -> bool | None:
        """What the model itself said; None where it left the default."""
        return self.goal_met if "goal_met" in self.model_fields_set else None

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        """Conclude with those artifacts that are files; the other names are dropped, and told to the person."""
        missing = self.missing(workspace.folder)
        kept = tuple(name for name in self.artifacts if name not in missing)
        return ActionResult(success=True, output=self.summary, effects=Effects(artifacts=kept, dropped=tuple(missing)))

    def missing(self, folder: Path) -> list[str]:
        """Return the artifacts that are no files of the folder."""
        return [name for name in self.artifacts if not is_there(folder, name)]

    def cells(self, result: ActionResult, step: int) -> list[Cell]:
        named = self.artifacts if result.effects.artifacts is None else result.effects.artifacts
        files = "".join(f"\n- {code_span(name)}" for name in named)
        doubts = "".join(f"\n\n*{harmless(doubt)}*" for doubt in result.effects.doubts)
        told = harmless(self.summary) + (f"\n\nFiles:\n{files}" if files else "") + doubts
        return [markdown_cell(told)]


def is_there(folder: Path, name: str) -> bool:
    """Whether a name is that of a file, or a folder, inside the working folder."""
    try:
        return (folder / safe_name(name)).exists()
    except (ActionFailed, OSError, ValueError):
        return False
