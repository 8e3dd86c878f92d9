"""A table of pandas as CSV, with the options of `read_csv` that give the very table back."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable
from typing import Any


def table_as_csv(value: Any, path: str) -> tuple[str, bytes] | None:
    """Return the expression that reads a table or a column of pandas from `path`, and its CSV; None where none does."""
    pd = sys.modules["pandas"]
    if type(value) is pd.DataFrame:
        return _csv(value, path, "", lambda frame: is_same(pd.testing.assert_frame_equal, frame, value))
    name = value.name if isinstance(value.name, str) and value.name else "value"
    rename = "" if value.name == name else f".rename({value.name!r})"
    return _csv(
        value.to_frame(name),
        path,
        f"[{name!r}]{rename}",
        lambda frame: is_same(pd.testing.assert_series_equal, frame[name].rename(value.name), value),
    )


def is_same(check: Callable[..., None], found: Any, value: Any) -> bool:
    """Whether a check of pandas finds no difference."""
    try:
        check(found, value, check_exact=True)
    except AssertionError:
        return False
    return True


def _csv(frame: Any, path: str, pick: str, is_value: Callable[[Any], bool]) -> tuple[str, bytes] | None:
    """Return a table as CSV, with the options that make reading it give the value; None where there are none."""
    if frame.index.nlevels > 1 or not all(type(name) is str for name in frame.columns) or not frame.columns.is_unique:
        return None
    counted = type(frame.index).__name__ == "RangeIndex" and (frame.index.start, frame.index.step) == (0, 1)
    content = frame.to_csv(index=not counted).encode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # later versions of pandas need no float_precision, and say so
        for exact in ({}, {"float_precision": "round_trip"}):
            options = _reading(frame, content, counted=counted) | exact
            found, units = _read(frame, content, options)
            if is_value(found):
                told = "".join(f", {name}={option!r}" for name, option in options.items())
                expression = f"pd.read_csv({path}{told}){units}{pick}"
                return expression, content
    return None


def _reading(frame: Any, content: bytes, *, counted: bool) -> dict[str, Any]:
    """Return the options of `read_csv` that bring the types back."""
    first = 0 if counted else 1
    times = [number + first for number, dtype in enumerate(frame.dtypes) if dtype.kind == "M"]
    times += [0] if not counted and frame.index.dtype.kind == "M" else []
    options: dict[str, Any] = {} if counted else {"index_col": 0}
    options |= {"parse_dates": times} if times else {}
    found = _read(frame, content, options)[0].dtypes
    other = {name: str(dtype) for name, dtype in frame.dtypes.items() if found[name] != dtype and dtype.kind != "M"}
    return options | ({"dtype": other} if other else {})


def _read(frame: Any, content: bytes, options: dict[str, Any]) -> tuple[Any, str]:
    """Read a table, with the units of times that it had; return it and what had to be called for that."""
    found = sys.modules["pandas"].read_csv(io.BytesIO(content), **options)
    units = {
        name: str(dtype)
        for name, dtype in frame.dtypes.items()
        if dtype.kind == found[name].dtype.kind == "M" and dtype != found[name].dtype
    }
    return (found.astype(units), f".astype({units!r})") if units else (found, "")
