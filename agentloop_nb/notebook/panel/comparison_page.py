"""Two runs side by side as static HTML, in the look of a run's own page: no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from agentloop_nb.export.destination import PAGE_MARK
from agentloop_nb.notebook.panel.cards import card
from agentloop_nb.notebook.panel.html import UI
from agentloop_nb.notebook.panel.limits import MAX_PROSE
from agentloop_nb.notebook.panel.outputs import markdown
from agentloop_nb.notebook.panel.safe_text import prose, shortened
from agentloop_nb.notebook.panel.static_steps import BOX, LINE, MUTED, step_html
from agentloop_nb.reports.compare import Comparison, Row
from agentloop_nb.state import State
from agentloop_nb.step import Step

_TABLE = f"{UI};width:100%;table-layout:fixed;border-collapse:collapse;margin:2px 0 6px"
_CELL = f"vertical-align:top;text-align:start;padding:3px 6px;border-bottom:1px solid {LINE};overflow-wrap:anywhere"
_NAME = f"{_CELL};width:7em;{MUTED}"


def comparison_html(comparison: Comparison) -> str:
    """Return the comparison as one piece of HTML with inline styles."""
    left, right = comparison.left, comparison.right
    parts = [
        _table("", comparison, map(_row, comparison.heads)),
        _shared(comparison),
        _table("Step", comparison, _pairs(comparison)),
        _table("Variable", comparison, map(_row, comparison.variables)),
        _table("File", comparison, map(_row, comparison.files)),
        _table("Answer", comparison, [("", _answer(left), _answer(right))]),
    ]
    return f'<div style="{UI}">{"".join(parts)}</div>'


def comparison_page(comparison: Comparison) -> str:
    """Return the same as a page of its own, which follows the reader's light or dark."""
    title = f"{prose(comparison.left.run)} and {prose(comparison.right.run)}"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{PAGE_MARK}<meta charset="utf-8"><title>{title}</title>'
        '<meta name="color-scheme" content="light dark"></head>'
        f"<body>{comparison_html(comparison)}</body></html>\n"
    )


def write_page(comparison: Comparison, path: Path) -> str:
    """Write it as a page, and say so. Raises `UserError` where a file of the user's stands there."""
    from agentloop_nb.export.destination import refuse_theirs

    refuse_theirs(path)
    path.write_text(comparison_page(comparison), encoding="utf-8", errors="backslashreplace")
    return f"{path}: {comparison.told}"


def _shared(comparison: Comparison) -> str:
    told = f"<b>{prose(comparison.told)}</b>"
    if not comparison.shared:
        return f'<div style="margin:4px 0">{told}</div>'
    steps = "".join(_step(pair.left, comparison.left) for pair in comparison.shared)
    return f'<div style="{BOX};padding:3px 10px;margin:3px 0"><details><summary>{told}</summary>{steps}</details></div>'


def _table(name: str, comparison: Comparison, rows: Iterable[tuple[str, str, str]]) -> str:
    """Return a table of a name and a cell a run; the cells are markup already. Empty without rows."""
    body = "".join(
        f'<tr style="background:transparent"><td style="{_NAME}">{head}</td>'
        f'<td style="{_CELL}">{left}</td><td style="{_CELL}">{right}</td></tr>'
        for head, left, right in rows
    )
    if not body:
        return ""
    runs = "".join(f'<th style="{_CELL}">{prose(state.run)}</th>' for state in (comparison.left, comparison.right))
    head = f'<tr style="background:transparent"><th style="{_NAME}">{prose(name)}</th>{runs}</tr>'
    return f'<table style="{_TABLE}"><thead>{head}</thead><tbody>{body}</tbody></table>'


def _row(row: Row) -> tuple[str, str, str]:
    left, right = (f'<span style="white-space:pre-wrap">{prose(shortened(each, MAX_PROSE))}</span>' for each in row[1:])
    return prose(row.name), left, right


def _pairs(comparison: Comparison) -> Iterator[tuple[str, str, str]]:
    """Yield the steps that are not shared; where the runs part, the cards are open."""
    for index, pair in enumerate(comparison.pairs):
        number = (pair.left or pair.right or Step(0)).number
        mark = "the same" if pair.same else "decided the same" if pair.same_decision else ""
        cells = ((pair.left, comparison.left), (pair.right, comparison.right))
        left, right = (_step(step, state, opened=index == 0) for step, state in cells)
        yield f"{number}<div>{mark}</div>", left, right


def _step(step: Step | None, state: State, *, opened: bool = False) -> str:
    return step_html(card(step, state), opened=opened) if step else ""


def _answer(state: State) -> str:
    return markdown(shortened(state.summary, MAX_PROSE)) if state.summary else ""
