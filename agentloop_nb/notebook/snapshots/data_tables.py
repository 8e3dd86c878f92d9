"""The adapters of pandas' tables, columns and indexes, used only where pandas is loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from agentloop_nb._internal.pandas_blocks import block_manager, replace
from agentloop_nb.notebook.snapshots.arrays import plain_array, same_data
from agentloop_nb.notebook.snapshots.containers import same_dict
from agentloop_nb.notebook.snapshots.kind import Kind, identical

LAZY_FRAME = 32 * 2**20
"""Bytes from which a pandas 3 table is saved by its own copy-on-write instead of a copy at once."""


def copy_on_write() -> bool:
    """Whether tables that share memory do not see each other's changes; true where there are no tables."""
    pandas = sys.modules.get("pandas")
    return pandas is None or int(str(pandas.__version__).partition(".")[0]) >= 3


def _table_size(table: Any) -> int:
    return sum(int(block.values.nbytes) for block in block_manager(table).blocks)


def _is_lazy(table: Any) -> bool:
    return copy_on_write() and _table_size(table) > LAZY_FRAME


def _save_table(table: Any) -> Any:
    saved = table.copy(deep=not _is_lazy(table))
    saved.attrs = dict(table.attrs)
    return saved


def _same_table(table: Any, saved: Any) -> bool:
    if not same_dict(table.attrs, saved.attrs) or not identical([name_of(table)], [name_of(saved)]):
        return False
    if [len(axis) for axis in block_manager(table).axes] != [len(axis) for axis in block_manager(saved).axes]:
        return False
    return all(map(_same_axis, table.axes, saved.axes)) and _same_blocks(table, saved)


def name_of(table: Any) -> Any:
    """Return the name of a single column; a table has none, though it may have a column that is called so."""
    return table._name if block_manager(table).ndim == 1 else None  # noqa: SLF001


def _same_axis(one: Any, other: Any) -> bool:
    return one is other or (one.names == other.names and one.dtype == other.dtype and one.equals(other))


def _same_blocks(table: Any, saved: Any) -> bool:
    ours, theirs = block_manager(table).blocks, block_manager(saved).blocks
    aligned = len(ours) == len(theirs) and all(
        type(one.values) is type(other.values) and (one.mgr_locs.as_array == other.mgr_locs.as_array).all()
        for one, other in zip(ours, theirs, strict=True)
    )
    if not aligned:
        dtypes = [list(each.dtypes) if each.ndim == 2 else each.dtype for each in (table, saved)]
        return dtypes[0] == dtypes[1] and bool(table.equals(saved))
    return all(_same_values(one.values, other.values) for one, other in zip(ours, theirs, strict=True))


def _same_values(one: Any, other: Any) -> bool:
    if hasattr(one, "flags"):
        same_place = one.__array_interface__["data"] == other.__array_interface__["data"]
        return (same_place and one.shape == other.shape) or same_data(one, other)
    return one.dtype == other.dtype and bool(one.equals(other))


def _restore_table(table: Any, saved: Any) -> None:
    copy = saved.copy(deep=not _is_lazy(saved))
    replace(table, copy)
    table.attrs = dict(saved.attrs)
    if table.ndim == 1:
        table.name = saved.name


def _table_children(saved: Any) -> Iterable[Any]:
    for block in block_manager(saved).blocks:
        if block.values.dtype == object:
            yield from plain_array(block.values).ravel().tolist()


def _kept_table(table: Any, saved: Any) -> int:
    """Return the bytes that a saved table holds; what it still shares with the present one costs nothing."""
    shared = {place for block in block_manager(table).blocks if (place := _place(block.values))}
    return sum(int(block.values.nbytes) for block in block_manager(saved).blocks if _place(block.values) not in shared)


def _place(values: Any) -> int | None:
    return values.__array_interface__["data"][0] if hasattr(values, "flags") else None


TABLE = Kind(
    save=_save_table,
    same=_same_table,
    restore=_restore_table,
    children=_table_children,
    size=lambda table: 0 if _is_lazy(table) else _table_size(table),
    alive=_kept_table,
)


def _restore_index(index: Any, names: list[Any]) -> None:
    index.names = names


INDEX = Kind(
    save=lambda index: list(index.names), same=lambda index, names: list(index.names) == names, restore=_restore_index
)
