"""The user's namespace as a model is told of it: variables, recent cells, earlier runs, within a budget of tokens."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from agentloop_nb._internal import type_info
from agentloop_nb.actions.output_text import bounded
from agentloop_nb.notebook.kernel import preview, schema_facts, value_facts
from agentloop_nb.notebook.kernel.signatures import signature
from agentloop_nb.notebook.snapshots.tracker import is_watched
from agentloop_nb.protocols import Privacy

CHARACTERS = 4
"""Characters a token is worth, about."""
PATIENCE = 0.5
"""Seconds all previews may take together; names that come later are told without one."""
_FAMILIAR = frozenset({
    *("__main__", "builtins", "numpy", "pandas", "collections", "datetime", "decimal", "fractions", "pathlib", "re"),
    *("uuid", "array", "types", "enum", "zoneinfo", "functools"),
})  # fmt: skip
"""Packages that need not be named."""


@dataclass(frozen=True)
class Surroundings:
    """What a model may be told of: the names, the recent cells, and goals and summaries of earlier runs."""

    names: dict[str, Any]
    cells: Sequence[str] = ()
    earlier: Sequence[tuple[str, str]] = ()
    privacy: Privacy = "full"
    """Cells and results hold values, so that only `full` tells them."""

    def describe(self, tokens: int) -> str:
        """Tell all of it within the budget; what does not fit is counted."""
        room = max(tokens, 50) * CHARACTERS
        earlier = "\n".join(_take(self._earlier(), room // 5))
        cells = "\n".join(_take(self._cells(), room // 3)) if self.privacy == "full" else ""
        left = room - len(earlier) - len(cells) - 60
        variables = "\n".join(self._variables(left))
        parts = [("Variables, newest first:", variables), ("Recent cells, newest first:", cells)]
        parts.append(("Earlier runs in this kernel, newest first:", earlier))
        return "\n\n".join(f"{head}\n{text}" for head, text in parts if text) or "The namespace is empty."

    def _earlier(self) -> Iterator[str]:
        for goal, summary in reversed(self.earlier):
            result = f"\n  Result: {bounded(summary, 600)}" if self.privacy == "full" else ""
            yield f"- Goal: {bounded(goal, 400)}{result}"

    def _cells(self) -> Iterator[str]:
        for source in reversed(self.cells):
            yield f"```python\n{bounded(source, 1500)}\n```"

    def _variables(self, room: int) -> Iterator[str]:
        """Yield a line a name, with a preview while there is room and time; then bare names; then a count."""
        deadline = time.monotonic() + PATIENCE
        waiting = [name for name in reversed(self.names) if is_watched(name, self.names[name]) and name.isidentifier()]
        bare: list[str] = []
        for name in waiting:
            line = "" if bare else self._fitting(name, room, full=time.monotonic() < deadline)
            if bare or len(line) + 1 > room * 0.9:
                bare.append(name)
                continue
            room -= len(line) + 1
            yield line
        if bare:
            shown = _take(bare, max(room - 40, 0))
            more = f" and {len(bare) - len(shown)} more" if len(shown) < len(bare) else ""
            yield f"- also: {', '.join(shown)}{more}"

    def _fitting(self, name: str, room: int, *, full: bool) -> str:
        """As much of a name as there is room for: all, or without a preview, or without its columns, too."""
        value = self.names[name]
        if self.privacy == "none":
            return f"- {name}"
        if self.privacy == "schema":
            return f"- {schema_facts.facts(name, value)}"
        if type(value) is FunctionType or type_info.inherits(type(value), type):
            return f"- {signature(name, value, values=self.privacy == 'full')}"
        told = filter(None, [value_facts.type_name(value), _origin(value), value_facts.detail(value)])
        head = f"- {name}: {' '.join(told)}"
        if not full:
            return head
        typed = head + preview.columns(value)
        whole = typed + (preview.text(value) if self.privacy == "full" else "")
        return next((line for line in (whole, typed) if len(line) < room), head)


def _origin(value: Any) -> str:
    """`(dask)`: the package of a type whose name alone may mislead, as half of them have a `DataFrame`."""
    home = type_info.package(type(value))
    return "" if home in _FAMILIAR or not home.isidentifier() else f"({home[:40]})"


def _take(lines: Iterable[str], room: int) -> list[str]:
    """As many lines as fit, in order."""
    taken = []
    for line in lines:
        room -= len(line) + 2
        if room < 0:
            break
        taken.append(line)
    return taken
