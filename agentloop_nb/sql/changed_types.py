"""Columns whose type a DataFrame does not have: whole numbers and decimals of DuckDB that become floats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

_found: dict[str, tuple[str, ...]] = {}
"""The columns of a query, by its SQL, until somebody asks for them."""


def note(sql: str, description: Iterable[Sequence[Any]]) -> None:
    """Keep which columns of a result change their type."""
    changed = (f"{column[0]} ({column[1]})" for column in description if _changes(str(column[1])))
    if found := tuple(changed):
        _found[sql] = found


def take(sql: str) -> tuple[str, ...]:
    """Return the columns that were noted of a query of this process, once."""
    return _found.pop(sql, ())


def _changes(kind: str) -> bool:
    return kind in ("HUGEINT", "UHUGEINT") or kind.startswith(("DECIMAL", "NUMERIC"))
