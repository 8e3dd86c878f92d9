"""The action `run_code`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue, ValidationInfo, model_validator

from agentloop_nb.actions.action import DEFAULT_TIMEOUT, MAX_TIMEOUT, Action, ActionResult, Cell, clamp, timeout_bounds
from agentloop_nb.actions.effects import Effects
from agentloop_nb.actions.hints import hint
from agentloop_nb.actions.output_text import bounded, describe_change, text_of
from agentloop_nb.actions.withhold import withhold
from agentloop_nb.protocols import CodeOutcome, OnOutput, Workspace

TIMEOUTS: list[JsonValue] = [30, 60, 120, MAX_TIMEOUT]
"""Seconds that a strict schema lets a model choose from; none so short that an import cannot be done in it."""


class RunCode(Action):
    """Run Python in the person's live IPython kernel, in their folder. Variables persist; what is printed, the
    last expression and figures are shown; magics, ! lines and top-level await work.
    """

    icon = "🐍"
    title_field = "code"

    code: str = Field(min_length=1)
    """One cell."""
    timeout: int = Field(DEFAULT_TIMEOUT, ge=1, json_schema_extra={"maximum": MAX_TIMEOUT, "choices": TIMEOUTS})
    """Seconds."""

    @model_validator(mode="before")
    @classmethod
    def _bound_timeout(cls, fields: Any, info: ValidationInfo) -> Any:
        """Have the default and the ceiling follow the user's `--timeout`."""
        default, ceiling = timeout_bounds(info)
        asked = fields.get("timeout")
        return fields | {"timeout": default if asked is None else clamp(1, ceiling, asked)}

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        outcome = await workspace.run_code(self.code, step=step, timeout=self.timeout, on_output=on_output)
        told = outcome if workspace.privacy == "full" else withhold(outcome, workspace.privacy, self.code)
        return ActionResult(
            success=outcome.ending == "ok",
            output=self._tell(told),
            error=self._error(told),
            effects=_effects(outcome, self._hint(told, workspace.folder)),
            outputs=outcome.outputs,
            changes=outcome.changes,
            stopped=outcome.ending == "stopped",
        )

    def _hint(self, told: CodeOutcome, folder: Path) -> str:
        if told.ending == "timeout":
            return "Do less at a time, or ask for a longer timeout."
        return hint(told.error, folder) if told.error and told.ending == "error" else ""

    def _error(self, outcome: CodeOutcome) -> str | None:
        if outcome.ending == "timeout":
            return f"TimeoutError: stopped after {self.timeout} s"
        if outcome.ending == "stopped":
            return "stopped by the user"
        return f"{outcome.error.type}: {outcome.error.message}" if outcome.error else None

    def _tell(self, outcome: CodeOutcome) -> str:
        """Say what happened in the order it happened: output, then the error, then what changed."""
        parts = [bounded(text_of(outcome.outputs))]
        parts += [f"Drawn: {each}" for each in outcome.drawn]
        if outcome.ending == "timeout":
            parts.append(f"Stopped after {self.timeout} s (its limit); what was printed before is above.")
        elif outcome.ending == "stopped":
            parts.append("The user stopped this step.")
        elif outcome.error:
            parts.append(bounded(outcome.error.traceback))
        if outcome.changes:
            parts.append("Variables: " + "; ".join(map(describe_change, outcome.changes)))
        if outcome.files:
            parts.append("Files written: " + ", ".join(outcome.files))
        parts += outcome.notes
        return "\n".join(part for part in parts if part) or "Done; nothing was printed."

    def cells(self, result: ActionResult, step: int) -> list[Cell]:
        tags = () if result.success else ("raises-exception",)
        missing = result.effects.not_kept
        why = f"the record was full, and {missing:,} characters of its outputs were not kept" if missing else ""
        return [Cell(cell_type="code", source=self.code.strip("\n"), outputs=result.outputs, tags=tags, unchecked=why)]


def _effects(outcome: CodeOutcome, hint: str) -> Effects:
    return Effects(
        error=outcome.error,
        files_written=outcome.files,
        files_read=outcome.read,
        replaced=outcome.replaced,
        external=outcome.beyond,
        notes=outcome.notes,
        hint=hint,
    )
