"""Actions that are functions of the user's: what all of them share, those of this process, and those of a record."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from pydantic import ConfigDict, field_validator, model_validator

from agentloop_nb._internal.markup import code_span, harmless
from agentloop_nb.actions.action import (
    ActionResult,
    Cell,
    TimedAction,
    markdown_cell,
    null_as_empty,
    variable_name,
)
from agentloop_nb.actions.effects import OwnCall
from agentloop_nb.actions.output_text import text_of
from agentloop_nb.actions.own_answers import is_plain, only_value, plain_value
from agentloop_nb.actions.own_calls import is_call
from agentloop_nb.actions.own_names import is_function_name, is_parameter_name
from agentloop_nb.actions.own_values import texts, without_nulls, written
from agentloop_nb.actions.run_code import RunCode
from agentloop_nb.actions.table_argument import TableArgument
from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import OnOutput, Workspace

LIVE: dict[str, type[OwnAction]] = {}
"""The functions that were declared in this process, by name."""
_INTO = {"type": "string", "description": "Name for the result.", "default": "null"}


class OwnAction(TimedAction):
    """A function of the user's, called in the kernel like a line of code."""

    icon = "🧩"
    title_field = "into"
    origin = "your function"
    function: ClassVar[Any] = None
    told: ClassVar[str] = ""
    """What a model reads about it."""
    fields: ClassVar[dict[str, Any]] = {}
    """The schema of its parameters, by name; one with a default has it."""
    awaited: ClassVar[bool] = False
    reaches: ClassVar[str] = ""
    """What it reads or writes outside the kernel, by its own word; then its recorded result is exported, no call."""
    asks: ClassVar[bool] = False
    """A person is asked before each call."""
    learned_source: ClassVar[str] = ""
    """The file that declares it, where it was learned in an earlier run."""
    undo: ClassVar[Any] = None
    """The function that takes a call back, if there is one."""

    into: str = ""

    @model_validator(mode="before")
    @classmethod
    def _null_is_default(cls, fields: Any) -> Any:
        told = {"properties": {**cls.fields, "into": _INTO}}
        return without_nulls(fields, told)

    _null_is_none = field_validator("into", mode="before")(null_as_empty)
    _is_name = field_validator("into")(variable_name)

    @model_validator(mode="after")
    def _are_parameters(self) -> OwnAction:
        """Reject a parameter that is no name: a record may be anybody's."""
        if wrong := next((each for each in self.model_extra or () if not is_parameter_name(each)), None):
            raise ValueError(f"{wrong[:60]!r} is no name of a parameter")
        return self

    @classmethod
    def declared_effects(cls) -> str:
        """Return what its declaration says it does, in a few words; empty where it says nothing."""
        undone = f"undo by {cls.undo.__name__}" if cls.undo is not None else ""
        asked = "asks before each call" if cls.asks else ""
        return ", ".join(filter(None, (cls.reaches, asked, undone)))

    @classmethod
    def description(cls) -> str:
        """Return the sentence a model reads about this action."""
        return cls.told

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        """Return the schema in the few words that every server takes."""
        required = [name for name, field in cls.fields.items() if "default" not in field]
        return {"properties": {**cls.fields, "into": _INTO}, "required": required}

    @property
    def arguments(self) -> dict[str, Any]:
        """What the function is called with."""
        names = (name for name in type(self).model_fields if name in self.model_fields_set and name != "into")
        return {**{name: getattr(self, name) for name in names}, **(self.model_extra or {})}

    @property
    def call(self) -> str:
        """The line that calls it."""
        told = ", ".join(f"{name}={written(value, self._names)}" for name, value in self.arguments.items())
        return f"{'await ' if self.awaited else ''}{self.name}({told})"

    @property
    def _names(self) -> Mapping[str, Any]:
        """The namespace of the calling line, where the function was defined there."""
        there: Mapping[str, Any] = getattr(self.function, "__globals__", {})
        return there if there.get("__name__") == "__main__" else {}

    @property
    def title(self) -> str:
        """The call, on one line."""
        return self.call

    @property
    def code(self) -> str:
        """What a step runs."""
        return f"{self.into} = {self.call}\n{self.into}" if self.into else self.call

    @property
    def declared(self) -> type[OwnAction]:
        """The function as it is declared here now; a record may have been read before its cell ran."""
        return LIVE.get(self.name, type(self)) if self.function is None else type(self)

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        if self.function is None and self.name in LIVE:  # it was read from a record before its cell ran
            now = LIVE[self.name].model_validate(
                self.model_dump(exclude_unset=True), context={"timeout": self._timeout}
            )
            return await now.perform(workspace, step=step, on_output=on_output)
        if self.into == self.name:
            raise ActionFailed(
                f"into cannot be {self.name}, which is the function itself: give the result another name"
            )
        running = RunCode(code=self.code, timeout=self._timeout)
        result = await running.perform(workspace, step=step, on_output=on_output)
        if not result.success and (told := self._wrong_tables(workspace)):
            result = result.model_copy(update={"output": f"{result.output}\n{told}"})
        kept = plain_value(result.outputs) if self.reaches else ""
        return result.with_effects(own=OwnCall(code=self.code, reaches=self.reaches, kept=kept))

    def is_kept(self, before: ActionResult) -> bool:
        """Whether this reached outside, so that what it brought is taken from the record."""
        return bool(before.effects.own and before.effects.own.reaches)

    def is_lost(self, before: ActionResult) -> bool:
        """Whether this reached outside, and its record does not hold what it bound."""
        return self.is_kept(before) and bool(self.into) and not is_plain(self._called(before).kept)

    async def again(
        self, workspace: Workspace, before: ActionResult, *, step: int, on_output: OnOutput
    ) -> ActionResult:
        """Bind and show what it brought then; it is not called. Raises `ActionFailed` where that is not known."""
        own = self._called(before)
        told = before.with_effects(own=own.model_copy(update={"from_record": True}))
        if not before.success or not self.into:
            return told
        if self.is_lost(before):
            raise ActionFailed(f"what {self.call} brought is no plain value, so no record holds it")
        running = RunCode(code=f"{self.into} = {own.kept}\n{self.into}", timeout=self._timeout)
        result = await running.perform(workspace, step=step, on_output=on_output)
        return result.with_effects(own=told.effects.own)

    def _wrong_tables(self, workspace: Workspace) -> str:
        """Say which variables are no tables of the kind that the function takes."""
        wanted = [each for each in texts(self.arguments) if isinstance(each, TableArgument) and not each.is_file]
        there = workspace.variables(wanted) if wanted else {}
        wrong = [each for each in wanted if each in there and not each.fits(there[each])]
        return "\n".join(f"{each} is a {type(there[each]).__name__}, not a {each.kind}." for each in wrong)

    def _called(self, result: ActionResult) -> OwnCall:
        """Return what was called, as the record has it where that is this call and nothing else."""
        own = result.effects.own or OwnCall(code=self.code)
        same = own.code == self.code or is_call(own.code, self.name, self.model_dump(mode="json", exclude_unset=True))
        return own if same else own.model_copy(update={"code": self.code})

    def cells(self, result: ActionResult, step: int) -> list[Cell]:
        own = self._called(result)
        if not result.success:
            return [markdown_cell(f"Called {code_span(self.call)}: *{harmless(str(result.error))}*")]
        if not own.reaches:
            return [Cell(cell_type="code", source=own.code, outputs=result.outputs)]
        if self.into and is_plain(own.kept):
            source = f"# what {self.call} brought then; it is not called again\n{self.into} = {own.kept}\n{self.into}"
            return [Cell(cell_type="code", source=source, outputs=only_value(result.outputs))]
        quoted = "\n".join(f"> {line}".rstrip() for line in harmless(text_of(result.outputs)).splitlines())
        return [markdown_cell(f"Called {code_span(self.call)}, which {own.reaches}; what it brought then:\n\n{quoted}")]


@cache
def stand_in(name: str) -> type[OwnAction]:
    """Return an action for a function that a record names and that is not declared in this process.

    Raises `ValueError` for what cannot be the name of one.
    """
    if not is_function_name(name):
        raise ValueError(f"{name[:60]!r} is no name of a function")

    class Recorded(OwnAction):
        model_config = ConfigDict(extra="allow")

    Recorded.name = name
    return Recorded


def known(name: str) -> type[OwnAction]:
    """Return the action of a function by its name, declared here or not."""
    return LIVE.get(name) or stand_in(name)


def recalled(name: str, told: str, fields: Mapping[str, Any]) -> type[OwnAction]:
    """Return an action as a record describes it, for what a model was told then."""

    class Recalled(OwnAction):
        model_config = ConfigDict(extra="allow")

    Recalled.name, Recalled.told, Recalled.fields = name, told, dict(fields)
    return Recalled
