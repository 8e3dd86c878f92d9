"""Short previews of values for a model. Describing a value evaluates nothing, whatever the value is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from agentloop_nb._internal import type_info
from agentloop_nb.notebook.kernel import bounded_call, tables
from agentloop_nb.notebook.kernel.plain_text import cut, short

PATIENCE = 0.2
"""Seconds a representation that was made for models may take."""
MAX_TABLE = 600
_HOOKS = ("_repr_llm_", "_ai_repr_", "_repr_mimebundle_")
_FOR_MODELS = ("text/llm+plain", "text/llm")


def text(value: Any) -> str:
    """` = [1, 2, ...]`, or an indented block; empty where the value has nothing to say, or fails."""
    told = _own_words(value) or _safely(_head, value)
    if told:
        return "\n" + "\n".join(f"    {line}" for line in cut(told, MAX_TABLE).splitlines())
    plain = " ".join(_safely(_plain, value).split())
    return f" = {plain}" if plain else ""


def columns(value: Any) -> str:
    """`; columns: month (str), amount (int64); index: day (datetime64[us, UTC])` of a table."""
    return _safely(_columns, value)


def _safely(tell: Callable[[Any], str], value: Any) -> str:
    """Only code of known libraries runs here, but a value may have been taken apart by hand."""
    try:
        return tell(value).encode("utf-8", "replace").decode()
    except (Exception, SystemExit):
        return ""


# -- tables and plain data


def _plain(value: Any) -> str:
    table = tables.table(value)
    return short(value) if table is None else cut(table.sample(), 240)


def _columns(value: Any) -> str:
    table = tables.table(value)
    if table is None:
        return ""
    parts = [f"name: {table.name}"] if table.name else []
    if table.columns:
        axis = f" ({table.axis})" if table.axis else ""
        more = table.shape[1] - len(table.columns)
        listed = _typed(table.columns) + (f", … {more} more" if more > 0 else "")
        parts.append(f"columns{axis}: {listed}")
    if table.index:
        parts.append(f"{'MultiIndex' if len(table.index) > 1 else 'index'}: {_typed(table.index)}")
    return "".join(f"; {part}" for part in parts)


def _typed(parts: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} ({dtype})" if name else dtype for name, dtype in parts)


def _head(value: Any) -> str:
    """Return the first rows of a table, with its index where that says something."""
    table = tables.table(value)
    if table is None or not table.columns or not (rows := table.head()):
        return ""
    labels = [cut(name, tables.HEAD_CELL) for name, _ in (*table.index, *table.columns)]
    return _aligned([labels[: len(rows[0])], *rows], more=table.shape[1] > tables.HEAD_COLUMNS)


def _aligned(rows: Sequence[Sequence[str]], *, more: bool) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line + ("  …" if more else "") for line in lines)


# -- what a value says of itself, to models


def _own_words(value: Any) -> str:
    """Return a representation made for models: `_repr_llm_`, `_ai_repr_`, or a `text/llm` of the mime bundle."""
    cls = type(value)
    hook = next((name for name in _HOOKS if type_info.defined(cls, name) is not None), None)
    if hook is None or (hook == _HOOKS[-1] and type_info.module(cls) != "__main__"):
        return ""
    arguments = {"include": set(_FOR_MODELS)} if hook == _HOOKS[-1] else {}
    return bounded_call.call(lambda: _as_text(getattr(value, hook)(**arguments)), PATIENCE) or ""


def _as_text(told: Any) -> str | None:
    """Return called on the thread of the hook, as what it returned may be of any type, too."""
    bundle = told[0] if type(told) is tuple and told else told
    if type(bundle) is dict:
        bundle = next((bundle[mime] for mime in (*_FOR_MODELS, "text/plain") if mime in bundle), None)
    if hasattr(bundle, "close") and hasattr(bundle, "cr_code"):  # a coroutine
        bundle.close()
    return cut(str(bundle), MAX_TABLE).encode("utf-8", "replace").decode() if isinstance(bundle, str) else None
