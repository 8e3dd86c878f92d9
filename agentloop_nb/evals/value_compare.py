"""Whether two values are the same within a tolerance, and where they are not: numbers, lists, dicts and tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from agentloop_nb._internal.real_numbers import is_real

Row = dict[str, Any]

TOLERANCE = 1e-6
"""How far apart two numbers may be, relative to the larger one, or absolutely near zero."""


def near(one: float, other: float, tol: float) -> bool:
    """Whether two numbers are the same within a tolerance, relative but near zero."""
    return one == other or (math.isnan(one) and math.isnan(other)) or abs(one - other) <= tol * max(1.0, abs(other))


def difference(one: Any, other: Any, tol: float, where: str = "") -> str:
    """Say where two values differ; empty where they do not."""
    one, other = plain(one), plain(other)
    at = f" at {where}" if where else ""
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return f"the keys{at} are {_short(sorted(one, key=str))}, not {_short(sorted(other, key=str))}"
        return _first(difference(one[key], other[key], tol, f"{where}[{key!r}]") for key in other)
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return f"there are {len(one)} items{at}, not {len(other)}"
        pairs = enumerate(zip(one, other, strict=True))
        return _first(difference(a, b, tol, f"{where}[{number}]") for number, (a, b) in pairs)
    if is_real(one) and is_real(other):
        return "" if near(float(one), float(other), tol) else f"{_short(one)}{at} is not {_short(other)}"
    same = type(one) is type(other) and one == other
    return "" if same else f"{_short(one)}{at} is not {_short(other)}"


def plain(value: Any) -> Any:
    """Return numbers of numpy, series, arrays and tuples as Python's own."""
    if isinstance(value, Mapping):
        return dict(value)
    for method in ("to_dict", "tolist", "item"):
        if hasattr(value, method) and not isinstance(value, str | bytes):
            return getattr(value, method)()
    return list(value) if isinstance(value, tuple | range) else value


def _first(found: Iterable[str]) -> str:
    return next(filter(None, found), "")


def _short(value: Any) -> str:
    told = repr(value)
    return told if len(told) <= 100 else told[:99] + "…"


def table_difference(one: Any, other: Any, tol: float, *, ordered: bool) -> str:
    """Say where two tables differ; empty where they do not. A row is a dict, a table may be one of columns."""
    for each in (one, other):
        if _rows(each) is None:
            return f"a {type(each).__name__} is no table"
    return _rows_difference(_rows(one) or [], _rows(other) or [], tol, ordered=ordered)


def _rows_difference(found: list[Row], wanted: list[Row], tol: float, *, ordered: bool) -> str:
    columns, expected = _columns(found), _columns(wanted)
    if set(columns) != set(expected) and (columns or expected):
        return f"the columns are {_short(columns)}, not {_short(expected)}"
    if len(found) != len(wanted):
        return f"there are {len(found)} rows, not {len(wanted)}"
    if not ordered:
        order = sorted(expected, key=lambda name: any(isinstance(row[name], float) for row in wanted))
        found, wanted = sorted(found, key=_key(order)), sorted(wanted, key=_key(order))
    rows = enumerate(zip(found, wanted, strict=True))
    return _first(_cell_difference(row, want, tol, number) for number, (row, want) in rows)


def _columns(rows: list[Row]) -> list[str]:
    return list(rows[0]) if rows else []


def _cell_difference(row: Row, wanted: Row, tol: float, number: int) -> str:
    for name, want in wanted.items():
        if told := difference(_cell(row[name]), _cell(want), tol):
            return f"row {number}, {name}: {told}"
    return ""


def _cell(value: Any) -> Any:
    """Return a cell as it compares: days as text, nothing as None, whole floats as they are."""
    if hasattr(value, "isoformat"):
        told = str(value.isoformat())
        return None if told == "NaT" else told.removesuffix("T00:00:00")
    value = plain(value)
    return None if isinstance(value, float) and math.isnan(value) else value


def _key(order: Sequence[str]) -> Callable[[Row], tuple[tuple[str, Any], ...]]:
    def key(row: Row) -> tuple[tuple[str, Any], ...]:
        cells = (_cell(row[name]) for name in order)
        return tuple(("0", float(each)) if is_real(each) else ("1", str(each)) for each in cells)

    return key


def _rows(value: Any) -> list[Row] | None:
    """Return a table as rows: of a data frame, a dict of columns, or a list of dicts."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return [{str(key): cell for key, cell in row.items()} for row in value.to_dict("records")]
    if isinstance(value, Mapping):
        return list(_of_columns(value))
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return value
    return None


def _of_columns(columns: Mapping[str, Sequence[Any]]) -> Iterator[Row]:
    for cells in zip(*columns.values(), strict=True):
        yield dict(zip(columns, cells, strict=True))
