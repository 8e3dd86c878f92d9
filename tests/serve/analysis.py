"""An analysis that an outside agent does, as its model calls tools: with an error, an undo and a figure."""

from __future__ import annotations

from typing import Any

import nbformat

from tests.serve.conftest import Notebook
from tests.tool_calls import tool_call
from tests.wire import Answer

SALES = (
    "sales = [{'month': m, 'amount': a} for m, a in"
    " [('Jan', 10), ('Feb', None), ('Mar', 4), ('Jan', 12), ('Mar', 3), ('Feb', 11)]]"
)
"""The person's data."""
TASK = "Find out why sales fell in March."
KNOWN = "known = [row for row in sales if row['amount'] is not None]\nprint(len(known), 'of', len(sales))"
BY_MONTH = (
    "by_month = {}\nfor row in known:\n"
    "    by_month[row['month']] = by_month.get(row['month'], 0) + row['amount']\nprint(by_month)"
)
FIGURE = (
    "import matplotlib.pyplot as plt\nplt.figure(figsize=(4, 2.5))\nplt.bar(list(by_month), list(by_month.values()))\n"
    "plt.title('Sales by month')\nplt.show()"
)


def _step(code: str, why: str) -> tuple[str, dict[str, Any]]:
    return "run_code", {"code": code, "why": why, "timeout": 300}


CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("describe_namespace", {}),
    _step(KNOWN, "Count what is known."),
    _step("sum(known['amount'])", "Add it up."),
    _step("total = sum(row['amount'] for row in known)\nprint(total)", "Add it up row by row: known is a list."),
    _step("sales.clear()", "Make room."),
    ("undo", {"steps": 1}),
    _step(BY_MONTH, "Sum by month."),
    _step(FIGURE, "Show the months beside each other."),
    ("write_file", {"filename": "march.md", "content": "March: 7 of 40.\n", "why": "Keep the finding."}),
    ("finish", {"summary": "March has **7** of 40.", "artifacts": ["march.md"], "why": "It is answered."}),
    ("export", {"path": "analysis.ipynb"}),
)
"""Tools, and their arguments."""


def analysis() -> list[Answer]:
    """Return the calls as OpenAI's chat completions have them, anew for each run."""
    return [tool_call(tool, **arguments) for tool, arguments in CALLS]


def check(notebook: Notebook) -> None:
    """Check what such an analysis leaves behind, and take the notebook away."""
    state = notebook.state()
    assert state.status == "finished"
    results = [step.result.success for step in state.steps if step.result]
    assert results == [True, False, True, True, True, True, True]
    assert "through MCP" in state.decided_by
    exported = nbformat.read(notebook.folder / "analysis.ipynb", as_version=4)
    assert any("image/png" in output.get("data", {}) for cell in exported.cells for output in cell.get("outputs", []))
    assert "sales.clear()" not in "".join(cell.source for cell in exported.cells)
    (notebook.folder / "analysis.ipynb").unlink()
