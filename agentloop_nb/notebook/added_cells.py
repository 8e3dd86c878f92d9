"""The steps of a run as cells of the user's: new ones below in the open notebook, else one next cell, else a file."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentloop_nb._internal.text import counted
from agentloop_nb.errors import UserError
from agentloop_nb.export import export, run_cells
from agentloop_nb.notebook.panel.page_link import KEPT_OPEN

Json = dict[str, Any]

PATIENCE = 5.0
"""Seconds to wait for the page to say that it added the cells."""


def add_cells(shell: Any, record: Path, folder: Path, *, minimal: bool = False) -> str:
    """Put the steps of a run below the running cell, touching no other; return where they went."""
    cells = run_cells(record, folder=folder, minimal=minimal)
    code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    if not code:
        raise UserError("this run has no code that could become a cell; %agent show draws it")
    if _insert_below(shell, cells):
        return f"{counted(len(cells), 'new cell')} below; undo in the notebook takes them back together."
    if any(source.lstrip().startswith("%%") for source in code):
        raise UserError(
            "the notebook here takes one cell at a time, and a step begins with a cell magic, which needs its own; "
            "write a notebook: %agent cells --file steps.ipynb"
        )
    shell.set_next_input(_joined(cells))
    return "The code is in one next cell; for a cell a step, write a notebook: %agent cells --file steps.ipynb"


def write_cells(record: Path, path: str, folder: Path, *, minimal: bool = False) -> str:
    """Write the steps as a notebook file; return where it is."""
    if Path(path).suffix != ".ipynb":
        raise UserError(f"a notebook file ends in .ipynb, not {path!r}: %agent cells --file steps.ipynb")
    export(record, Path(path), folder=folder, minimal=minimal)
    return f"The steps are in the notebook {path}; %agent verify {path} runs it and tells whether it shows the same."


def _joined(cells: Sequence[Json]) -> str:
    """All code as one cell, each step under the heading it has in an export."""
    parts: list[str] = []
    for cell in cells:
        heading = "".join(cell["source"].splitlines()[:1]).lstrip("# ").strip()
        parts.append(f"# {heading}\n" if cell["cell_type"] == "markdown" else f"{cell['source'].rstrip()}\n\n")
    return "".join(parts).rstrip()


def _insert_below(shell: Any, cells: Sequence[Json]) -> bool:
    """Ask the page of the newest panel to add cells; False where none can, or says that it could not."""
    kernel = getattr(shell, "kernel", None)
    place = _running_cell(kernel)
    if not place or not getattr(kernel, "_supports_kernel_subshells", False):  # its answer would come too late
        return False
    return any(_asked(widget, cells, place) for widget in list(KEPT_OPEN)[-1:] if widget.heard)


def _asked(widget: Any, cells: Sequence[Json], place: str) -> bool:
    token, answered, added = uuid.uuid4().hex, threading.Event(), []

    def receive(_widget: Any, message: Any, _buffers: Any) -> None:
        if isinstance(message, dict) and message.get("op") == "cells" and message.get("token") == token:
            added.append(message.get("count"))
            answered.set()

    widget.on_msg(receive)
    try:
        widget.send({"op": "cells", "token": token, "after": place, "cells": list(cells)})
        answered.wait(PATIENCE)
    finally:
        widget.on_msg(receive, remove=True)
    return added == [len(cells)]


def _running_cell(kernel: Any) -> str:
    """Return the id of the cell that is being run, where the front end tells it."""
    try:
        return str(kernel.get_parent("shell")["metadata"].get("cellId") or "")
    except (AttributeError, KeyError, TypeError):
        return ""
