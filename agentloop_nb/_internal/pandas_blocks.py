"""The block manager of pandas' tables: what a table is made of, which no subclass changes. Nothing else knows of it."""

from __future__ import annotations

from typing import Any


def block_manager(table: Any) -> Any:
    """Return the block manager of a table or a column: `axes`, `blocks`, `blknos`, `ndim`."""
    return object.__getattribute__(table, "_mgr")


def replace(table: Any, other: Any) -> None:
    """Give a table the data of another one, in place."""
    object.__getattribute__(table, "_update_inplace")(other)
