"""Arguments of a call against the schema of its tool: what does not fit, in one line, before anything is sent.

A schema is a stranger's, so nothing in it is compiled, fetched or followed without an end; what is not understood here
is left to the server.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agentloop_nb._internal.real_numbers import is_real
from agentloop_nb.errors import ActionFailed
from agentloop_nb.mcp_tools.tool import Tool, plain

DEEPEST = 8
MOST_LOOKS = 5_000
"""Parts of a schema that are looked at for one call; the rest is left to the server."""


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": is_real,
    "integer": lambda value: is_real(value) and (isinstance(value, int) or value.is_integer()),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "null": lambda value: value is None,
}


def fitting(tool: Tool, given: dict[str, Any], server: str) -> dict[str, Any]:
    """Return the arguments to send: a null that stands for one left out is left out. Raises `ActionFailed`."""
    sent = {
        name: value
        for name, value in given.items()
        if value is not None or name in tool.required or _takes_null(tool.properties.get(name, {}))
    }
    wrong = next(_Fit(tool.inputs).problems(sent, tool.inputs, "", 0), "")
    if wrong:
        raise ActionFailed(f"the arguments do not fit: {wrong}. It is called as {tool.line(server, 0)}")
    return sent


def _takes_null(schema: Any) -> bool:
    return '"null"' in json.dumps(schema)


class _Fit:
    """One comparison of a value with a schema, which looks at no more than so many parts of it."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.left = MOST_LOOKS

    def problems(self, value: Any, schema: Any, where: str, depth: int) -> Iterator[str]:
        """Say what of a value does not fit, a line each."""
        self.left -= 1
        if not isinstance(schema, dict) or depth > DEEPEST or self.left < 0:
            return
        if isinstance(ref := schema.get("$ref"), str):
            yield from self.problems(value, _target(ref, self.root), where, depth + 1)
            return
        name = where or "the object"
        kinds = _kinds(schema)
        if kinds and not any(_KINDS[kind](value) for kind in kinds):
            yield f"{name} is {' or '.join(kinds)}, not {_short(value)}"
            return
        choices = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(choices, list) and value not in choices:
            told = ", ".join(plain(json.dumps(each), 30) for each in choices[:10])
            yield f"{name} is one of {told}, not {_short(value)}"
            return
        yield from _bounds(value, schema, name)
        several = schema.get("anyOf") or schema.get("oneOf")
        if isinstance(several, list) and not any(self._fits(value, each, where, depth) for each in several):
            yield f"{name} fits none of its {len(several)} forms"
        if isinstance(value, dict):
            yield from self._fields(value, schema, where, depth)
        if isinstance(value, list):
            for index, each in enumerate(value[:100]):
                yield from self.problems(each, schema.get("items"), f"{where}[{index}]", depth + 1)

    def _fits(self, value: Any, schema: Any, where: str, depth: int) -> bool:
        return next(self.problems(value, schema, where, depth + 1), None) is None

    def _fields(self, value: dict[str, Any], schema: Mapping[str, Any], where: str, depth: int) -> Iterator[str]:
        dot = f"{where}." if where else ""
        known = schema.get("properties")
        known = known if isinstance(known, dict) else {}
        required = schema.get("required")
        for name in required if isinstance(required, list) else []:
            if name not in value:
                yield f"{dot}{plain(str(name), 40)} is missing"
        closed = schema.get("additionalProperties") is False or (not where and known and not _is_open(schema))
        for name, each in value.items():
            if name in known:
                yield from self.problems(each, known[name], f"{dot}{name}", depth + 1)
            elif closed:
                close = difflib.get_close_matches(name, known, n=1)
                yield f"there is no {dot}{name[:40]}" + (f"; did you mean {plain(close[0], 40)}?" if close else "")


def _is_open(schema: Mapping[str, Any]) -> bool:
    """Whether a schema says that it takes other names, too."""
    words = ("additionalProperties", "patternProperties", "unevaluatedProperties", "allOf", "anyOf", "oneOf")
    return any(schema.get(word) for word in words)


def _bounds(value: Any, schema: Mapping[str, Any], name: str) -> Iterator[str]:
    size = value if is_real(value) else len(value) if isinstance(value, str | list) else None
    words = ("minimum", "maximum") if is_real(value) else ("minLength", "maxLength")
    words = ("minItems", "maxItems") if isinstance(value, list) else words
    low, high = (schema.get(word) for word in words)
    what = "" if is_real(value) else " characters" if isinstance(value, str) else " items"
    if size is not None and isinstance(low, int | float) and size < low:
        yield f"{name} is at least {low}{what}"
    if size is not None and isinstance(high, int | float) and size > high:
        yield f"{name} is at most {high}{what}"


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kind = schema.get("type")
    found = kind if isinstance(kind, list) else [kind]
    known = [each for each in found if isinstance(each, str) and each in _KINDS]
    return known if len(known) == len(found) else []


def _target(ref: str, root: Mapping[str, Any]) -> Any:
    """Return what a reference inside the schema points to; any other is not followed."""
    found: Any = root
    for part in ref.removeprefix("#/").split("/") if ref.startswith("#/") else ["", ""]:
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _short(value: Any) -> str:
    told = json.dumps(value, ensure_ascii=False)
    return told if len(told) <= 60 else told[:59] + "…"
