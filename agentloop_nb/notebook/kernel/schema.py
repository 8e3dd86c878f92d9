"""What `--privacy schema` may tell of a value: a list of allowed facts, and nothing beside it.

Allowed are the type; of tables the numbers of rows and columns, the labels of columns that are plain words, and dtypes;
of arrays shape and dtype; of lists, tuples, dictionaries and sets how many items; of functions the parameters' names.
"""

from __future__ import annotations

import re
from types import FunctionType
from typing import Any

from agentloop_nb.notebook.kernel import value_facts

MAX_COLUMNS = 60
MAX_LABEL = 80

_TABLES = ("pandas", "polars", "geopandas", "pyarrow", "modin", "cudf", "dask")
_ARRAYS = ("numpy", "torch", "jax", "cupy", "tensorflow", "xarray", "scipy")
_DTYPE = re.compile(r"[A-Za-z]\w{0,30}(?:\[(?:ns|us|ms|s|D)(?:, [\w/+:-]{1,40})?\])?")
_WORD = re.compile(r"[^\W\d][\w .()/%-]*")


def facts(name: str, value: Any) -> str:
    """The allowed facts of a variable, on one line."""
    if isinstance(value, FunctionType):
        code = value.__code__
        count = code.co_argcount + code.co_kwonlyargcount
        return f"{name}({', '.join(code.co_varnames[:count])})"
    if isinstance(value, type):
        return f"class {name}"
    told = " ".join(filter(None, [value_facts.type_name(value), _amount(value)]))
    try:
        return f"{name}: {told}{_columns(value)}"
    except Exception:  # noqa: BLE001 - a table that cannot be asked is told by its type
        return f"{name}: {value_facts.type_name(value)}"


def _library(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _amount(value: Any) -> str:
    """Shape and dtype of tables and arrays, the number of items of plain containers."""
    if type(value) in (list, tuple, dict, set, frozenset):
        return f"len {len(value)}"
    if _library(value) not in _TABLES + _ARRAYS:
        return ""
    shape, kind = getattr(value, "shape", None), getattr(value, "dtype", None)
    if not isinstance(shape, tuple) or not all(type(each) is int for each in shape):
        return ""
    sides = " x ".join(map(str, shape))
    return sides if kind is None else f"{dtype(kind)}[{sides}]"


def dtype(kind: Any) -> str:
    """The name of a dtype, without the categories or fields that it may list."""
    if getattr(kind, "names", None):
        return "structured"
    text = str(kind)[:200]
    return text if _DTYPE.fullmatch(text) else re.split(r"\W", text, maxsplit=1)[0] or "other"


def _columns(value: Any) -> str:
    if type(value).__name__ not in ("DataFrame", "GeoDataFrame") or _library(value) not in _TABLES:
        return ""
    kinds = list(value.dtypes)
    labels = list(value.columns)[:MAX_COLUMNS]
    told = [f"{_label(label)} ({dtype(kind)})" for label, kind in zip(labels, kinds, strict=False)]
    more = f", … {len(kinds) - MAX_COLUMNS} more" if len(kinds) > MAX_COLUMNS else ""
    return f"; columns: {', '.join(told)}{more}"


def _label(label: Any) -> str:
    """A column's label, if it is a plain word; dates, numbers and pairs may be data that was turned into columns."""
    if isinstance(label, str) and len(label) <= MAX_LABEL and _WORD.fullmatch(label):
        return label
    return f"<{value_facts.type_name(label)}>"
