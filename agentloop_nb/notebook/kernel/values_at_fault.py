"""What stood on the line of a cell where an error was raised: columns of tables, keys of mappings, lengths."""

from __future__ import annotations

import ast
import difflib
import linecache
import traceback
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

from agentloop_nb._internal.ipython_syntax import parsed
from agentloop_nb.notebook.kernel import preview, tables, value_facts

MOST_NAMES = 3
"""Names of a line that are told."""
MOST_KEYS = 12
"""Keys of a mapping that are told."""
MOST_COMPARED = 1000
"""Labels among which the one that was meant is looked for."""
LONGEST = 300
"""Characters of what is told of one name."""
_ABOUT_PARTS = (LookupError, AttributeError, TypeError, ValueError)
"""Errors that come of a value being other than it was taken for."""


def values_at_fault(error: BaseException, place: Callable[[str], str | None]) -> str:
    """Tell what the names on the failing line of a cell hold, a line each; empty where it would not help.

    None of their code is run. `place` names the code of a file name, None for code that is no cell.
    """
    if not (isinstance(error, _ABOUT_PARTS) or type(error).__name__ == "ColumnNotFoundError"):
        return ""
    found = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if place(frame.f_code.co_filename)]
    if not found:
        return ""
    told = list(dict.fromkeys(_told(*found[-1], error)))[:MOST_NAMES]
    return "".join(f"  {each}\n" for each in told)


def _told(frame: FrameType, line: int, error: BaseException) -> Iterator[str]:
    key = error.args[0] if isinstance(error, KeyError) and error.args else None
    source = linecache.getline(frame.f_code.co_filename, line)
    for name in _names(source):
        value = frame.f_locals.get(name, frame.f_globals.get(name))
        if fact := _safe_fact(value):
            told = f"{name} is {value_facts.type_name(value)} {fact}"
            told = told if len(told) <= LONGEST else f"{told[:LONGEST]} …"
            yield f"{told}{_meant(key, value)}"


def _names(source: str) -> Iterator[str]:
    """Yield the names of a line, also of one that only begins or ends a statement."""
    text = source.strip()
    for whole in (text, f"{text}\n    pass", text.rstrip(",([{"), text.rstrip(",)]}")):
        if (tree := parsed(whole)) is not None:
            yield from (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
            return


def _meant(key: Any, value: Any) -> str:
    """Name the key or column that is nearly the one that was asked for."""
    if type(key) is not str:
        return ""
    names = [each for each in _labels(value) if type(each) is str][:MOST_COMPARED]
    by_small = {each.lower(): each for each in names}
    near = difflib.get_close_matches(key.lower(), by_small, n=1)
    return f"; {key!r} is not there, {by_small[near[0]]!r} is" if near else ""


def _labels(value: Any) -> Iterable[Any]:
    if type(value) is dict:
        return value
    table = tables.table(value)
    return () if table is None else [name for name, _ in table.columns]


def _safe_fact(value: Any) -> str:
    try:
        return _fact(value)
    except Exception:  # a value may have been taken apart by hand
        return ""


def _fact(value: Any) -> str:
    """Return what a table, a mapping or a sequence consists of; empty for all other values."""
    if tables.table(value) is not None:
        return f"{value_facts.detail(value)}{preview.columns(value)}"
    if type(value) is dict and value:
        keys = [key for key in list(value)[:MOST_KEYS] if type(key) in (str, int)]
        more = f", … {len(value) - len(keys)} more" if len(value) > len(keys) else ""
        return f"with the keys {', '.join(map(repr, keys))}{more}" if keys else ""
    if type(value) in (list, tuple, str, set, frozenset):
        return f"of length {len(value)}"
    return ""
