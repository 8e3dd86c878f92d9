"""The report of an evaluation as text for a terminal."""

from __future__ import annotations

import io

from rich.box import HORIZONTALS
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agentloop_nb._internal.text import clean
from agentloop_nb.evals.evaluation_report import COLUMNS, Report, cells, compared


def as_text(report: Report, width: int = 110) -> str:
    """Return what was found: a column a contender, then the comparisons; `width` is that of the screen."""
    written = io.StringIO()
    console = Console(file=written, width=width, color_system=None, markup=False, emoji=False, highlight=False)
    console.print(Text(clean(report.head)))
    table = Table(box=HORIZONTALS)
    table.add_column("")
    for score in report.scores:
        table.add_column(clean(score.contender), overflow="fold")
    found = [cells(score) for score in report.scores]
    for number, name in enumerate(COLUMNS):
        table.add_row(name, *(Text(each[number]) for each in found))
    console.print(table)
    for pair in report.pairings:
        console.print(Text(clean(compared(pair))))
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())
