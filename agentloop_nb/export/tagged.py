"""Values of Python's own types in JSON, each with its type where JSON has none: what no literal or CSV brings back."""

from __future__ import annotations

import datetime as dt
import json
import math
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

DECODER = '''def _value(item):
    """Make a value again that stands in a file as [its type, its parts]."""
    if not isinstance(item, list):
        return item
    kind, parts = item
    if kind == "dict":
        return {_value(key): _value(part) for key, part in parts}
    if kind in ("list", "tuple", "set", "frozenset"):
        return getattr(builtins, kind)(map(_value, parts))
    if kind == "bytes":
        return bytes.fromhex(parts)
    if kind in ("float", "complex"):
        return getattr(builtins, kind)(parts)
    if kind == "Decimal":
        return decimal.Decimal(parts)
    if kind == "numpy":
        return getattr(np, parts[0])(parts[1])
    if kind == "Timestamp":
        return pd.Timestamp(parts)
    if kind in ("NaT", "NA"):
        return getattr(pd, kind)
    return getattr(datetime, kind)(*parts)'''
"""Source that stands in the notebook, so that it needs nothing of this package."""
TABLE = '''def _table(parts):
    """Make a table again from its columns and its labels."""
    labels, names = parts["labels"], parts["names"]
    if parts["levels"] > 1:
        index = pd.MultiIndex.from_tuples(labels, names=names)
    else:
        index = pd.Index(labels, dtype=parts["label_type"], name=names[0])
    if parts["freq"]:
        index.freq = parts["freq"]
    columns = [pd.Series(cells, index=index, dtype=kind) for cells, kind in zip(parts["cells"], parts["types"])]
    if parts["name"] is not None:
        return columns[0].rename(parts["name"][0])
    table = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=index)
    if parts["column_levels"] > 1:
        table.columns = pd.MultiIndex.from_tuples(parts["columns"], names=parts["column_names"])
    else:
        table.columns = pd.Index(parts["columns"], name=parts["column_names"][0])
    return table'''
MAX_DEPTH = 20


class NoData(TypeError):
    """A value that cannot travel."""


def encoded(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON. Raises `NoData`."""
    kind = type(value)
    if depth > MAX_DEPTH:
        raise NoData(kind)
    if kind in (type(None), bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else ["float", repr(value)]
    if kind is dict:
        return ["dict", [[encoded(key, depth + 1), encoded(item, depth + 1)] for key, item in value.items()]]
    if kind in (list, tuple):
        return [kind.__name__, [encoded(item, depth + 1) for item in value]]
    if kind in (set, frozenset):
        return [kind.__name__, sorted((encoded(item, depth + 1) for item in value), key=json.dumps)]
    return _PLAIN[kind](value) if kind in _PLAIN else _of_library(value)


def _of_library(value: Any) -> Any:
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if pandas is not None:
        if value is pandas.NaT or value is pandas.NA:
            return ["NaT" if value is pandas.NaT else "NA", None]
        if type(value) is pandas.Timestamp and value.tzinfo is None:
            return ["Timestamp", value.isoformat()]
    if numpy is not None and isinstance(value, numpy.generic) and value.dtype.kind in "biuf":
        return ["numpy", [type(value).__name__, encoded(value.item())]]
    raise NoData(type(value))


def _no_zone(value: Any) -> Any:
    if value.tzinfo is not None:
        raise NoData(type(value))
    return value


_PLAIN: dict[type, Callable[[Any], Any]] = {
    bytes: lambda value: ["bytes", value.hex()],
    complex: lambda value: ["complex", repr(value)],
    Decimal: lambda value: ["Decimal", str(value)],
    dt.date: lambda value: ["date", [value.year, value.month, value.day]],
    dt.datetime: lambda value: [
        "datetime",
        [*_no_zone(value).timetuple()[:6], value.microsecond],
    ],
    dt.time: lambda value: ["time", [_no_zone(value).hour, value.minute, value.second, value.microsecond]],
    dt.timedelta: lambda value: ["timedelta", [value.days, value.seconds, value.microseconds]],
}


def table_parts(table: Any) -> dict[str, Any]:
    """Return what a table or a column of pandas consists of, for `TABLE`. Raises `NoData`."""
    columns = [table] if table.ndim == 1 else [table.iloc[:, number] for number in range(table.shape[1])]
    labels: Any = table.columns if table.ndim == 2 else table.index[:0]
    return {
        "cells": [column.tolist() for column in columns],
        "types": [str(column.dtype) for column in columns],
        "labels": table.index.tolist(),
        "levels": table.index.nlevels,
        "label_type": str(table.index.dtype) if table.index.nlevels == 1 else None,
        "names": list(table.index.names),
        "columns": list(labels),
        "column_levels": labels.nlevels,
        "column_names": list(labels.names),
        "freq": getattr(table.index, "freqstr", None),
        "name": (table.name,) if table.ndim == 1 else None,
    }
