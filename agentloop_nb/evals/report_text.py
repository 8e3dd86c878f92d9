"""The report of an evaluation as text for a terminal."""

from __future__ import annotations

from rich.box import HORIZONTALS
from rich.table import Table
from rich.text import Text

from agentloop_nb._internal.text import clean
from agentloop_nb.evals.evaluation_report import COLUMNS, Report, cells, compared
from agentloop_nb.terminal.printed import printed


def as_text(report: Report, width: int = 110) -> str:
    """Return what was found: a column a contender, then the comparisons; `width` is that of the screen."""
    table = Table(box=HORIZONTALS)
    table.add_column("")
    for score in report.scores:
        table.add_column(clean(score.contender), overflow="fold")
    found = [cells(score) for score in report.scores]
    for number, name in enumerate(COLUMNS):
        table.add_row(name, *(Text(each[number]) for each in found))
    return printed([Text(clean(report.head)), table, *(Text(clean(compared(pair))) for pair in report.pairings)], width)
