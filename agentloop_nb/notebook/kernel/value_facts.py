"""What can be said about any value in a few words, without trusting it: none of its code is run."""

from __future__ import annotations

import sys
from array import array
from collections import deque
from collections.abc import Iterator
from typing import Any

from agentloop_nb._internal import type_info
from agentloop_nb._internal.type_info import TypeSet
from agentloop_nb.notebook.kernel import tables

_SIZED = TypeSet(str, bytes, bytearray, list, tuple, dict, set, frozenset, deque, array)
_SHAPED = frozenset({"scipy", "torch", "jaxlib", "cupy"})
"""Packages whose own arrays know their shape and type without computing anything."""


def type_name(value: Any) -> str:
    """`DataFrame`, `function`, `int`."""
    return type_info.name(type(value))


def detail(value: Any) -> str:
    """Shape, dtype or length of plain data: `60 x 3`, `float64[10]`, `len 4`; empty for all other values."""
    try:
        return _detail(value)
    except Exception:
        return ""


def _detail(value: Any) -> str:
    cls = type(value)
    if type_info.inherits(cls, type) or callable(value):
        return ""
    if (base := _sized_base(cls)) is not None:
        return f"len {base.__len__(value)}"
    if (table := tables.table(value)) is not None:
        return outline(table.shape, table.dtype)
    if type_info.package(cls) in _SHAPED and isinstance(shape := getattr(value, "shape", None), tuple):
        return outline(tuple(map(int, shape)), str(getattr(value, "dtype", "")))
    return ""


def _sized_base(cls: type) -> Any:
    return next((base for base in type_info.mro(cls) if base in _SIZED), None)


def outline(shape: tuple[int, ...], dtype: str) -> str:
    """`60 x 3` of a table, `float64[10]` of an array."""
    sides = " x ".join(map(str, shape))
    return f"{dtype}[{sides}]" if dtype else sides


def size(value: Any) -> int:
    """Bytes of a value, about; arrays and tables by their data."""
    try:
        return _size(value)
    except Exception:
        return 0


def _size(value: Any) -> int:
    if (blocks := tables.blocks(value)) is not None:
        return sum(int(each.nbytes) for each in blocks)
    base = tables.base(value)
    if base is not None:
        return int(value.estimated_size() if hasattr(base, "estimated_size") else base.nbytes.__get__(value))
    sized = _sized_base(type(value)) or object
    return int(sized.__sizeof__(value))


def memory_holders(*, tables: bool) -> tuple[type, ...]:
    """Return the types whose values have memory roots: arrays, and tables if they are wanted."""
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    found = [getattr(numpy, "ndarray", None)]
    found += [getattr(pandas, name, None) for name in ("DataFrame", "Series")] if tables else []
    return tuple(each for each in found if each is not None)


def memory_roots(value: Any) -> Iterator[int]:
    """Identities of the arrays that own the memory of an array or a table; nothing for other values."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return
    if type_info.inherits(type(value), numpy.ndarray):
        yield _root(value)
    else:
        yield from (_root(each) for each in tables.blocks(value) or () if type(each) is numpy.ndarray)


def _root(array: Any) -> int:
    """Follow arrays to the one that owns the memory; what a foreign object lends ends there."""
    numpy = sys.modules["numpy"]
    base = numpy.ndarray.base
    while type_info.inherits(type(array), numpy.ndarray) and (owner := base.__get__(array)) is not None:
        array = owner
    return id(array)
