"""The actions of one run: which there are, which are offered, and how the record says so."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from agentloop_nb.actions import ACTIONS, BUILT_IN
from agentloop_nb.actions.action import Action
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


def record_of(action: type[Action]) -> ActionRecord:
    """Name an action, with the hash of what a model is told of it."""
    told = {"description": action.description(), "schema": action.model_json_schema()}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return ActionRecord(name=action.name, origin=action.origin, sha256=digest)


def available() -> Actions:
    """Return the actions that can be offered in this process."""
    return tuple(action for action in BUILT_IN if not action.missing())


def choose(only: Sequence[str], without: Sequence[str]) -> Actions:
    """Return the actions of a run: those named, or all there are, less those excluded. `finish` always stays.

    Raises `UserError` for a name that is none, or an action that cannot be offered here.
    """
    there = available()
    for name in (*only, *without):
        _check(name)
    for name in only:
        if why := BUILT_IN_BY_NAME[name].missing():
            raise UserError(f"{name} cannot be offered: {why}")
    return tuple(
        action
        for action in there
        if action.name == "finish" or ((not only or action.name in only) and action.name not in without)
    )


def _check(name: str) -> None:
    if name in BUILT_IN_BY_NAME:
        return
    close = difflib.get_close_matches(name, BUILT_IN_BY_NAME, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(BUILT_IN_BY_NAME)}"
    raise UserError(f"there is no action {name!r}; {hint}")


def resolve(records: Iterable[ActionRecord]) -> Actions:
    """Return the actions a record names; one that names none is of a time when there were five."""
    found = tuple(BUILT_IN_BY_NAME[each.name] for each in records if each.name in BUILT_IN_BY_NAME)
    return found or ACTIONS


def by_name(actions: Iterable[type[Action]]) -> Mapping[str, type[Action]]:
    """Return actions by their names."""
    return {action.name: action for action in actions}


def describe(actions: Actions) -> str:
    """List actions with where each comes from, then what else there is and why it is not offered."""
    width = max(len(action.name) for action in BUILT_IN)
    lines = [f"{action.name:<{width}}  {action.origin}: {action.description()}" for action in actions]
    for action in BUILT_IN:
        if action not in actions:
            why = action.missing() or "left out by --actions or --no-actions"
            lines.append(f"{action.name:<{width}}  not offered: {why}")
    return "\n".join(lines)
