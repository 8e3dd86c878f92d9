"""The same run as a Python script."""

from __future__ import annotations

from typing import Any

from agentloop_nb._internal.ipython_syntax import parsed, to_python
from agentloop_nb._internal.text import as_comment
from agentloop_nb.export.awaiting_cells import RUNNER, awaits, in_a_coroutine
from agentloop_nb.export.destination import SCRIPT_MARK

Json = dict[str, Any]


def script(notebook: Json) -> str:
    """Return the notebook as a script of `# %%` cells.

    Prose and magics are comments, cells that fail are left out, and those that await are run as coroutines.
    """
    parts = [_part(cell) for cell in notebook["cells"]]
    body = "\n\n".join(part for part in parts if part)
    head = "from IPython.display import display\n\n" if "display(" in body else ""
    head += f"{RUNNER}\n\n" if "_run_cell(" in body else ""
    return f"{SCRIPT_MARK}\n{head}{body}\n"


def _part(cell: Json) -> str:
    source = cell["source"].replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\u2400")  # as Python reads it
    if cell["cell_type"] == "markdown":
        return f"# %% [markdown]\n{as_comment(source)}"
    if "raises-exception" in cell["metadata"].get("tags", ()):
        return f"# %% failed, and is left out\n{as_comment(source)}"
    return "# %%\n" + _plain(source)


def _plain(source: str) -> str:
    """Python without IPython's own syntax; each line of that follows as a comment."""
    python, _ = to_python(source)
    if not python or parsed(python) is None:  # a cell magic of another language, or no Python at all
        return as_comment(source)
    pairs = zip(source.split("\n"), python.split("\n"), strict=True)
    plain = "\n".join(now if now == was else f"{now}  # in IPython: {was.strip()}" for was, now in pairs)
    return in_a_coroutine(plain) if awaits(plain) else plain
