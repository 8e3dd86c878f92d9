"""Whether several runs of one goal came to the same: their figures and tables are compared, never their prose."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from agentloop_nb.agent.figures import Figure, figures, matches, numbers
from agentloop_nb.state import State

MOST_CELLS = 1_000_000
"""Cells of a table that is compared."""
DIGITS = 6
"""Significant digits to which cells have to be alike."""

Table = tuple[tuple[int, ...], tuple[str, ...]]
"""A shape, and the cells in order."""


@dataclass
class Results:
    """What a run came to: the figures of its summary, and its tables."""

    figures: list[Figure] = field(default_factory=list)
    known: list[float] = field(default_factory=list)
    """Every number of its summary and of its values, sorted."""
    tables: list[Table] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How much there is to compare."""
        return len(self.figures) + len(self.tables)

    def found_in(self, other: Results) -> int:
        """How many of them another run came to as well."""
        tables = sum(table in other.tables for table in self.tables)
        return tables + sum(matches(figure, other.known) for figure in self.figures)


def results(state: State, values: Mapping[str, Any]) -> Results:
    """Take in what a run says, and what the variables hold that it made; those its summary names, if it names any."""
    named = {name: value for name, value in values.items() if re.search(rf"`{re.escape(name)}\b", state.summary)}
    scalars, tables = list[float](), list[Table]()
    for value in (named or values).values():
        if _is_number(value):
            scalars.append(abs(float(value)))
        elif (table := _table(value)) is not None:
            tables.append(table)
    known = sorted({*numbers(state.summary), *scalars})
    told = figures(state.summary) or [figure for value in scalars for figure in figures(f"{value:.6g}")]
    return Results(told, known, tables)


def agreement(one: Results, others: Sequence[Results]) -> float | None:
    """Return the share of its figures and tables that the others came to, on average.

    None if there is nothing to compare.
    """
    if not one.count or not any(other.count for other in others):
        return None
    return sum(one.found_in(other) / one.count for other in others) / len(others)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and value == value  # noqa: PLR0124 - nan is none


def _table(value: Any) -> Table | None:
    """Return a table, an array, or a list or mapping of numbers, whatever its order; None for anything else."""
    shape = getattr(value, "shape", None)
    if shape is None and isinstance(value, list | tuple | dict) and value:
        cells = list(value.values() if isinstance(value, dict) else value)
        return ((len(cells),), _sorted(cells)) if all(map(_is_number, cells)) else None
    if not isinstance(shape, tuple) or not all(isinstance(size, int) for size in shape):
        return None
    size = 1
    for length in shape:
        size *= length
    return (shape, _sorted(_cells(value))) if 0 < size <= MOST_CELLS else None


def _cells(value: Any) -> Iterator[Any]:
    """Return the cells of a pandas or numpy value that was built here from data."""
    plain = value.to_numpy() if hasattr(value, "to_numpy") else value
    return iter(plain.ravel().tolist())


def _sorted(cells: Any) -> tuple[str, ...]:
    return tuple(sorted(f"{float(cell):.{DIGITS}g}" if _is_number(cell) else str(cell) for cell in cells))
