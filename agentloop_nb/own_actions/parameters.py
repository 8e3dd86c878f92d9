"""The parameters of a function, as fields a model fills in and as the schema it is told."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from agentloop_nb.errors import UserError

_KINDS = "str, int, float, bool, Literal of strings, list of these, each optional"
_BASES = {str: "string", int: "integer", float: "number", bool: "boolean"}
_RESERVED = frozenset({"into", "name", "origin", "own"})

Fields = dict[str, tuple[Any, Any]]


def fields_of(function: Any) -> Fields:
    """Return annotation and default of each parameter. Raises `UserError` for what a model cannot fill in."""
    name = function.__name__
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception as error:  # noqa: BLE001 - an annotation may be any expression
        raise UserError(f"@action cannot read the annotations of {name}: {error}") from None
    return {
        each.name: (_checked(name, each, hints), ... if each.default is each.empty else each.default)
        for each in inspect.signature(function).parameters.values()
    }


def _checked(name: str, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    each = parameter.name
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise UserError(f"@action cannot take {parameter} of {name}: give every parameter a name and a type")
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise UserError(f"@action calls {name} by keywords: take the / out of its parameters")
    if each in _RESERVED or each.startswith("_"):
        raise UserError(f"@action has a use of its own for a parameter {each!r}: rename it in {name}")
    if each not in hints:
        raise UserError(f"@action needs types: write {name}({each}: str) or another of {_KINDS}")
    if _schema(hints[each]) is None:
        raise UserError(f"@action cannot take the type of {each} in {name}; a model fills in {_KINDS}")
    return hints[each]


def schema_of(fields: Fields) -> dict[str, Any]:
    """Return the schema of each parameter, with its bounds, description and default."""
    return {name: _told(annotation, default) for name, (annotation, default) in fields.items()}


def _told(annotation: Any, default: Any) -> dict[str, Any]:
    found = dict(_schema(annotation) or {})
    full = TypeAdapter(annotation).json_schema()
    inner = next((each for each in full.get("anyOf", ()) if each.get("type") != "null"), full)
    for key in ("minimum", "maximum", "description"):
        if value := {**inner, **full}.get(key):
            found[key] = value
    return found if default is ... else {**found, "default": "null" if default is None else default}


def _schema(annotation: Any) -> dict[str, Any] | None:
    """The schema of a type; None for one that not every server takes."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _schema(inner[0])
    if origin is typing.Literal:
        return {"type": "string", "enum": list(inner)} if all(isinstance(each, str) for each in inner) else None
    if origin in (typing.Union, types.UnionType):
        rest = [each for each in inner if each is not type(None)]
        return _schema(rest[0]) if len(rest) == 1 else None
    if origin is list and len(inner) == 1:
        member = _schema(inner[0])
        return {"type": "array", "items": member} if member and "items" not in member else None
    return {"type": _BASES[annotation]} if isinstance(annotation, type) and annotation in _BASES else None
