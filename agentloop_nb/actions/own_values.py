"""Arguments of a user's function: as Python source, without nulls, and the texts that stand in them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import PurePath
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from agentloop_nb.actions.table_argument import TableArgument


def written(value: Any, names: Mapping[str, Any]) -> str:
    """Write a value as source that makes it again; `names` is the namespace in which the source will run."""
    if isinstance(value, Enum):
        kind = _name(type(value), names)
        return f"{kind}.{value.name}" if value.name in type(value).__members__ else f"{kind}({value.value!r})"
    if isinstance(value, dt.date):  # a datetime, too
        return f"{_name(type(value), names)}.fromisoformat({value.isoformat()!r})"
    if isinstance(value, PurePath):
        return f"{_name(_public_path(value), names)}({str(value)!r})"
    if _is_object(value):
        given = ", ".join(f"{name}={written(each, names)}" for name, each in _given(value))
        return f"{_name(type(value), names)}({given})"
    if isinstance(value, list | tuple | set | frozenset | dict):
        return _container(value, names)
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    return value.source if isinstance(value, TableArgument) else repr(value)


def _container(value: Any, names: Mapping[str, Any]) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {written(each, names)}' for key, each in value.items())}}}"
    inside = [written(each, names) for each in value]
    if isinstance(value, set | frozenset):
        inside.sort()
    if isinstance(value, list):
        return f"[{', '.join(inside)}]"
    if isinstance(value, tuple):
        return f"({', '.join(inside)}{',' if len(inside) == 1 else ''})"
    made = f"{{{', '.join(inside)}}}" if inside else "set()"
    return f"frozenset({made})" if isinstance(value, frozenset) else made


def _is_object(value: Any) -> bool:
    return isinstance(value, BaseModel) or dataclasses.is_dataclass(value)


def _given(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the fields that say how an object is made again."""
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            if name in value.model_fields_set:
                yield field.alias or name, getattr(value, name)
        return
    for each in dataclasses.fields(value):
        if each.init and not _is_default(each, getattr(value, each.name)):
            yield each.name, getattr(value, each.name)


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    return field.default is not dataclasses.MISSING and type(field.default) is type(value) and field.default == value


def _public_path(value: PurePath) -> type[Any]:
    """Return the class that was written: `Path` makes a `PosixPath`."""
    return next(kind for kind in type(value).__mro__ if kind.__name__ in ("Path", "PurePath"))


def _name(kind: type[Any], names: Mapping[str, Any]) -> str:
    """How source in a namespace names a type: by a name of its own, as a part of something, or by its module."""
    outer, _, inner = kind.__qualname__.partition(".")
    rest = f".{inner}" if inner else ""
    if not inner:
        if names.get(outer) is kind:
            return outer
        if name := next((name for name, value in names.items() if value is kind and name.isidentifier()), ""):
            return name
        for name, value in names.items():
            if isinstance(value, ModuleType) and name.isidentifier() and vars(value).get(outer) is kind:
                return f"{name}.{outer}"
    if kind.__module__ == "__main__":
        return kind.__qualname__
    return f"__import__({kind.__module__!r}, fromlist=[{outer!r}]).{outer}{rest}"


def without_nulls(value: Any, schema: Mapping[str, Any]) -> Any:
    """Leave out what is null and has a default, because a strict server makes a model fill in everything."""
    if isinstance(value, dict) and "properties" in schema:
        inside = schema["properties"]
        return {
            name: without_nulls(each, inside.get(name, {}))
            for name, each in value.items()
            if each is not None or "default" not in inside.get(name, {})
        }
    if isinstance(value, list) and "items" in schema:
        return [without_nulls(each, schema["items"]) for each in value]
    return value


def texts(value: Any) -> Iterator[str]:
    """Every text that stands in an argument."""
    match value:
        case Enum():
            yield str(value.value)
        case str():
            yield value
        case PurePath():
            yield str(value)
        case dict():
            for each in value.values():
                yield from texts(each)
        case list() | tuple() | set() | frozenset():
            for each in value:
                yield from texts(each)
        case _ if _is_object(value):
            for _, each in _given(value):
                yield from texts(each)
        case _:
            pass
