"""One reading of one cell: its Python, its command lines and its magics, before it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agentloop_nb.safety.code_risks.code_reading import Reading
from agentloop_nb.safety.code_risks.command_reader import CommandReader
from agentloop_nb.safety.code_risks.constant_values import Values
from agentloop_nb.safety.code_risks.ipython_cells import MAX_CODE, ends_at_once, take_apart
from agentloop_nb.safety.code_risks.python_reader import PythonReader

_SHELL_CELL = re.compile(r"\s*%%(bash|sh|zsh)[ \t]*\n")
_MAX_DEPTH = 4
"""How deep code in code is followed."""


def learned(cells: Iterable[str], values: Values | None = None) -> Values:
    """Return the names that cells bind, added to those of `values`."""
    values = values or Values()
    for cell in cells:
        if (tree := take_apart(cell).tree) is not None:
            values.learn(tree)
    return values


def read(code: str, values: Values | None = None) -> Reading:
    """Read a cell. `values` are the names bound before it, which it may use; they stay as they are. Never raises."""
    reading = Reading(values=values.copy() if values else Values())
    try:
        _Cells(reading).cell(code)
    except RecursionError:
        reading.entangled = True
    reading.entangled |= len(code) > MAX_CODE or reading.values.exhausted
    if reading.entangled:
        reading.risks.add("cannot be read")
    return reading


class _Cells:
    """Takes cells into a reading, and the code that stands in them."""

    def __init__(self, reading: Reading, depth: int = 0) -> None:
        self._reading = reading
        self._depth = depth
        nested = self._deeper if depth < _MAX_DEPTH else None
        self._commands = CommandReader(reading, nested)
        self._python = PythonReader(reading, self._commands, self.cell, nested)

    def cell(self, code: str) -> None:
        cell = take_apart(code)
        if cell.tree is None and not ends_at_once(code):
            self._reading.risks.add("cannot be read")
        if cell.tree is None:
            self._reading.mentions(code)
        else:
            self._python.tree(cell.tree)
        for line in cell.shell:
            self._commands.shell(line)
        if (shell := _SHELL_CELL.match(code)) is not None:
            self._reading.lines.add(shell[1])  # what it is given to run has just been read
        for name, rest in cell.magics:
            self._commands.magic(name, rest)

    def _deeper(self, code: str) -> None:
        _Cells(self._reading, self._depth + 1).cell(code)
