"""What a database outside the kernel answered, as plain source: an export runs without it."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

MAX_SOURCE = 100_000
"""Characters of an answer that is kept as source; a larger one has to be asked for again."""
_found: dict[str, str] = {}
"""The answer to a query, by its SQL, until somebody asks for it."""


def note(sql: str, frame: Any) -> None:
    """Keep an answer, if source can make it again exactly."""
    if source := source_of(frame):
        _found[sql] = source


def take(sql: str) -> str:
    """Return the answer to a query of this process, once; empty where none is kept."""
    return _found.pop(sql, "")


def source_of(frame: Any) -> str:
    """Write a DataFrame as source that makes an equal one; empty where that does not work out."""
    import pandas as pd

    columns = list(frame.columns)
    if len(set(columns)) < len(columns) or frame.size * 3 > MAX_SOURCE:
        return ""
    try:
        inside = ", ".join(f"{str(name)!r}: [{', '.join(map(_value, frame[name].tolist()))}]" for name in columns)
        kinds = {str(name): str(frame[name].dtype) for name in columns}
        source = f"pd.DataFrame({{{inside}}}).astype({kinds!r})"
        if len(source) > MAX_SOURCE:
            return ""
        pd.testing.assert_frame_equal(eval(source, {"pd": pd}), frame, check_exact=True)  # noqa: S307 - literals alone
    except (AssertionError, ArithmeticError, TypeError, ValueError):
        return ""
    return source


def _value(value: Any) -> str:
    """Write one value. Raises `TypeError` for what is no plain one."""
    if value is None or isinstance(value, bool | int | str):
        return repr(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
    if isinstance(value, dt.datetime):
        return f"pd.Timestamp({value.isoformat()!r})"
    if isinstance(value, dt.date):
        return f"pd.Timestamp({value.isoformat()!r}).date()"
    raise TypeError(type(value).__name__)
