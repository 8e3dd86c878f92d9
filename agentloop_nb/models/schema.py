"""The wire schema of a decision: the strictest subset that all known servers accept, made from the list of actions.

Objects with every property required and no others, `anyOf`, `enum`, `items` and descriptions; limits and defaults are
told in words, because several servers refuse their keywords and validation clamps anyway. Only lists are bounded by a
keyword, as long as the server takes it: a weak model fills one without end.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from agentloop_nb.actions import ACTIONS, Finish

MOST_ITEMS = 20
"""Members of a list in a decision."""
_LIMITS = {"minimum": "at least", "maximum": "at most"}


@cache
def decision_schema(
    *, final: bool = False, limits: bool = True, actions: tuple[type[BaseModel], ...] = ()
) -> dict[str, Any]:
    """Return the JSON schema of a decision; with `final` only `finish` may be chosen. Shared: do not change it.

    `actions` are those of the run; left out, the five of the original.
    """
    variants = [_variant(action, limits=limits) for action in ((Finish,) if final else actions or ACTIONS)]
    action = variants[0] if final else {"anyOf": variants}
    reasoning = {"type": "string", "description": "Why this action, in a sentence or two."}
    return _object({"reasoning": reasoning, "action": action})


def _variant(action: type[Any], *, limits: bool) -> dict[str, Any]:
    """One action, `name` first: a server may tell variants apart by their first key only."""
    schema = action.model_json_schema()
    required = schema.get("required", ())
    fields = {
        name: _field(_inlined(field, schema), required=name in required, limits=limits)
        for name, field in schema["properties"].items()
    }
    return {
        **_object({"name": {"type": "string", "enum": [action.name]}, **fields}),
        "description": action.description(),
    }


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _field(field: Mapping[str, Any], *, required: bool, limits: bool) -> dict[str, Any]:
    """A property; an optional one may be null, because every property must be there."""
    kind: dict[str, Any] = {"type": field["type"]}
    if "enum" in field:
        kind["enum"] = list(field["enum"])
    if "items" in field:
        kind["items"] = _item(field["items"])
        if limits:
            kind["maxItems"] = MOST_ITEMS
    words = [f"{word} {field[key]}" for key, word in _LIMITS.items() if key in field]
    words += [] if required else ["null for the default"]
    told = " ".join(str(field.get("description", "")).split()) + (f" ({', '.join(words)})" if words else "")
    return {**(kind if required else {"anyOf": [kind, {"type": "null"}]}), "description": told}


def _inlined(field: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A list's members in place of the reference to them, which not every server follows."""
    reference = field.get("items", {}).get("$ref")
    return {**field, "items": schema["$defs"][reference.rpartition("/")[2]]} if reference else field


def _item(member: Mapping[str, Any]) -> dict[str, Any]:
    """A member of a list; every property of an object may be null, and the action says which goes with which."""
    if member["type"] != "object":
        return {"type": member["type"]}
    return _object(
        {name: {"anyOf": [{"type": each["type"]}, {"type": "null"}]} for name, each in member["properties"].items()}
    )
