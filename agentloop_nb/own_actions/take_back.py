"""Calling the function that takes a call back, when its step is undone."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from typing import Any

from agentloop_nb.actions import ActionResult
from agentloop_nb.actions.output_text import text_of
from agentloop_nb.actions.own import LIVE, OwnAction
from agentloop_nb.actions.table_argument import TableArgument
from agentloop_nb.errors import ActionFailed

_UNKNOWN = object()


def has_undo(action: OwnAction) -> bool:
    """Whether a function is declared here that takes this call back."""
    declared = LIVE.get(action.name)
    return declared is not None and declared.undo is not None


def take_back(action: OwnAction, result: ActionResult, namespace: Mapping[str, Any]) -> str:
    """Take one call back; returns what was called. Raises `ActionFailed` with the reason why it is not taken back."""
    declared = LIVE[action.name]
    wanted = inspect.signature(declared.undo).parameters
    call = inspect.signature(declared.function).bind(**action.arguments)
    call.apply_defaults()
    given = {name: _value(each, namespace) for name, each in call.arguments.items() if name in wanted}
    if "result" in wanted and "result" not in given:
        given["result"] = _returned(action, result, namespace)
    name = str(declared.undo.__name__)
    if given.get("result") is _UNKNOWN:
        raise ActionFailed(f"{name} needs its result, which is not kept")
    try:
        declared.undo(**given)
    except Exception as error:  # noqa: BLE001 - it is the user's own code
        raise ActionFailed(f"{name}: {type(error).__name__}: {error}") from None
    return name


def _value(argument: Any, namespace: Mapping[str, Any]) -> Any:
    """Return an argument as the call had it. Raises `ActionFailed` where its table is gone."""
    if not isinstance(argument, TableArgument):
        return argument
    try:
        return argument.among(namespace)
    except Exception as error:  # noqa: BLE001 - a reader of files may raise anything
        raise ActionFailed(f"{argument} is not there any more ({type(error).__name__}: {error})") from None


def _returned(action: OwnAction, result: ActionResult, namespace: Mapping[str, Any]) -> Any:
    """Return what the function returned: the variable it was bound to, or what was shown of it, if that says it all."""
    if action.into in namespace:
        return namespace[action.into]
    try:
        return ast.literal_eval(text_of(result.outputs).strip().rpartition("\n")[2])
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return _UNKNOWN
