"""The actions of one run: which there are, which are offered, and how the record says so."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import model_validator

from agentloop_nb.actions import ACTIONS, BUILT_IN
from agentloop_nb.actions.action import Action, kind_in_words
from agentloop_nb.actions.own import LIVE, OwnAction, recalled
from agentloop_nb.actions.own_names import is_function_name
from agentloop_nb.errors import UserError
from agentloop_nb.protocols import Value

Actions = tuple[type[Action], ...]
BUILT_IN_BY_NAME: dict[str, type[Action]] = {action.name: action for action in BUILT_IN}


class ActionRecord(Value):
    """An action a run may take, as its record names it."""

    name: str
    origin: str
    """Where it comes from: `built in`."""
    sha256: str
    """Of its description and schema, in hexadecimal."""
    told: str = ""
    """What a model reads about it, where that is not in this package."""
    fields: dict[str, Any] = {}
    """The schema of its parameters, where that is not in this package."""

    @model_validator(mode="after")
    def _can_be_told(self) -> ActionRecord:
        """Reject a function without a name or types: a record may be anybody's."""
        if (self.told or self.fields) and not is_function_name(self.name):
            raise ValueError(f"{self.name[:60]!r} is no name of a function")
        for name, field in self.fields.items():
            try:
                kind_in_words(field)
            except (AttributeError, KeyError, TypeError, RecursionError):
                raise ValueError(f"{name[:60]!r} is no parameter with a type") from None
        return self


@lru_cache(maxsize=256)
def record_of(action: type[Action]) -> ActionRecord:
    """Name an action, with the hash of what a model is told of it. Kept: making a schema takes milliseconds."""
    told = {"description": action.description(), "schema": action.model_json_schema()}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    own = {"told": action.told, "fields": action.fields} if issubclass(action, OwnAction) else {}
    return ActionRecord(name=action.name, origin=action.origin, sha256=digest, **own)


def available(namespace: Mapping[str, Any]) -> Actions:
    """Return the actions that can be offered in this process: those of this package, then the user's own.

    A function of the user's is called by its name, so that has to be its name in the namespace.
    """
    own = (action for name, action in LIVE.items() if name in namespace and namespace[name] is action.function)
    return (*(action for action in BUILT_IN if not action.unavailable()), *own)


def choose(only: Sequence[str], without: Sequence[str], namespace: Mapping[str, Any] | None = None) -> Actions:
    """Return the actions of a run: those named, or all there are, less those excluded. `finish` always stays.

    Raises `UserError` for a name that is none, or an action that cannot be offered here.
    """
    there = available(namespace or {})
    for name in (*only, *without):
        _check(name, [*BUILT_IN_BY_NAME, *by_name(there)])
    for name in only:
        if name in BUILT_IN_BY_NAME and (why := BUILT_IN_BY_NAME[name].unavailable()):
            raise UserError(f"{name} cannot be offered: {why}")
    return tuple(
        action
        for action in there
        if action.name == "finish" or ((not only or action.name in only) and action.name not in without)
    )


def _check(name: str, names: Iterable[str]) -> None:
    names = dict.fromkeys(names)
    if name in names:
        return
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
    raise UserError(f"there is no action {name!r}; {hint}")


def resolve(records: Iterable[ActionRecord]) -> Actions:
    """Return the actions a record names; one that names none is of a time when there were five."""
    return tuple(filter(None, map(_resolved, records))) or ACTIONS


def _resolved(record: ActionRecord) -> type[Action] | None:
    live = LIVE.get(record.name)
    if live is not None and record_of(live).sha256 == record.sha256:
        return live
    if record.fields or record.told:
        return recalled(record.name, record.told, record.fields)
    return BUILT_IN_BY_NAME.get(record.name)


def by_name(actions: Iterable[type[Action]]) -> Mapping[str, type[Action]]:
    """Return actions by their names."""
    return {action.name: action for action in actions}


def _told(action: type[Action]) -> str:
    """Return what an action does, and what a function of the user's declares."""
    declared = action.declared_effects() if issubclass(action, OwnAction) else ""
    return action.description() + (f" ({declared})" if declared else "")


def describe(actions: Actions, missing: Mapping[str, str] | None = None) -> str:
    """List actions with where each comes from, then what else there is and why it is not offered.

    `missing` says what some lack here, by name.
    """
    lacking = missing or {}
    width = max(len(action.name) for action in (*BUILT_IN, *actions))
    lines = [f"{action.name:<{width}}  {action.origin}: {_told(action)}" for action in actions]
    for action in BUILT_IN:
        if action not in actions:
            why = action.unavailable() or lacking.get(action.name) or "left out by --actions or --no-actions"
            lines.append(f"{action.name:<{width}}  not offered: {why}")
    return "\n".join(lines)
