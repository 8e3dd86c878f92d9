"""The wire schema of a decision: the strictest subset that all known servers accept, made from the list of actions.

Objects with every property required and no others, `anyOf`, `enum`, `items` and descriptions; limits and defaults are
told in words, because several servers refuse their keywords and validation clamps anyway. Only lists are bounded by a
keyword, as long as the server takes it: a weak model fills one without end.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from agentloop_nb.actions import ACTIONS, Action, Finish

MOST_ITEMS = 20
"""Members of a list in a decision."""
_LIMITS = {"minimum": "at least", "maximum": "at most"}


@cache
def decision_schema(*, final: bool = False, limits: bool = True) -> dict[str, Any]:
    """Return the JSON schema of a decision; with `final` only `finish` may be chosen. Shared: do not change it."""
    variants = [_variant(action, limits=limits) for action in ((Finish,) if final else ACTIONS)]
    action = variants[0] if final else {"anyOf": variants}
    reasoning = {"type": "string", "description": "Why this action, in a sentence or two."}
    return _object({"reasoning": reasoning, "action": action})


def _variant(action: type[Action], *, limits: bool) -> dict[str, Any]:
    """One action, `name` first: a server may tell variants apart by their first key only."""
    schema = action.model_json_schema()
    required = schema.get("required", ())
    fields = {
        name: _field(field, required=name in required, limits=limits) for name, field in schema["properties"].items()
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
    kind = {"type": field["type"]}
    if "items" in field:
        kind["items"] = {"type": field["items"]["type"]}
        if limits:
            kind["maxItems"] = MOST_ITEMS
    words = [f"{word} {field[key]}" for key, word in _LIMITS.items() if key in field]
    words += [] if required else ["null for the default"]
    told = " ".join(str(field.get("description", "")).split()) + (f" ({', '.join(words)})" if words else "")
    return {**(kind if required else {"anyOf": [kind, {"type": "null"}]}), "description": told}
