"""The action `use_tool`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import Field, field_validator

from agentloop_nb._internal.markup import code_span, fenced, harmless
from agentloop_nb.actions.action import (
    ActionResult,
    Cell,
    TimedAction,
    null_as_empty,
    variable_name,
)
from agentloop_nb.actions.effects import Effects
from agentloop_nb.actions.output_text import bounded
from agentloop_nb.actions.tool_value import binding, is_json, kind_of, parsed, value_of
from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import Change, Equipped, OnOutput, Output, Privacy, ToolAnswer, Workspace

SHOWN = 4000
"""Characters of an answer that a model is told; a variable and the record have the whole."""
QUOTED = 2000
"""Characters of an answer that an export quotes."""
_NULL: dict[str, Any] = {"default": "null"}
_DESCRIBE = "?"


class UseTool(TimedAction):
    """Call one of the tools of connected servers that are listed above; its answer is data."""

    icon = "🔌"
    title_field = "tool"

    tool: str = Field(min_length=1)
    """Its name as listed."""
    arguments: str = "{}"
    """A JSON object as text; "?" tells the tool's schema."""
    save_as: str = Field("", json_schema_extra=_NULL)
    """Name for the answer."""

    @field_validator("arguments", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return json.dumps(value, ensure_ascii=False)
        return "{}" if value is None or value == "" else value

    @field_validator("arguments")
    @classmethod
    def _is_object(cls, value: str) -> str:
        if value.strip() == _DESCRIBE:
            return _DESCRIBE
        if isinstance(parsed(value), dict):
            return value
        raise ValueError(f'{value[:60]!r} is no JSON object, which is written {{"name": value}}')

    _null_is_none = field_validator("save_as", mode="before")(null_as_empty)
    _is_name = field_validator("save_as")(variable_name)

    @property
    def given(self) -> dict[str, Any]:
        """The arguments, as values."""
        return {} if self.describes else dict(json.loads(self.arguments))

    @property
    def texts(self) -> Iterator[tuple[str, str]]:
        """All texts in the arguments, with the parameter each is given for."""
        rest = list(self.given.items())
        while rest:
            name, value = rest.pop(0)
            if isinstance(value, str):
                yield name, value
            elif isinstance(value, dict):
                rest += [(name, each) for pair in value.items() for each in pair]
            elif isinstance(value, list):
                rest += [(name, each) for each in value]

    @property
    def describes(self) -> bool:
        """Whether it only asks for the schema of a tool."""
        return self.arguments == _DESCRIBE

    @property
    def title(self) -> str:
        """The call, on one line."""
        told = " ".join(self.arguments.split())
        return f"{self.tool} {told if len(told) <= 120 else told[:119] + '…'}"

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        tools = workspace.tools if isinstance(workspace, Equipped) else None
        if tools is None:
            raise ActionFailed("no server is connected, so there are no tools: go on without them")
        answer = await tools.call(self.tool, self.arguments, self._timeout)
        return await self.deliver(answer, workspace, step=step, on_output=on_output)

    async def deliver(
        self, answer: ToolAnswer, workspace: Workspace, *, step: int, on_output: OnOutput
    ) -> ActionResult:
        """Show an answer, and bind it to its name. Raises `ActionFailed`."""
        outputs = tuple(map(_figure, answer.images))
        for output in outputs:
            on_output(output)
        changes, bound = await self._bind(answer, workspace, step)
        limit = SHOWN if bound else 2 * SHOWN
        told = "\n".join(filter(None, [_told(answer, workspace.privacy, limit), bound]))
        error = f"the tool {self.tool[:80]} answered with an error" if answer.failed else None
        effects = Effects(tool=answer)
        return ActionResult(
            success=not answer.failed, output=told, error=error, effects=effects, outputs=outputs, changes=changes
        )

    async def _bind(self, answer: ToolAnswer, workspace: Workspace, step: int) -> tuple[tuple[Change, ...], str]:
        """Give the answer its name, in a step of its own code; returns what changed, and what to say of it."""
        if not self.save_as or answer.failed or self.describes:
            return (), ""
        code = binding(self.save_as, value_of(answer))
        outcome = await workspace.run_code(code, step=step, timeout=self._timeout, on_output=lambda _: None)
        if outcome.ending != "ok":
            why = f"{outcome.error.type}: {outcome.error.message}" if outcome.error else outcome.ending
            raise ActionFailed(f"the answer came, but could not be saved as {self.save_as} ({why})")
        kind = "" if workspace.privacy == "none" else f": {kind_of(value_of(answer))}"
        return outcome.changes, f"Saved as {self.save_as}{kind}."

    def cells(self, result: ActionResult, step: int) -> list[Cell]:
        answer = result.effects.tool
        if answer is None:
            told = f"Called the tool {code_span(self.title)}: *{harmless(str(result.error))}*"
            return [Cell(cell_type="markdown", source=told)]
        how = "answered with an error" if answer.failed else "answered then; it is not called again"
        pictures = f"\n\n*With {len(answer.images)} picture(s).*" if answer.images else ""
        quoted = fenced(bounded(answer.text, QUOTED), "json" if is_json(answer.text) else "text")
        head = f"The tool {code_span(self.title)} {how}:\n\n{quoted}{pictures}"
        cells = [Cell(cell_type="markdown", source=head)]
        if self.save_as and result.success and not self.describes:
            cells.append(Cell(cell_type="code", source=binding(self.save_as, value_of(answer))))
        return cells


def _told(answer: ToolAnswer, privacy: Privacy, limit: int) -> str:
    """Return what a model may see of an answer: all, its structure, or that there is one."""
    pictures = f"[{len(answer.images)} picture(s)]" if answer.images else ""
    if privacy == "full":
        return "\n".join(filter(None, [bounded(answer.text, limit), pictures])) or "(an empty answer)"
    structure = f" ({kind_of(value_of(answer))})" if privacy == "schema" else ""
    return f"It answered{structure}; the answer is withheld (--privacy {privacy}) and shown to the user."


def _figure(image: Any) -> Output:
    data = {image.media_type: image.base64, "text/plain": "[a picture of a tool]"}
    return {"output_type": "display_data", "data": data, "metadata": {}}
