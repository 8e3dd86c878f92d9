"""A record in which a text of somebody's stands in every field of every kind of event, made from their types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from agentloop_nb.actions import BUILT_IN, Action
from agentloop_nb.actions.registry import ActionRecord
from agentloop_nb.decision import Decision
from agentloop_nb.events import KnownEvent, event_from

Json = Any
Place = tuple[str | int, ...]
"""Where a value stands: keys and indices, from the outside."""
RUN, DIGEST = "20261122-101500-3fa2", "0" * 64
KINDS: dict[str, type[BaseModel]] = {str(event.model_fields["kind"].default): event for event in get_args(KnownEvent)}
LAST = ("run_forked", "steps_undone", "run_resumed", "namespace_rebuilt", "run_finished", "tries_ranked")
"""Kinds that stand behind all steps."""
ASIDE = {"run_started", "model_called", "model_replied", "decision_made", "action_started", "action_finished"}
ASIDE |= {"function_proposed", *LAST}
"""Kinds that have a place of their own; the others stand in the middle of the first step."""


class Fill(NamedTuple):
    """What stands in each field of a type."""

    text: str = "x"
    number: float = 1
    many: int = 1
    """Items of a list."""


def filled(kind: Any, fill: Fill) -> Json:
    """Make a value of a type, as a record has it."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return filled(parts[0], fill)
    if origin is Literal:
        return parts[0]
    if origin in (Union, UnionType):
        return filled(next(part for part in parts if part is not NoneType), fill)
    if origin is tuple:
        items = [filled(part, fill) for part in parts if part is not ...]
        return items * fill.many if ... in parts else items
    if origin is list:
        return [filled(parts[0], fill)] * fill.many
    if origin is dict:
        return {"x": filled(parts[1], fill), fill.text: filled(parts[1], fill)}
    if isinstance(kind, type):
        return _of_class(kind, fill)
    return fill.text


def _of_class(kind: type, fill: Fill) -> Json:
    if issubclass(kind, bool):
        return True
    if issubclass(kind, int | float):
        return kind(fill.number)
    if issubclass(kind, Decimal):
        return str(fill.number)
    if issubclass(kind, Decision):
        return {"reasoning": fill.text, "action": {"name": "finish", "summary": fill.text}}
    if issubclass(kind, BaseModel):
        if kind is ActionRecord:
            field = {"type": fill.text, "description": fill.text, "default": fill.text, "enum": [fill.text]}
            return {"name": "f", "origin": fill.text, "sha256": fill.text, "told": fill.text, "fields": {"x": field}}
        made = {field.alias or name: filled(field.annotation, fill) for name, field in kind.model_fields.items()}
        return made | ({"outputs": outputs(fill.text)} if "outputs" in made else {})
    if issubclass(kind, tuple):
        return [filled(each, fill) for each in kind.__annotations__ and [str] * len(kind.__annotations__)]
    return fill.text


def decision(action: type[Action], fill: Fill) -> Json:
    fields = {"name": action.name, **filled(action, fill), **_parts(fill.text).get(action.name, {})}
    return {"reasoning": fill.text, "action": fields}


def _parts(text: str) -> dict[str, dict[str, Json]]:
    return {"look_up": {"requests": [{"query": text}]}, "delegate": {"tasks": [{"goal": text, "brings": ["x"]}]}}


def outputs(text: str) -> list[Json]:
    mimes = ("text/plain", "text/html", "text/markdown", "image/svg+xml", "application/javascript", "application/json")
    return [
        {"output_type": "stream", "name": "stdout", "text": text},
        {"output_type": "display_data", "data": dict.fromkeys(mimes, text), "metadata": {"x": text}},
        {"output_type": "error", "ename": text, "evalue": text, "traceback": [text]},
    ]


def event(kind: str, fill: Fill, step: int = 1, **fields: Any) -> Json:
    """Make an event; where its type refuses a text, a harmless one stands."""
    made = filled(KINDS[kind], fill) | {"kind": kind, "step": step, "at": 1795342500.0} | fields
    _refused_are_replaced(made, filled(KINDS[kind], Fill()))
    return made


def _refused_are_replaced(made: Json, harmless: Json) -> None:
    for _ in range(3):
        for place in refused(made):
            _put(made, place, DIGEST if place[-1] == "previous" else _get(harmless, place))


def refused(made: Json) -> list[Place]:
    """Name the fields of an event that its type refuses."""
    try:
        event_from(made)
    except ValidationError as error:
        found = {_known(made, each["loc"]) for each in error.errors(include_url=False)}
        return [place for place in found if place]
    return []


def _known(made: Json, place: Place) -> Place:
    """Return the part of a place that a record has: what pydantic adds for its unions stands in no record."""
    known: list[str | int] = []
    inner: Any = made
    for step in place:
        if (isinstance(inner, dict) and step in inner) or (isinstance(inner, list) and isinstance(step, int)):
            inner = inner[step]
            known.append(step)
    return tuple(known)


def _get(made: Json, place: Place) -> Json:
    for step in place:
        made = made[step] if not (isinstance(made, list) and isinstance(step, int) and step >= len(made)) else made[0]
    return made


def _put(made: Json, place: Place, value: Json) -> None:
    *before, last = place
    _get(made, tuple(before))[last] = value


def story(fill: Fill, *, opening: Fill | None = None) -> list[Json]:
    """A run that took every action once, with every kind of event."""
    return list(_story(fill, opening or fill))


def _story(fill: Fill, opening: Fill) -> Iterator[Json]:
    settings = filled(dict[str, Any], opening) | {"model": "scripted", "max_steps": 50, "budget": None}
    yield event("run_started", opening, 0, run=RUN, format=1, settings=settings)
    for number, action in enumerate(BUILT_IN, 1):
        yield event("model_called", fill, number)
        yield event("model_replied", fill, number, text=json.dumps(decision(action, fill)))
        yield event("decision_made", fill, number, decision=_sound(action, fill))
        yield event("action_started", fill, number)
        if number == 1:
            yield from (event(kind, fill, number) for kind in KINDS if kind not in ASIDE)
        yield event("action_finished", fill, number)
    fixed: dict[str, Json] = {"steps_undone": {"first": len(BUILT_IN) + 1}, "run_finished": {"status": "finished"}}
    yield from (event(kind, fill, len(BUILT_IN), **fixed.get(kind, {})) for kind in (*LAST, "function_proposed"))


def _sound(action: type[Action], fill: Fill) -> Json:
    """Return a decision that a record may hold, with harmless texts where its action refuses others."""
    made = decision(action, fill)
    for name in list(made["action"]):
        if name != "name":
            single = {"kind": "decision_made", "step": 1, "decision": _only(action, name, made["action"][name])}
            if not _valid(single):
                made["action"].pop(name)
                made["action"] |= {key: value for key, value in _plain(action).items() if key == name}
    return made if _valid({"kind": "decision_made", "step": 1, "decision": made}) else _only(action, "", None)


def _only(action: type[Action], name: str, value: Json) -> Json:
    fields = {"name": action.name, **_plain(action)}
    return {"reasoning": "because", "action": fields | ({name: value} if name else {})}


@cache
def _plain(action: type[Action]) -> dict[str, Json]:
    """Fields of an action that it takes."""
    given = {
        "write_file": {"filename": "a.txt"},
        "read_url": {"url": "https://a.example/"},
        "use_tool": {"tool": "a.b"},
    }
    made = filled(action, Fill()) | (given | _parts("x")).get(action.name, {})
    needed = {name for name, field in action.model_fields.items() if field.is_required()}
    return {name: value for name, value in made.items() if name in needed or _takes(action, name, made, needed)}


def _takes(action: type[Action], name: str, made: dict[str, Json], needed: set[str]) -> bool:
    fields = {each: made[each] for each in {name, *needed}}
    return _valid(
        {"kind": "decision_made", "step": 1, "decision": {"reasoning": "x", "action": {"name": action.name, **fields}}}
    )


def _valid(made: Json) -> bool:
    try:
        event_from(made)
    except (ValidationError, ValueError, KeyError, TypeError):
        return False
    return True


def lines(events: list[Json]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in events).encode()
