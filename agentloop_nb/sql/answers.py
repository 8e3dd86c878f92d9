"""What a connection answered, as plain source: replays and exports run without the database."""

from __future__ import annotations

import ast
import datetime as dt
import math
from typing import Any, NamedTuple

MAX_SOURCE = 100_000
"""Characters of an answer that is kept as source; a larger one has to be asked for again."""
_NODES = (
    ast.Expression,
    ast.Call,
    ast.Attribute,
    ast.Name,
    ast.Load,
    ast.Dict,
    ast.List,
    ast.Constant,
    ast.UnaryOp,
    ast.USub,
)
_CALLED = {"pd": ("DataFrame", "Timestamp"), "made": ("astype", "date")}


class Noted(NamedTuple):
    """The answer to a query, as source."""

    source: str = ""
    outside: bool = False
    """It came from a server, not from a database in the kernel's reach."""


_found: dict[str, Noted] = {}
"""The answer to a query, by its SQL, until somebody asks for it."""


def note(sql: str, frame: Any, *, outside: bool) -> None:
    """Keep an answer, if source can make it again exactly."""
    if source := source_of(frame):
        _found[sql] = Noted(source, outside)


def take(sql: str) -> Noted:
    """Return the answer to a query of this process, once; empty where none is kept."""
    return _found.pop(sql, Noted())


def step_code(source: str, into: str | None) -> str:
    """Return what a step runs to have an answer again."""
    call = f'__import__("agentloop_nb.sql.answers", fromlist=["again"]).again({source!r})'
    return f"{into} = {call}\n{into}" if into else call


def again(source: str) -> Any:
    """Make a DataFrame that a record holds as source. Raises `ValueError` for what is more than data."""
    import pandas as pd

    if not is_data(source):
        raise ValueError("the record holds no readable answer of this query")
    return eval(source, {"__builtins__": {}, "pd": pd, "float": float})  # noqa: S307 - literals alone


def is_data(source: str) -> bool:
    """Whether source makes a DataFrame out of literals, as `source_of` writes it: a record may be anybody's."""
    try:
        nodes = list(ast.walk(ast.parse(source, mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(isinstance(node, _NODES) for node in nodes) and all(
        _makes_data(node) for node in nodes if isinstance(node, ast.Call | ast.Attribute | ast.Name)
    )


def _makes_data(node: ast.Call | ast.Attribute | ast.Name) -> bool:
    match node:
        case ast.Name(id=name):
            return name in ("pd", "float")
        case ast.Attribute(value=ast.Name(id="pd"), attr=name):
            return name in _CALLED["pd"]
        case ast.Attribute(value=ast.Call(), attr=name):
            return name in _CALLED["made"]
        case ast.Call(func=ast.Attribute() | ast.Name(id="float"), keywords=[]):
            return True
        case _:
            return False


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
