"""An analysis that an outside agent does, as its model calls tools: with an error, an undo and a figure."""

from __future__ import annotations

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


def _step(code: str, why: str) -> Answer:
    return tool_call("run_code", code=code, why=why, timeout=30)


def analysis() -> list[Answer]:
    """Return the calls, anew for each run."""
    return [
        tool_call("describe_namespace"),
        _step(KNOWN, "Count what is known."),
        _step("sum(known['amount'])", "Add it up."),
        _step("total = sum(row['amount'] for row in known)\nprint(total)", "Add it up row by row: known is a list."),
        _step("sales.clear()", "Make room."),
        tool_call("undo", steps=1),
        _step(BY_MONTH, "Sum by month."),
        _step(FIGURE, "Show the months beside each other."),
        tool_call("write_file", filename="march.md", content="March: 7 of 40.\n", why="Keep the finding."),
        tool_call("finish", summary="March has **7** of 40.", artifacts=["march.md"], why="It is answered."),
        tool_call("export", path="analysis.ipynb"),
    ]
