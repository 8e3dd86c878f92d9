"""The parameters of a function, as fields a model fills in and as the schema it is told."""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
import types
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel, TypeAdapter

from agentloop_nb.actions.own_names import is_parameter_name
from agentloop_nb.actions.table_argument import TableArgument, with_tables
from agentloop_nb.errors import UserError

_KINDS = (
    "str, int, float, bool, date, datetime, Path, Literal, Enum, DataFrame (by the name of a variable or file), "
    "dataclasses and pydantic models of the plain ones, list, tuple or set of these, each optional"
)
_BASES: dict[type[Any], str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    Path: "string",
    PurePath: "string",
}
_FORMATS: dict[type[Any], str] = {dt.date: "date", dt.datetime: "date-time"}
_LISTS = (list, tuple, set, frozenset)
_RESERVED = frozenset({"into", "name", "origin", "own"})
DEEPEST = 3
"""Objects within objects."""

Fields = dict[str, tuple[Any, Any]]
Schema = dict[str, Any]


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
    if each in _RESERVED or not is_parameter_name(each):
        raise UserError(f"@action has a use of its own for a parameter {each[:60]!r}: rename it in {name}")
    if each not in hints:
        raise UserError(f"@action needs types: write {name}({each}: str) or another of {_KINDS}")
    try:
        found = with_tables(hints[each])
        _schema(found, 0)
    except _Unfit as error:
        reason = f" ({error})" if str(error) else ""
        raise UserError(
            f"@action cannot take the type of {each} in {name}{reason}; a model fills in {_KINDS}"
        ) from None
    return found


def schema_of(fields: Fields) -> dict[str, Any]:
    """Return the schema of each parameter, with its bounds, description and default."""
    return {name: _told(annotation, default, 0) for name, (annotation, default) in fields.items()}


class _Unfit(Exception):
    """A type that not every server takes, and why."""


def _told(annotation: Any, default: Any, depth: int) -> Schema:
    found = _schema(annotation, depth)
    if "properties" not in found:
        full = TypeAdapter(annotation).json_schema()
        inner = next((each for each in full.get("anyOf", ()) if each.get("type") != "null"), full)
        for key in ("minimum", "maximum", "description"):
            if (value := {**inner, **full}.get(key)) is not None:
                found[key] = f"{str(value).rstrip('.')}; {found[key]}" if key in found else value
    return found if default is ... else {**found, "default": _plain(default)}


def _plain(default: Any) -> Any:
    """Return a default as a model is told it and as a record holds it."""
    if isinstance(default, Enum):
        default = default.value
    if default is None:
        return "null"
    if isinstance(default, list | tuple) and all(isinstance(each, str | int | float) for each in default):
        return list(default)
    return default if isinstance(default, str | int | float | bool) else str(default)[:60]


def _schema(annotation: Any, depth: int) -> Schema:
    """Return the schema of a type. Raises `_Unfit` for one that not every server takes."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _schema(inner[0], depth)
    if origin is typing.Literal:
        return _choice(inner)
    if origin in (typing.Union, types.UnionType):
        return _union(inner, depth)
    if origin in _LISTS:
        return _array(origin, inner, depth)
    return _of_class(annotation, depth)


def _of_class(annotation: Any, depth: int) -> Schema:
    if not isinstance(annotation, type):
        raise _Unfit
    if annotation in _BASES:
        return {"type": _BASES[annotation]}
    if annotation in _FORMATS:
        return {"type": "string", "format": _FORMATS[annotation]}
    if issubclass(annotation, TableArgument):
        return {"type": "string", "description": annotation.told()}
    if issubclass(annotation, Enum):
        return _choice([each.value for each in _at_top(annotation)])
    if issubclass(annotation, BaseModel) or dataclasses.is_dataclass(annotation):
        return _object(_at_top(annotation), depth + 1)
    raise _Unfit


def _choice(values: typing.Sequence[Any]) -> Schema:
    if values and all(isinstance(each, str) for each in values):
        return {"type": "string", "enum": list(values)}
    if values and all(isinstance(each, int) and not isinstance(each, bool) for each in values):
        return {"type": "integer", "enum": list(values)}
    raise _Unfit("its values have to be all texts or all whole numbers")


def _union(members: tuple[Any, ...], depth: int) -> Schema:
    rest = [each for each in members if each is not type(None)]
    nullable = {"nullable": True} if len(rest) < len(members) else {}
    if len(rest) == 1:
        return {**_schema(rest[0], depth), **nullable}
    found = [_schema(each, depth) for each in rest]
    if not all(each.get("type") in ("string", "integer", "number", "boolean") for each in found):
        raise _Unfit("a union is of plain values only")
    kinds = [each for index, each in enumerate(found) if each not in found[:index]]
    return {**(kinds[0] if len(kinds) == 1 else {"anyOf": kinds}), **nullable}


def _array(origin: type[Any], inner: tuple[Any, ...], depth: int) -> Schema:
    if origin is tuple:
        if len(inner) != 2 or inner[1] is not ...:
            raise _Unfit("write tuple[X, ...]")
        inner = inner[:1]
    member = _schema(inner[0], depth)
    if "items" in member or "nullable" in member:
        raise _Unfit("a list holds no lists and no None")
    return {"type": "array", "items": member}


def _object(kind: type[Any], depth: int) -> Schema:
    if depth > DEEPEST:
        raise _Unfit(f"objects within objects are at most {DEEPEST} deep")
    told = {name: _told(annotation, default, depth) for name, (annotation, default) in _members(kind).items()}
    if not told:
        raise _Unfit(f"{kind.__name__} has no fields")
    return {"type": "object", "properties": told, "required": [name for name in told if "default" not in told[name]]}


def _members(kind: type[Any]) -> Fields:
    if issubclass(kind, BaseModel):
        return {
            field.alias or name: (
                field.rebuild_annotation(),
                ... if field.is_required() else field.get_default(call_default_factory=False),
            )
            for name, field in kind.model_fields.items()
        }
    hints, none = typing.get_type_hints(kind, include_extras=True), dataclasses.MISSING
    return {
        each.name: (
            hints[each.name],
            each.default if each.default is not none else None if each.default_factory is not none else ...,
        )
        for each in dataclasses.fields(kind)
        if each.init
    }


def _at_top(kind: type[Any]) -> type[Any]:
    """Return a type that a line of code can name. Raises `_Unfit`."""
    if "<locals>" in kind.__qualname__:
        raise _Unfit(f"define {kind.__name__} outside of functions")
    return kind
