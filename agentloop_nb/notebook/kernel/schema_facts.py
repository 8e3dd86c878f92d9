"""What `--privacy schema` may tell of a value: a list of allowed facts, and nothing beside it.

Allowed are the type; of tables the numbers of rows and columns, the labels of columns that are plain words, and dtypes;
of arrays shape and dtype; of lists, tuples, dictionaries and sets how many items; of functions the parameters' names.
"""

from __future__ import annotations

import re
from types import FunctionType
from typing import Any

from agentloop_nb._internal import type_info
from agentloop_nb._internal.type_info import TypeSet, inherits
from agentloop_nb.notebook.kernel import tables, value_facts

MAX_LABEL = 80
_COUNTED = TypeSet(list, tuple, dict, set, frozenset)
_DTYPE = re.compile(r"[A-Za-z]\w{0,30}(?:\[(?:ns|us|ms|s|D)(?:, [\w/+:-]{1,40})?\])?")
_WORD = re.compile(r"[^\W\d][\w .()/%-]*")


def facts(name: str, value: Any) -> str:
    """Return the allowed facts of a variable, on one line."""
    cls = type(value)
    if cls is FunctionType:
        code = value.__code__
        count = code.co_argcount + code.co_kwonlyargcount
        return f"{name}({', '.join(code.co_varnames[:count])})"
    if inherits(cls, type):
        return f"class {name}"
    return f"{name}: {type_info.name(cls)}{_outline(value)}"


def _outline(value: Any) -> str:
    """Shape, dtype and columns of tables and arrays, the number of items of plain containers."""
    if type(value) in _COUNTED:
        return f" len {len(value)}"
    try:
        table = tables.table(value)
        return "" if table is None else f" {_shape(table)}{_columns(table)}"
    except Exception:  # a table that cannot be read is told by its type
        return ""


def _shape(table: tables.Table) -> str:
    return value_facts.outline(table.shape, dtype(table.dtype) if table.dtype else "")


def dtype(name: str) -> str:
    """Return the name of a dtype, without the categories or fields that it may list."""
    text = name[:200]
    return text if _DTYPE.fullmatch(text) else re.split(r"\W", text, maxsplit=1)[0] or "other"


def _columns(table: tables.Table) -> str:
    if not table.columns:
        return ""
    told = [f"{_label(label)} ({dtype(kind)})" for label, kind in table.columns]
    hidden = table.shape[1] - len(told)
    return f"; columns: {', '.join(told)}" + (f", … {hidden} more" if hidden > 0 else "")


def _label(label: str) -> str:
    """Return a column's label, if it is a plain word.

    Dates, numbers and pairs may be data that was turned into columns.
    """
    text = label[1:-1] if label[:1] in ("'", '"') and label[-1:] == label[:1] else label
    return text if len(text) <= MAX_LABEL and _WORD.fullmatch(text) else "<label>"
