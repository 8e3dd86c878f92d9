"""The wire schema of a decision: the strictest subset that all known servers accept, made from the list of actions.

Objects with every property required and no others, `anyOf`, `enum` and `items`. Descriptions, limits and defaults stand
in the system prompt alone: told twice they cost twice, several servers refuse limits, and validation clamps anyway.
Only lists, and a small model's reasoning, are bounded by a keyword, as long as the server takes it: a weak model fills
one without end.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from pydantic import BaseModel

from agentloop_nb.actions import ACTIONS, BUILT_IN

MOST_ITEMS = 20
"""Members of a list in a decision."""
BRIEF = 200
"""Characters of the reasoning of a small model, which otherwise goes on until the reply is full."""


@cache
def decision_schema(
    *,
    final: bool = False,
    only: tuple[str, ...] = (),
    limits: bool = True,
    brief: bool = False,
    actions: tuple[type[BaseModel], ...] = (),
) -> dict[str, Any]:
    """Return the JSON schema of a decision. Shared: do not change it.

    `actions` are those of the run (empty: the five, or all where `only` is given), `only` names those that may be
    chosen now (empty: all of them); with `final` it is `finish`. With `limits` lists have an upper bound;
    `brief` gives the reasoning one, too.
    """
    names = ("finish",) if final else only
    there: tuple[Any, ...] = actions or (BUILT_IN if names else ACTIONS)
    variants = [_variant(action, limits=limits) for action in there if not names or action.name in names]
    action = variants[0] if len(variants) == 1 else {"anyOf": variants}
    reasoning = {"type": "string"} | ({"maxLength": BRIEF} if limits and brief else {})
    return _object({"reasoning": reasoning, "action": action})


@lru_cache(maxsize=256)
def _variant(action: Any, *, limits: bool) -> dict[str, Any]:
    """One action, `name` first: a server may tell variants apart by their first key only. Shared: do not change it."""
    schema = action.model_json_schema()
    required = schema.get("required", ())
    fields = {
        name: _field(_inlined(field, schema), required=name in required, limits=limits)
        for name, field in schema["properties"].items()
    }
    return _object({"name": {"type": "string", "enum": [action.name]}, **fields})


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _field(field: Mapping[str, Any], *, required: bool, limits: bool) -> dict[str, Any]:
    """Describe a property; an optional one may be null, because every property must be there."""
    kind = _kind(field, limits=limits)
    if required and not field.get("nullable"):
        return kind
    return {"anyOf": [*kind.get("anyOf", [kind]), {"type": "null"}]}


def _kind(field: Mapping[str, Any], *, limits: bool) -> dict[str, Any]:
    if "anyOf" in field:
        return {"anyOf": [_kind(each, limits=limits) for each in field["anyOf"]]}
    if field["type"] == "object":
        required = field.get("required", ())
        return _object(
            {name: _field(each, required=name in required, limits=limits) for name, each in field["properties"].items()}
        )
    kind: dict[str, Any] = {"type": field["type"]}
    if "enum" in field:
        kind["enum"] = list(field["enum"])
    if "items" in field:
        kind["items"] = _kind(field["items"], limits=limits)
        if limits:
            kind["maxItems"] = MOST_ITEMS
    if "minimum" in field and "maximum" in field and field["type"] == "integer":
        kind["enum"] = field.get("choices") or _ladder(field["minimum"], field["maximum"])
    return kind


def _inlined(field: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put a list's members in place of the reference to them, which not every server follows."""
    reference = field.get("items", {}).get("$ref")
    return {**field, "items": schema["$defs"][reference.rpartition("/")[2]]} if reference else field


def _ladder(low: int, high: int) -> list[int]:
    """Numbers to choose from: a small model that may write any number writes digits without end."""
    if high - low <= 20:
        return list(range(low, high + 1))
    steps = {digit * 10**power for digit in (1, 2, 5) for power in range(10)}
    return sorted({low, high, *(step for step in steps if low < step < high)})
