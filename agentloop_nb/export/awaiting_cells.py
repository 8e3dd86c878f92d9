"""Cells that await at their top level, as a script has to write them: IPython awaits what Python does not."""

from __future__ import annotations

import ast
import symtable
import warnings

from agentloop_nb._internal.ipython_syntax import inside_strings

RUNNER = "import asyncio\n\n_run_cell = asyncio.Runner().run"
"""What stands once above such cells: all of them share a loop, as in a notebook."""
_INDENT = "    "


def awaits(python: str) -> bool:
    """Whether code is valid only where its top level may await."""
    return not _compiles(python) and _compiles(python, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def in_a_coroutine(python: str) -> str:
    """Return a cell as a coroutine that is run at once, and whose names are the script's.

    What cannot stand in a function (a star import, an annotated name) is returned as it is.
    """
    inside = inside_strings(python)
    body = [line if number in inside else _INDENT + line for number, line in enumerate(python.split("\n"))]
    written = _wrapped(body)
    if not _compiles(written):
        return python
    (cell,) = symtable.symtable(written, "<cell>", "exec").get_children()
    names = sorted(cell.get_locals()) if isinstance(cell, symtable.Function) else []
    told = _wrapped([f"{_INDENT}global {', '.join(names)}", *body]) if names else written
    return told if _compiles(told) else python


def _wrapped(body: list[str]) -> str:
    return "\n".join(["async def _cell():", *body, "", "", "_run_cell(_cell())"])


def _compiles(code: str, flags: int = 0) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"):
            compile(code, "<cell>", "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return False
    return True
