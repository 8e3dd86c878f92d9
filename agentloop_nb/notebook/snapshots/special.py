"""More kinds of values a step can be taken back for: functions, random generators, pictures, partial calls."""

from __future__ import annotations

import functools
import random
import sys
import zlib
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, CodeType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any, NamedTuple

from agentloop_nb._internal import type_info
from agentloop_nb.notebook.snapshots.kind import Kind

LRU_CACHE = type(functools.lru_cache(int))

_EMPTY = object()
"""Stands for what a cell of a closure holds that was not filled yet."""


class _Function(NamedTuple):
    """What can change of a function."""

    attributes: dict[str, Any]
    defaults: tuple[Any, ...] | None
    named_defaults: dict[str, Any] | None
    code: CodeType
    cells: tuple[Any, ...]


def _save_function(value: FunctionType) -> _Function:
    named = value.__kwdefaults__
    return _Function(
        dict(value.__dict__),
        value.__defaults__,
        None if named is None else dict(named),
        value.__code__,
        tuple(map(_content, value.__closure__ or ())),
    )


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _EMPTY


def _parts(content: _Function) -> list[Any]:
    named = content.named_defaults or {}
    return [*content.attributes.values(), *(content.defaults or ()), *named.values(), *content.cells]


def _same_function(value: FunctionType, content: _Function) -> bool:
    now = _save_function(value)
    one, other = _parts(now), _parts(content)
    return (
        list(now.attributes) == list(content.attributes)
        and list(now.named_defaults or ()) == list(content.named_defaults or ())
        and now.code is content.code
        and len(one) == len(other)
        and all(a is b for a, b in zip(one, other, strict=True))
    )


def _restore_function(value: FunctionType, content: _Function) -> None:
    value.__dict__.clear()
    value.__dict__.update(content.attributes)
    value.__defaults__, value.__code__ = content.defaults, content.code
    named = content.named_defaults
    value.__kwdefaults__ = None if named is None else dict(named)
    for cell, inner in zip(value.__closure__ or (), content.cells, strict=True):
        if inner is _EMPTY:
            del cell.cell_contents
        else:
            cell.cell_contents = inner


def _look_at_function(value: FunctionType) -> int:
    now = _save_function(value)
    return hash((tuple(now.attributes), id(now.code), *map(id, _parts(now))))


FUNCTION = Kind(
    save=_save_function,
    same=_same_function,
    restore=_restore_function,
    children=_parts,
    size=lambda _value: 500,
    look=_look_at_function,
)


def _nothing(*_: Any) -> None:
    """Put nothing back: what changed is restored where it lies."""


def _fixed(parts: Callable[[Any], Iterable[Any]]) -> Kind:
    """Return a value that does not change itself, and holds others that may."""
    return Kind(
        save=lambda value: value, same=lambda *_: True, restore=_nothing, children=lambda content: list(parts(content))
    )


METHOD = _fixed(lambda value: (value.__self__, value.__func__))
BUILT_IN_METHOD = _fixed(lambda value: (value.__self__,))
PARTIAL = _fixed(lambda value: (value.func, *value.args, *value.keywords.values()))
FROZEN_SET = _fixed(tuple)


def _same_view(value: Any, content: dict[Any, Any]) -> bool:
    now = dict(value)
    return list(now) == list(content) and all(a is b for a, b in zip(now.values(), content.values(), strict=True))


def _restore_view(value: Any, content: dict[Any, Any]) -> None:
    if not _same_view(value, content):
        raise ValueError(content)  # what lies behind a view is out of reach


VIEW = Kind(
    save=dict,
    same=_same_view,
    restore=_restore_view,
    children=lambda content: content.values(),
    size=lambda value: 64 + 100 * len(value),
    look=lambda value: hash((tuple(value), *map(id, value.values()))),
)
CACHE = Kind(
    save=lambda value: tuple(value.cache_info()),
    same=lambda value, content: tuple(value.cache_info()) == content,
    restore=lambda value, _content: value.cache_clear(),
    look=lambda value: tuple(value.cache_info()),
)
RANDOM = Kind(
    save=lambda value: value.getstate(),
    same=lambda value, content: bool(value.getstate() == content),
    restore=lambda value, content: value.setstate(content),
    size=lambda _value: 20_000,
    look=lambda value: hash(value.getstate()),
)
GENERATOR = Kind(
    save=lambda value: value.bit_generator.state,
    same=lambda value, content: repr(value.bit_generator.state) == repr(content),
    restore=lambda value, content: setattr(value.bit_generator, "state", content),
    size=lambda _value: 3_000,
    look=lambda value: repr(value.bit_generator.state),
)
RANDOM_STATE = Kind(
    save=lambda value: value.get_state(),
    same=lambda value, content: (
        value.get_state()[1].tobytes() == content[1].tobytes() and value.get_state()[2:] == content[2:]
    ),
    restore=lambda value, content: value.set_state(content),
    size=lambda _value: 3_000,
    look=lambda value: (value.get_state()[1].tobytes(), value.get_state()[2:]),
)


# -- pictures


def _save_picture(value: Any) -> tuple[dict[str, Any], Any, bytes]:
    return dict(value.__dict__), value.copy(), value.tobytes()


def _same_picture(value: Any, content: tuple[dict[str, Any], Any, bytes]) -> bool:
    attributes, copy, pixels = content
    same = (value.mode, value.size, value.info) == (copy.mode, copy.size, copy.info)
    return same and value.__dict__.keys() >= attributes.keys() and value.tobytes() == pixels


def _restore_picture(value: Any, content: tuple[dict[str, Any], Any, bytes]) -> None:
    attributes, copy, _ = content
    fresh = copy.copy()
    value.__dict__.clear()
    value.__dict__.update(attributes)
    for name in ("_im", "im", "_mode", "mode", "_size", "palette", "info"):
        if name in attributes and name in fresh.__dict__:
            value.__dict__[name] = fresh.__dict__[name]


PICTURE = Kind(
    save=_save_picture,
    same=_same_picture,
    restore=_restore_picture,
    size=lambda value: 2 * value.size[0] * value.size[1] * len(value.getbands()),
    alive=lambda _value, content: 2 * len(content[2]),
    look=lambda value: (value.mode, value.size, zlib.crc32(value.tobytes())),
)


def special_kind(value: Any) -> Kind | None:
    """Return the kind of a function, a method, a random generator or a picture; None for all else."""
    known = id(type(value))  # a metaclass may have a `__hash__` that fails
    return _CONDITIONAL[known](value) if known in _CONDITIONAL else _EXACT.get(known) or _of_library(value)


def _of_library(value: Any) -> Kind | None:
    numpy, pictures = sys.modules.get("numpy.random"), sys.modules.get("PIL.Image")
    cls = type(value)
    if numpy is not None and (cls is numpy.Generator or cls is numpy.RandomState):
        return GENERATOR if cls is numpy.Generator else RANDOM_STATE
    if pictures is not None and type_info.inherits(cls, pictures.Image):
        return PICTURE if (type_info.instance_dict(value) or {}).get("_im") is not None else None
    return None


def _of_built_in(value: Any) -> Kind | None:
    owner = value.__self__
    return None if owner is None or type_info.inherits(type(owner), ModuleType, type) else BUILT_IN_METHOD


# What a filled cache held cannot be put into it again.
_CONDITIONAL: dict[int, Callable[[Any], Kind | None]] = {
    id(FunctionType): lambda value: FUNCTION if value.__module__ == "__main__" else None,
    id(BuiltinFunctionType): _of_built_in,
    id(LRU_CACHE): lambda value: None if value.cache_info().currsize else CACHE,
}
_EXACT: dict[int, Kind] = {
    id(MappingProxyType): VIEW,
    id(MethodType): METHOD,
    id(functools.partial): PARTIAL,
    id(frozenset): FROZEN_SET,
    id(random.Random): RANDOM,
}
