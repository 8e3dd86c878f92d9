"""What every action is: a strict schema, the docstring a model reads, `perform`, and the cells that replay it."""

from __future__ import annotations

import contextlib
import inspect
import keyword
import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from agentloop_nb._internal.real_numbers import is_real
from agentloop_nb.actions.effects import NO_EFFECTS, Effects
from agentloop_nb.protocols import Change, OnOutput, Output, Value, Workspace

DEFAULT_TIMEOUT = 30
"""Seconds a code step may take when nobody said otherwise."""
MAX_TIMEOUT = 300
"""Seconds a model may ask for, unless the user's own default is larger."""
LONGEST_AGAIN = 86_400
"""Seconds that code of a record may run again at most."""


class ActionResult(Value):
    """What an action brought, and the text the model was told of it."""

    model_config = ConfigDict(populate_by_name=True)

    success: bool
    output: str
    """The text the model was told."""
    error: str | None = None
    """Type and message of what went wrong, one line."""
    effects: Effects = Field(NO_EFFECTS, alias="metadata")
    outputs: tuple[Output, ...] = ()
    """Cell outputs, for the card and the export."""
    changes: tuple[Change, ...] = ()
    stopped: bool = False
    """The user stopped it half-way."""

    @property
    def metadata(self) -> dict[str, Any]:
        """The effects as JSON values, under the names that the record has for them."""
        return self.effects.model_dump(mode="json")

    def with_effects(self, **effects: Any) -> ActionResult:
        """Copy it with some of its effects replaced."""
        return self.model_copy(update={"effects": self.effects.model_copy(update=effects)})

    @model_serializer(mode="wrap")
    def _recorded(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"metadata" if name == "effects" else name: value for name, value in handler(self).items()}


class Cell(Value):
    """A cell of an exported notebook."""

    cell_type: Literal["code", "markdown"]
    source: str
    outputs: tuple[Output, ...] = ()
    tags: tuple[str, ...] = ()
    unchecked: str = ""
    """Why its outputs cannot be compared with those of another run; empty where they can."""


def markdown_cell(source: str) -> Cell:
    """Return a cell of prose."""
    return Cell(cell_type="markdown", source=source)


class Action(BaseModel):
    """Base of all actions. The fields are the schema; the first paragraph of the docstring is what a model reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    name: ClassVar[str]
    icon: ClassVar[str]
    title_field: ClassVar[str]
    origin: ClassVar[str] = "built in"
    """Where it comes from."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def description(cls) -> str:
        """Return the sentence a model reads about this action."""
        return " ".join(inspect.cleandoc(cls.__doc__ or "").split("\n\n", maxsplit=1)[0].split())

    @classmethod
    def unavailable(cls) -> str:
        """Say why it cannot be offered here; empty where it can."""
        return ""

    def parts(self) -> tuple[Action, ...]:
        """Return the actions inside a composite one; any other is its own only part."""
        return (self,)

    def outcomes(self, result: ActionResult) -> tuple[tuple[Action, ActionResult], ...]:
        """Each part with what it brought."""
        return ((self, result),)

    @property
    def title(self) -> str:
        """One line that tells this action from another, for a card."""
        return next((line.strip() for line in str(getattr(self, self.title_field)).splitlines() if line.strip()), "")

    @abstractmethod
    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        """Carry the action out, once. Raises `ActionFailed` with a reason for the model."""

    def cells(self, result: ActionResult, step: int) -> list[Cell]:
        """Return the notebook cells that replay this action, without a model and without the network."""
        return []


class TimedAction(Action):
    """Base of actions that run code of ours: the user's `--timeout` bounds it, and a model is not asked."""

    _timeout: int = PrivateAttr(DEFAULT_TIMEOUT)

    @model_validator(mode="after")
    def _users_timeout(self, info: ValidationInfo) -> Self:
        self._timeout = timeout_bounds(info)[0]
        return self


_FORMATS = {"date": "date YYYY-MM-DD", "date-time": "date and time YYYY-MM-DDTHH:MM:SS"}
"""How strings of a form of their own are told: not every server takes the `format` of a schema."""


def kind_in_words(field: Mapping[str, Any]) -> str:
    """Tell the type of a field to a model."""
    if "enum" in field:
        return f"one of {', '.join(map(str, field['enum']))}"
    if "anyOf" in field:
        return " or ".join(map(kind_in_words, field["anyOf"]))
    if field["type"] == "object":
        return f"object of {', '.join(_member_in_words(name, each) for name, each in field['properties'].items())}"
    if field["type"] != "array":
        return _FORMATS.get(field.get("format", ""), str(field["type"]))
    if "$ref" in field["items"]:
        return "list of objects"
    member = kind_in_words(field["items"])
    return f"list of {member}s" if member.isalpha() else f"list, each {member}"


def _member_in_words(name: str, field: Mapping[str, Any]) -> str:
    default = f", default {field['default']}" if "default" in field else ""
    return f"{name} ({kind_in_words(field)}{default})"


def clamp(low: int, high: int, value: Any) -> Any:
    """Pull a number into its bounds, also one in quotes; anything but a number is left for the schema to reject."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value)
    if is_real(value):
        return int(min(max(value, low), high))
    return value


def null_as_empty(value: Any) -> Any:
    """Understand null for an optional name, also where it was written as a word."""
    return "" if value is None or value == "null" else value


def variable_name(value: str) -> str:
    """Check the name of a variable, which may be left out. Raises `ValueError`."""
    if value and (not value.isidentifier() or keyword.iskeyword(value)):
        raise ValueError(f"{value[:60]!r} is no name of a variable")
    return value


def result_name(value: str) -> str:
    """Check the name of a variable that a person goes on with: it is there, and it is not private."""
    if not value or value.startswith("_"):
        raise ValueError(f"{value[:60]!r} is no name of a variable")
    return variable_name(value)


def timeout_bounds(info: ValidationInfo) -> tuple[int, int]:
    """Return default and ceiling of a code step in seconds: the user's `--timeout`, passed as validation context."""
    told = info.context or {}
    default = int(told.get("timeout", DEFAULT_TIMEOUT))
    return default, max(LONGEST_AGAIN if told.get("again") else MAX_TIMEOUT, default)
