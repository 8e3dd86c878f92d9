"""The same run as a Python script or as an HTML report."""

from __future__ import annotations

from typing import Any

from agentloop_nb.errors import UserError
from agentloop_nb.export.dependencies import parsed, to_python
from agentloop_nb.export.destination import PAGE_MARK, SCRIPT_MARK

Json = dict[str, Any]

_OFFLINE = (
    "{% extends 'lab/index.html.j2' %}"
    f"{{% block html_head %}}{PAGE_MARK}{{{{ super() }}}}{{% endblock %}}"
    + "".join(
        f"{{% block {name} %}}{{% endblock %}}"
        for name in ("html_head_js", "jupyter_widgets", "html_head_js_mathjax", "html_head_js_mermaidjs")
    )
)
"""nbconvert's page without the scripts it would fetch, and with our mark: a report is whole by itself."""


def script(notebook: Json) -> str:
    """The notebook as a script of `# %%` cells: prose and magics as comments, cells that fail left out."""
    parts = [_part(cell) for cell in notebook["cells"]]
    body = "\n\n".join(part for part in parts if part)
    head = "from IPython.display import display\n\n" if "display(" in body else ""
    return f"{SCRIPT_MARK}\n{head}{body}\n"


def _part(cell: Json) -> str:
    source = cell["source"].replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\u2400")  # as Python reads it
    if cell["cell_type"] == "markdown":
        return f"# %% [markdown]\n{_comment(source)}"
    if "raises-exception" in cell["metadata"].get("tags", ()):
        return f"# %% failed, and is left out\n{_comment(source)}"
    return "# %%\n" + _plain(source)


def _comment(source: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in source.split("\n"))


def _plain(source: str) -> str:
    """Python without IPython's own syntax; each line of that follows as a comment."""
    python, _ = to_python(source)
    if not python or parsed(python) is None:  # a cell magic of another language, or no Python at all
        return _comment(source)
    pairs = zip(source.split("\n"), python.split("\n"), strict=True)
    return "\n".join(now if now == was else f"{now}  # in IPython: {was.strip()}" for was, now in pairs)


def report(notebook: Json) -> str:
    """The notebook as an HTML page that fetches nothing, by nbconvert. Raises `UserError` where that is missing."""
    try:
        from jinja2 import DictLoader
        from nbconvert import HTMLExporter
    except ImportError:
        raise UserError("an HTML report needs nbconvert: pip install nbconvert") from None
    import nbformat

    loader = DictLoader({"report.html.j2": _OFFLINE})
    exporter: Any = HTMLExporter(template_file="report.html.j2", extra_loaders=[loader])  # type: ignore[no-untyped-call]
    body, _ = exporter.from_notebook_node(nbformat.from_dict(notebook))
    return str(body)
