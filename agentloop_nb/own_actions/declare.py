"""The decorator `action`: a typed function becomes something a run may do."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar, overload

from pydantic import PydanticUserError, create_model

from agentloop_nb.actions import BUILT_IN
from agentloop_nb.actions.own import LIVE, OwnAction
from agentloop_nb.actions.own_names import LONGEST_NAME, is_function_name
from agentloop_nb.errors import UserError
from agentloop_nb.own_actions.parameters import fields_of, schema_of

F = TypeVar("F", bound=Callable[..., Any])
_TAKEN = frozenset(action.name for action in BUILT_IN)
MAX_TOLD = 300
"""Characters of a docstring's first paragraph that a model reads."""


@overload
def action(function: F) -> F: ...


@overload
def action(
    *, reads: str = "", writes: str = "", asks: bool = False, undo: Callable[..., Any] | None = None
) -> Callable[[F], F]: ...


def action(
    function: Any = None,
    *,
    reads: str = "",
    writes: str = "",
    asks: bool = False,
    undo: Callable[..., Any] | None = None,
) -> Any:
    """Let runs call this function. Its docstring and its annotations are what a model is told of it.

    `reads` and `writes` say in a word what it reaches outside the kernel (`web`, `files`, `mail`): then its recorded
    result is exported instead of a call. With `asks` a person is asked before each call. `undo` takes a call back when
    its step is undone: it is called with those arguments of the call that it has parameters for, and with `result`.
    The function itself stays as it is. Raises `UserError`, one line, for what cannot be one.
    """
    for name, value in (("reads", reads), ("writes", writes)):
        if not isinstance(value, str):
            raise UserError(f'@action takes a word for {name}: @action({name}="web"), not {value!r:.60}')
    reaches = " and ".join(filter(None, (reads and f"reads {reads}", writes and f"writes {writes}")))
    if function is None:
        return lambda decorated: action_of(decorated, reaches, undo, asks=asks)
    return action_of(function, reaches, undo, asks=asks)


def action_of(function: F, reaches: str, undo: Callable[..., Any] | None, *, asks: bool) -> F:
    """Declare a function, and return it as it is. Raises `UserError`."""
    model = model_of(function, reaches, undo, asks=asks)
    LIVE[model.name] = model
    return function


def model_of(function: Any, reaches: str, undo: Callable[..., Any] | None, *, asks: bool) -> type[OwnAction]:
    """Return the action that a function is. Raises `UserError`."""
    _check(function)
    if undo is not None:
        _check_undo(function, undo)
    name = function.__name__
    parameters = fields_of(function)
    if clash := next((each for each in parameters if hasattr(OwnAction, each)), ""):
        raise UserError(f"@action has a use of its own for a parameter {clash!r}: rename it in {name}")
    try:
        definitions: dict[str, Any] = dict(parameters)
        model = create_model(name, __base__=OwnAction, __module__=__name__, **definitions)
    except (NameError, PydanticUserError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:150]
        raise UserError(f"@action cannot take {name}: {reason}; rename that parameter or change its type") from None
    model.name, model.function, model.told = name, staticmethod(function), _told(function)
    model.fields, model.awaited = schema_of(parameters), inspect.iscoroutinefunction(function)
    model.reaches, model.asks = reaches, asks
    model.undo = None if undo is None else staticmethod(undo)
    return model


def _check(function: Any) -> None:
    what = getattr(function, "__name__", type(function).__name__)
    if inspect.isclass(function):
        raise UserError(
            f"@action stands before a function, not a class: write def {what.lower()}(...) and decorate that"
        )
    if not isinstance(function, FunctionType):
        raise UserError(f"@action stands before a function written with def; this is of type {type(function).__name__}")
    if "." in function.__qualname__.rpartition("<locals>.")[2]:
        raise UserError(f"@action stands before a function, not a method: move {what} out of its class")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise UserError(f"@action cannot take {what}, which yields: return a list instead")
    if not what.isidentifier() or keyword.iskeyword(what):
        raise UserError("@action needs a function with a name: write def name(...)")
    if what in _TAKEN:
        raise UserError(f"there is an action {what!r} already; rename your function")
    if not is_function_name(what):
        why = (
            "Python has a name like it" if len(what) <= LONGEST_NAME else f"it is longer than {LONGEST_NAME} characters"
        )
        raise UserError(f"@action cannot take the name {what[:60]!r}, because {why}; rename your function")


def _check_undo(function: Any, undo: Any) -> None:
    what = getattr(undo, "__name__", type(undo).__name__)
    if not isinstance(undo, FunctionType) or inspect.iscoroutinefunction(undo):
        raise UserError(f"@action(undo=...) takes a function written with def, not {what}")
    taken = [*inspect.signature(function).parameters, "result"]
    for each in inspect.signature(undo).parameters.values():
        named = each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        if not named or (each.name not in taken and each.default is each.empty):
            unknown = str(each).partition(":")[0]
            raise UserError(f"{what} takes back a call by its arguments: {', '.join(taken)}; it cannot get {unknown}")


def _told(function: Any) -> str:
    paragraph = inspect.cleandoc(function.__doc__ or "").split("\n\n", maxsplit=1)[0]
    return " ".join(paragraph.split())[:MAX_TOLD] or f"Call the user's function {function.__name__}."
