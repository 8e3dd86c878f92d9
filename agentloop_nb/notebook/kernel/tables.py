"""Tables, columns and arrays as a person would describe them to somebody who has to write code against them.

Only libraries whose values lie in memory are read: numpy, pandas, polars, pyarrow. What is lazy there (a `LazyFrame`, a
data set, a group) is no table, and neither is what looks like one elsewhere. Subclasses are read through their base.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentloop_nb._internal import type_info
from agentloop_nb._internal.pandas_blocks import block_manager
from agentloop_nb.notebook.kernel.plain_text import cut, short

MAX_COLUMNS = 30
MAX_LABEL = 60
MAX_DTYPE = 40
HEAD_COLUMNS, HEAD_ROWS, HEAD_CELL = 10, 2, 28
FEW = 5
_DATA_PACKAGES = frozenset({"numpy", "pandas", "builtins"})
_SPECIAL = frozenset({"None", "True", "False", "nan", "NaN", "NaT", "inf"})
"""Words that would look like another value if they were shown without quotes."""


@dataclass(frozen=True)
class Table:
    """What is told of a table (two sides), or of a column or an array (`dtype`)."""

    shape: tuple[int, ...]
    dtype: str = ""
    columns: Sequence[tuple[str, str]] = ()
    """Label and type of the first columns."""
    axis: str = ""
    """What the labels of the columns are called as a whole."""
    index: Sequence[tuple[str, str]] = ()
    """Name and type of each level of an index that says something; a name may be empty."""
    name: str = ""
    head: Callable[[], Sequence[Sequence[str]]] = field(default=list)
    """The first rows, a text a cell, index levels first."""
    sample: Callable[[], str] = field(default=str)
    """The first values of a column or an array."""


def table(value: Any) -> Table | None:
    """Read a value as a table, a column or an array; None for any other."""
    found = base(value)
    return None if found is None else _READERS[type_info.package(found)][type_info.name(found)](value)


def base(value: Any) -> Any:
    """Return the type of a library that a value is read as; None where it is none of them."""
    for each in type_info.mro(type(value)):
        home = type_info.package(each)
        if home not in _READERS:
            continue
        name = type_info.name(each)
        if name in _READERS[home] and getattr(sys.modules.get(home), name, None) is each:
            return each
    return None


def blocks(value: Any) -> list[Any] | None:
    """Return the arrays that a table or a column of pandas is made of; None for any other value."""
    found = base(value)
    if found is None or type_info.package(found) != "pandas" or type_info.name(found) == "Index":
        return None
    return [block.values for block in block_manager(value).blocks]


def label(value: Any) -> str:
    """Return a label as code has to spell it: a plain word as it is, anything else as a literal."""
    if type(value) is str and value.isidentifier() and value not in _SPECIAL:
        return cut(value, MAX_LABEL)
    return cut(short(value, 2) or f"<{type_info.name(type(value))}>", MAX_LABEL)


def _cell(value: Any) -> str:
    told = value[: HEAD_CELL + 1] if type(value) is str else short(value, 1) or f"<{type_info.name(type(value))}>"
    if told.startswith(("Timestamp(", "Timedelta(", "Period(", "datetime.")):  # a known type, as it was told
        told = str(value)
    return cut(told if told.isprintable() and told.strip() == told and told else repr(told), HEAD_CELL)


def _dtype(dtype: Any) -> str:
    """Return a type of a column; one that another package made is told by its class, as its name is made by code."""
    if type_info.package(type(dtype)) not in _DATA_PACKAGES | {"pyarrow", "polars"}:
        return type_info.name(type(dtype))
    return " ".join(cut(str(dtype), MAX_DTYPE).split())


# -- numpy


def _array(value: Any) -> Table:
    import numpy as np

    plain: Any = np.ndarray.view(value, np.ndarray)
    return Table(plain.shape, _dtype(plain.dtype), sample=lambda: f"array({_nested(plain)})")


def _nested(array: Any) -> str:
    """Return the first values of each side: a whole array is never written out, whatever numpy's options say."""
    if array.ndim == 0:
        return _element(array[()])
    parts = [_nested(array[place, ...]) for place in range(min(len(array), FEW))]
    return f"[{', '.join([*parts, *(['…'] if len(array) > FEW else [])])}]"


def _element(value: Any) -> str:
    return short(value, 1) or f"<{type_info.name(type(value))}>"


# -- pandas: tables are read through their block manager, which no subclass changes


def _frame(value: Any) -> Table:
    manager = block_manager(value)
    labels, index = manager.axes
    dtypes = [manager.blocks[number].dtype for number in manager.blknos[:MAX_COLUMNS]]
    names = [label(each) for each in _labels(labels, MAX_COLUMNS)]
    return Table(
        (len(index), len(labels)),
        columns=[(name, _dtype(dtype)) for name, dtype in zip(names, dtypes, strict=True)],
        axis=", ".join(label(each) for each in labels.names if each is not None),
        index=_index_parts(index),
        head=lambda: _frame_rows(manager, index, min(len(labels), HEAD_COLUMNS)),
    )


def _frame_rows(manager: Any, index: Any, width: int) -> list[list[str]]:
    columns = [_first(manager.iget_values(place), HEAD_ROWS) for place in range(width)]
    if _index_parts(index):
        levels = [_tuple_of(each) for each in _labels(index, HEAD_ROWS)]
        columns = [*(list(level) for level in zip(*levels, strict=True)), *columns]
    return [list(map(_cell, row)) for row in zip(*columns, strict=True)]


def _tuple_of(value: Any) -> tuple[Any, ...]:
    return value if type(value) is tuple else (value,)


def _first(values: Any, count: int) -> list[Any]:
    """Return the first cells of a column; those of an array type that another package made are not asked for."""
    if type_info.package(type(values)) not in _DATA_PACKAGES:
        return [Ellipsis] * min(count, len(values))
    return list(values[:count])


def _labels(axis: Any, count: int) -> list[Any]:
    if type_info.package(type(axis)) != "pandas":
        raise TypeError("an index of another package")
    return list(axis[:count])


def _index_parts(index: Any) -> list[tuple[str, str]]:
    kind = type_info.name(type(index))
    if kind == "MultiIndex":
        return [(_name(level.name), _dtype(level.dtype)) for level in index.levels]
    if kind == "RangeIndex" and index.name is None and index.start == 0 and index.step == 1:
        return []
    return [(_name(index.name), _dtype(index.dtype))]


def _name(name: Any) -> str:
    return "" if name is None else label(name)


def _series(value: Any) -> Table:
    manager = block_manager(value)
    (index,), values = manager.axes, manager.blocks[0].values
    name = object.__getattribute__(value, "_name")

    def sample() -> str:
        cells = list(map(_literal, _first(values, FEW)))
        if _index_parts(index):
            cells = [f"{label(each)}: {cell}" for each, cell in zip(_labels(index, FEW), cells, strict=False)]
        return f"[{', '.join([*cells, *(['…'] if len(values) > FEW else [])])}]"

    return Table((len(index),), _dtype(values.dtype), index=_index_parts(index), name=_name(name), sample=sample)


def _literal(value: Any) -> str:
    return cut(_element(value), HEAD_CELL * 2)


def _pandas_index(value: Any) -> Table:
    values = _labels(value, FEW)
    more = ["…"] if len(value) > FEW else []
    parts = _index_parts(value)
    dtype = _dtype(value.dtype) if type_info.name(type(value)) != "MultiIndex" else "object"
    name = ", ".join(name or "unnamed" for name, _ in parts) if any(name for name, _ in parts) else ""
    return Table((len(value),), dtype, name=name, sample=lambda: f"[{', '.join([*map(_literal, values), *more])}]")


# -- polars


def _polars_frame(value: Any) -> Table:
    plain = sys.modules["polars"].DataFrame._from_pydf(object.__getattribute__(value, "_df"))  # noqa: SLF001
    names, dtypes = plain.columns[:MAX_COLUMNS], plain.dtypes[:MAX_COLUMNS]
    return Table(
        plain.shape,
        columns=[(label(name), _polars_dtype(dtype)) for name, dtype in zip(names, dtypes, strict=True)],
        head=lambda: [list(map(_cell, row[:HEAD_COLUMNS])) for row in plain.head(HEAD_ROWS).rows()],
    )


def _polars_series(value: Any) -> Table:
    plain = sys.modules["polars"].Series._from_pyseries(object.__getattribute__(value, "_s"))  # noqa: SLF001
    return Table(
        (len(plain),),
        _polars_dtype(plain.dtype),
        name=label(plain.name) if plain.name else "",
        sample=lambda: _few(plain.head(FEW).to_list(), len(plain)),
    )


def _polars_dtype(dtype: Any) -> str:
    """`Enum` lists all of its categories, so they are counted."""
    return f"Enum of {len(dtype.categories)}" if type_info.name(type(dtype)) == "Enum" else _dtype(dtype)


def _few(values: Sequence[Any], length: int) -> str:
    return f"[{', '.join([*map(_literal, values), *(['…'] if length > len(values) else [])])}]"


# -- pyarrow


def _arrow_table(value: Any) -> Table:
    names, types = value.schema.names[:MAX_COLUMNS], value.schema.types[:MAX_COLUMNS]

    def head() -> list[list[str]]:
        columns = [_arrow_values(value.column(place), HEAD_ROWS) for place in range(min(len(names), HEAD_COLUMNS))]
        return [list(map(_cell, row)) for row in zip(*columns, strict=True)]

    columns = [(label(name), _dtype(dtype)) for name, dtype in zip(names, types, strict=True)]
    return Table((value.num_rows, value.num_columns), columns=columns, head=head)


def _arrow_array(value: Any) -> Table:
    return Table((len(value),), _dtype(value.type), sample=lambda: _few(_arrow_values(value, FEW), len(value)))


def _arrow_values(values: Any, count: int) -> list[Any]:
    """Return the first values; those of an extension type are made by code of its own."""
    first = values.slice(0, count)
    plain = type_info.package(type(values.type)) == "pyarrow" and type_info.name(type(values.type)) != "ExtensionType"
    return list(first.to_pylist()) if plain else [Ellipsis] * len(first)


_READERS: dict[str, dict[str, Callable[[Any], Table]]] = {
    "numpy": {"ndarray": _array},
    "pandas": {"DataFrame": _frame, "Series": _series, "Index": _pandas_index},
    "polars": {"DataFrame": _polars_frame, "Series": _polars_series},
    "pyarrow": {
        "Table": _arrow_table,
        "RecordBatch": _arrow_table,
        "Array": _arrow_array,
        "ChunkedArray": _arrow_array,
    },
}
"""How values are read, by the package and the name of their base."""
