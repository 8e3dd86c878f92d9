"""Tables, columns and indexes of pandas as data: each column by its kind, nothing pickled."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

from agentloop_nb.isolated.unsupported import Refused

Json = Any
Pack = Callable[[Any], Json]
Build = Callable[[Json], Any]

_MASKED = re.compile(r"boolean|U?Int(?:8|16|32|64)|Float(?:32|64)")
_TEXT = re.compile(r"str|string")
_ZONE = re.compile(r"(?!dateutil)[A-Za-z0-9_+:/-]{1,64}")


def pack(value: Any, inner: Pack) -> Json | None:
    """Return the tree of a pandas object, its parts taken apart by `inner`; None for everything else."""
    pd = sys.modules.get("pandas")
    if pd is None:
        return None
    kind = type(value)
    if kind is pd.DataFrame:
        columns = [_column(value.iloc[:, number], inner) for number in range(value.shape[1])]
        return {"is": "frame", "columns": columns, "labels": inner(value.columns), "index": inner(value.index)}
    if kind is pd.Series:
        return {"is": "series", "array": _column(value, inner), "name": inner(value.name), "index": inner(value.index)}
    if kind is pd.Categorical:
        return {"is": "values", "array": _column(pd.Series(value), inner)}
    return _single(pd, value, inner) or _index(pd, value, inner)


def _single(pd: Any, value: Any, inner: Pack) -> Json | None:
    if value is pd.NaT or value is pd.NA:
        return {"is": "missing", "which": str(value)}
    if type(value) in (pd.Timestamp, pd.Timedelta):
        return {"is": "moment", "array": _column(pd.Series([value]), inner)}
    if type(value) is pd.Interval:
        return {"is": "interval", "left": inner(value.left), "right": inner(value.right), "closed": value.closed}
    return None


def _index(pd: Any, value: Any, inner: Pack) -> Json | None:
    kind = type(value)
    if kind is pd.RangeIndex:
        return {"is": "counted", "of": [value.start, value.stop, value.step], "name": inner(value.name)}
    if kind is pd.MultiIndex:
        codes = [inner(codes) for codes in map(_array, value.codes)]
        levels = [inner(level) for level in value.levels]
        return {"is": "levels", "levels": levels, "codes": codes, "names": inner(list(value.names))}
    if kind is pd.IntervalIndex:
        sides = {"left": inner(value.left), "right": inner(value.right)}
        return {"is": "intervals", "closed": value.closed, "name": inner(value.name), **sides}
    if kind in (pd.Index, pd.DatetimeIndex, pd.TimedeltaIndex, pd.CategoricalIndex):
        series = value.to_series(index=range(len(value)))
        return {
            "is": "index",
            "array": _column(series, inner),
            "name": inner(value.name),
            "freq": getattr(value, "freqstr", None),
        }
    return None


def _array(codes: Any) -> Any:
    import numpy as np

    return np.array(codes)  # pandas keeps codes in a class of its own


def _column(series: Any, inner: Pack) -> Json:
    """One column: numbers and texts as they are, special kinds by their parts. Raises `Refused`."""
    import numpy as np

    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return {"of": "numpy", "data": inner(series.to_numpy())}
    name = str(dtype)
    if name == "category":
        codes, categories = series.cat.codes.to_numpy(), series.cat.categories
        return {"of": "category", "codes": inner(codes), "from": inner(categories), "ordered": bool(series.cat.ordered)}
    if name.startswith("datetime64["):
        utc = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        return {"of": "zoned", "data": inner(utc), "zone": str(series.dt.tz)}
    if _MASKED.fullmatch(name):
        plain = series.to_numpy(dtype=name.lower().replace("boolean", "bool"), na_value=0)
        return {"of": "masked", "dtype": name, "data": inner(plain), "missing": inner(series.isna().to_numpy())}
    if _TEXT.fullmatch(name):
        items = [None if missing else item for item, missing in zip(series, series.isna(), strict=True)]
        return {"of": "text", "dtype": name, "items": inner(items)}
    raise Refused(f"a column of {name} cannot be handed over as data")


def build(tree: Json, inner: Build) -> Any:
    """Build a pandas object from its tree. Raises `Refused`, or what a damaged tree makes fail."""
    import pandas as pd

    kind = tree["is"]
    return _BUILT[kind](pd, tree, inner) if kind in _BUILT else _built_index(pd, tree, inner)


def _frame(pd: Any, tree: Json, inner: Build) -> Any:
    columns = [_built_column(pd, column, inner).array for column in tree["columns"]]
    frame = pd.DataFrame(dict(enumerate(columns)))
    frame.index, frame.columns = inner(tree["index"]), inner(tree["labels"])
    return frame


def _series(pd: Any, tree: Json, inner: Build) -> Any:
    array = _built_column(pd, tree["array"], inner).array
    return pd.Series(array, index=inner(tree["index"]), name=inner(tree["name"]))


_BUILT: dict[str, Callable[[Any, Json, Build], Any]] = {
    "missing": lambda pd, tree, _: {"NaT": pd.NaT, "<NA>": pd.NA}[tree["which"]],
    "moment": lambda pd, tree, inner: _built_column(pd, tree["array"], inner)[0],
    "interval": lambda pd, tree, inner: pd.Interval(inner(tree["left"]), inner(tree["right"]), closed=tree["closed"]),
    "values": lambda pd, tree, inner: _built_column(pd, tree["array"], inner).array,
    "frame": _frame,
    "series": _series,
}


def _built_index(pd: Any, tree: Json, inner: Build) -> Any:
    match tree["is"]:
        case "counted":
            return pd.RangeIndex(*map(int, tree["of"]), name=inner(tree["name"]))
        case "levels":
            levels, codes = [inner(each) for each in tree["levels"]], [inner(each) for each in tree["codes"]]
            return pd.MultiIndex(levels=levels, codes=codes, names=inner(tree["names"]))
        case "intervals":
            left, right = inner(tree["left"]), inner(tree["right"])
            return pd.IntervalIndex.from_arrays(left, right, closed=str(tree["closed"]), name=inner(tree["name"]))
        case "index":
            column = _built_column(pd, tree["array"], inner)
            index = pd.Index(column.array, dtype=column.dtype, name=inner(tree["name"]))
            if tree["freq"]:
                index.freq = str(tree["freq"])
            return index
        case kind:
            raise Refused(f"a {kind} was handed over, which is not known")


def _built_column(pd: Any, tree: Json, inner: Build) -> Any:
    """Return the column as a Series."""
    match tree["of"]:
        case "numpy":
            data = inner(tree["data"])
            return pd.Series(data, dtype=data.dtype)
        case "category":
            codes, categories = inner(tree["codes"]), inner(tree["from"])
            return pd.Series(pd.Categorical.from_codes(codes, categories, ordered=bool(tree["ordered"])))
        case "zoned" if _ZONE.fullmatch(tree["zone"]):
            return pd.Series(inner(tree["data"])).dt.tz_localize("UTC").dt.tz_convert(str(tree["zone"]))
        case "masked" if _MASKED.fullmatch(tree["dtype"]):
            column = pd.Series(inner(tree["data"])).astype(str(tree["dtype"]))
            column[inner(tree["missing"])] = pd.NA
            return column
        case "text" if _TEXT.fullmatch(tree["dtype"]):
            return pd.Series(inner(tree["items"]), dtype=str(tree["dtype"]))
        case kind:
            raise Refused(f"a column of {kind} was handed over, which is not known")
