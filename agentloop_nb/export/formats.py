"""The same run as a Python script or as an HTML report."""

from __future__ import annotations

import ast
from typing import Any

from agentloop_nb.errors import UserError
from agentloop_nb.export.names import to_python

Json = dict[str, Any]


def script(notebook: Json) -> str:
    """The notebook as a script of `# %%` cells: prose and magics as comments, cells that fail left out."""
    parts = [_part(cell) for cell in notebook["cells"]]
    body = "\n\n".join(part for part in parts if part)
    head = "from IPython.display import display\n\n" if "display(" in body else ""
    return f"{head}{body}\n"


def _part(cell: Json) -> str:
    if cell["cell_type"] == "markdown":
        return "# %% [markdown]\n" + "\n".join(f"# {line}".rstrip() for line in cell["source"].split("\n"))
    if "raises-exception" in cell["metadata"].get("tags", ()):
        return "# %% failed, and is left out\n" + "\n".join(f"# {line}" for line in cell["source"].split("\n"))
    return "# %%\n" + _plain(cell["source"])


def _plain(source: str) -> str:
    """Python without IPython's own syntax; each line of that follows as a comment."""
    python, _ = to_python(source)
    try:
        ast.parse(python or "0")
    except SyntaxError:
        return "\n".join(f"# {line}" for line in source.split("\n"))
    if not python:  # a cell magic of another language
        return "\n".join(f"# {line}" for line in source.split("\n"))
    pairs = zip(source.split("\n"), python.split("\n"), strict=True)
    return "\n".join(now if now == was else f"{now}  # in IPython: {was.strip()}" for was, now in pairs)


def report(notebook: Json) -> str:
    """The notebook as an HTML page, by nbconvert. Raises `UserError` where that is not installed."""
    try:
        from nbconvert import HTMLExporter
    except ImportError:
        raise UserError("an HTML report needs nbconvert: pip install nbconvert") from None
    import nbformat

    exporter: Any = HTMLExporter()  # type: ignore[no-untyped-call]
    body, _ = exporter.from_notebook_node(nbformat.from_dict(notebook))
    return str(body)
