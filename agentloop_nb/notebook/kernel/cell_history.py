"""The user's own cells so far: what the model is told of them, and what an export may bring along."""

from __future__ import annotations

import re
from typing import Any
from weakref import WeakKeyDictionary

_OURS = re.compile(r"\s*(?:%agent\b|%(?:re)?load_ext\s+agentloop_nb\b).*")


_ran: WeakKeyDictionary[Any, dict[int, list[str]]] = WeakKeyDictionary()
"""Code that runs executed, by shell and by the number of the cell they were started in."""


def note(shell: Any, code: str) -> None:
    """Remember code that a run executed, so that a later run's export can bring it along."""
    _ran.setdefault(shell, {}).setdefault(len(shell.history_manager.input_hist_raw) - 1, []).append(code)


def everything(shell: Any) -> tuple[str, ...]:
    """The user's cells that ran before the present one, and in its place the code that an earlier run executed."""
    ran = _ran.get(shell, {})
    before = enumerate(list(shell.history_manager.input_hist_raw)[:-1])
    sources = [source for number, cell in before for source in (_cleaned(cell) if number else "", *ran.get(number, ()))]
    return tuple(filter(None, sources))


def user_cells(shell: Any) -> tuple[str, ...]:
    """Return the sources of the cells that ran before the present one, oldest first, cleaned of our own magics."""
    before = list(shell.history_manager.input_hist_raw)[1:-1]
    return tuple(filter(None, map(_cleaned, before)))


def _cleaned(source: str) -> str:
    if re.match(r"\s*%%agent\b", source):
        return ""
    lines = [line for line in source.splitlines() if not _OURS.fullmatch(line)]
    return "\n".join(lines).strip("\n")
