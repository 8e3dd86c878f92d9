"""The action `finish`."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from agentloop_nb._internal.markup import harmless
from agentloop_nb._internal.safe_files import safe_name
from agentloop_nb.actions.action import Action, ActionResult, Cell
from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import OnOutput, Workspace


class Finish(Action):
    """End the run: the goal is met, or cannot be met, and you say which. Name the files you made as artifacts."""

    icon = "🏁"
    title_field = "summary"

    summary: str = Field(min_length=1)
    """What was achieved, for the user, in Markdown: the answer itself first, then where things are."""
    artifacts: tuple[str, ...] = ()
    """Files made for the user, by their names in the working folder."""

    @field_validator("artifacts", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return () if value is None else value

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        missing = [name for name in self.artifacts if not (workspace.folder / safe_name(name)).exists()]
        if missing:
            raise ActionFailed(
                f"no such file: {', '.join(map(repr, missing))}. Make it first, or finish without naming it."
            )
        metadata = {"artifacts": list(self.artifacts)}
        return ActionResult(success=True, output=self.summary, metadata=metadata)

    def cells(self, result: ActionResult, step: int) -> list[Cell]:
        files = "".join(f"\n- `{name}`" for name in self.artifacts)
        return [Cell(cell_type="markdown", source=harmless(self.summary) + (f"\n\nFiles:\n{files}" if files else ""))]
