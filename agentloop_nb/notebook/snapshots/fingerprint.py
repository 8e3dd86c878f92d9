"""What a value looks like, in few bytes, to tell later whether somebody has changed it since."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from types import NoneType
from typing import Any

from agentloop_nb._internal import type_info
from agentloop_nb._internal.pandas_blocks import block_manager
from agentloop_nb._internal.type_info import TypeSet
from agentloop_nb.notebook.snapshots.arrays import ARRAY, mask_of
from agentloop_nb.notebook.snapshots.data_tables import TABLE, name_of
from agentloop_nb.notebook.snapshots.kind import Kind
from agentloop_nb.notebook.snapshots.objects import CLASS, OBJECT
from agentloop_nb.notebook.snapshots.snapshot import checksum, sample

MAX_WHOLE = 2**28
"""Bytes of an array or a table that are looked at whole; of a larger one, samples."""
_NUMBERS = TypeSet(float, complex)
_WORDS = TypeSet(str, bytes, bool, int, NoneType, Decimal)
_HASHED = frozenset({"pandas", "numpy", "datetime"})
MOST_LABELS = 256
"""Labels of an axis, and cells of a column that is no plain array, that are looked at."""


def likeness(value: Any, kind: Kind) -> Any:
    """Look at a value; None if it cannot be looked at. Holds nothing of the value alive."""
    try:
        return _likeness(value, kind) if kind.look is None else kind.look(value)
    except Exception:
        return None


def differs(value: Any, kind: Kind, before: Any) -> bool:
    """Whether a value is not what it looked like. What was only added to an object by reading it (a cache) is no
    difference; neither is what could not be looked at.
    """
    now = likeness(value, kind)
    if now is None or before is None:
        return False
    if isinstance(before, dict):
        return any(now.get(name) != item for name, item in before.items())
    return bool(now != before)


def _likeness(value: Any, kind: Kind) -> Any:
    if kind is TABLE:
        return _table(value)
    if kind is ARRAY:
        plain = sys.modules["numpy"].asarray(value)
        mask = mask_of(value)
        return (plain.shape, str(plain.dtype), _array(plain), None if mask is None else checksum(mask))
    content = kind.save(value)
    if kind in (OBJECT, CLASS):
        return {name: id(item) for name, item in content.items()}
    if isinstance(content, dict):
        return (len(content), _identities(content), _identities(content.values()))
    if isinstance(content, list | set | tuple):
        return (len(content), _identities(content))
    return hash(content)


def _identities(values: Iterable[Any]) -> int:
    return hash(tuple(map(id, values)))


def _array(array: Any) -> Any:
    if array.dtype.hasobject:
        return _identities(array.ravel().tolist())
    return checksum(array) if array.nbytes <= MAX_WHOLE else sample(array)


def _table(table: Any) -> Any:
    """By column and by value: pandas may arrange columns anew when a table is merely read."""
    columns = dict(_columns(table))
    axes = block_manager(table).axes
    labels = [_cells(axis) for axis in axes]
    names = [_label(name) for axis in axes for name in axis.names]
    attributes = (_identities(table.attrs), _identities(table.attrs.values()))
    return (labels, names, _label(name_of(table)), attributes, sorted(columns.items()))


def _columns(table: Any) -> Iterator[tuple[int, Any]]:
    numpy = sys.modules["numpy"]
    for block in block_manager(table).blocks:
        plain = type(block.values) is numpy.ndarray
        places = block.mgr_locs.as_array.tolist() if block_manager(table).ndim == 2 else [0]
        for row, place in enumerate(places):
            column = block.values[row] if block.values.ndim == 2 else block.values
            yield place, (str(column.dtype), _array(column) if plain else _cells(column))


def _cells(values: Any) -> tuple[Any, ...]:
    """Cells or labels, at most `MOST_LABELS`, evenly spread. Each is made anew when asked for, so not by identity."""
    picked = values[:: max(len(values) // MOST_LABELS, 1)].tolist()
    own = values.dtype == object
    return (len(values), *(_label(each, own=own) for each in picked))


def _label(value: Any, *, own: bool = True) -> Any:
    """Return a cell by its content where it is plain data.

    Else by its identity, if it is not made anew when asked for.
    """
    if type(value) is tuple:
        return tuple(_label(each, own=own) for each in value)
    if type(value) in _NUMBERS:
        return repr(value)  # a NaN is no key
    if type(value) in _WORDS or type_info.package(type(value)) in _HASHED:
        return (hash(value), type_info.name(type(value)))
    return id(value) if own else type_info.name(type(value))
