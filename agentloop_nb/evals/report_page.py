"""The report of an evaluation as one HTML page: no script, no request, light and dark."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from agentloop_nb._internal.amounts import dollars, duration
from agentloop_nb._internal.text import STATUS_WORDS, counted
from agentloop_nb.evals.evaluation_report import COLUMNS, Report, cells, compared, marks
from agentloop_nb.evals.outcome import Outcome
from agentloop_nb.evals.run_page import checks_html
from agentloop_nb.evals.scores import Score
from agentloop_nb.evals.trial import PAGE
from agentloop_nb.export.destination import PAGE_MARK
from agentloop_nb.export.report_formats import STYLE
from agentloop_nb.notebook.panel.safe_text import escape, one_line, prose, shortened

_STYLE = """
:root{--good:#1a7f37;--bad:#cf222e}
@media (prefers-color-scheme:dark){:root{--good:#57ab5a;--bad:#f47067}}
body{max-width:1080px}td.n{text-align:end;font-variant-numeric:tabular-nums}.good{color:var(--good)}
.bad{color:var(--bad)}.mark{text-decoration:none;font-weight:600;padding:0 3px}
.bar{position:relative;height:14px;min-width:180px;background:var(--tint);border:1px solid var(--line);
border-radius:3px}
.bar i,.bar b{position:absolute;top:0;bottom:0}.bar i{left:0;background:var(--good);opacity:.55}
.bar b{border:solid CanvasText;border-width:0 1px;opacity:.7}
.bar b::after{content:"";position:absolute;left:0;right:0;top:6px;border-top:1px solid CanvasText}
details{border-bottom:1px solid var(--line)}details>ul{margin:.2em 0}summary{padding:3px 0;color:inherit}
"""
_NOTE = (
    "An answer is right if every check holds. Dollars, tokens, steps and seconds are those of all runs, wrong ones "
    "too, divided by the right answers. The interval is Wilson's; each task counts once. Reproduced: the exported "
    "notebook of a right answer came out the same in a fresh kernel. Wrong but claimed: a check failed, and the model "
    "said that the goal is met."
)


def write_page(report: Report, path: Path) -> None:
    """Write the page."""
    title = f"{', '.join(score.contender for score in report.scores)} on {report.suite}"
    parts = [
        f"<h1>{prose(title)}</h1>",
        f'<p class="muted">{prose(report.head)}</p>',
        _overview(report),
        *(f"<p>{prose(compared(pair))}</p>" for pair in report.pairings),
        f'<p class="muted">{_NOTE}</p>',
        f'<h2>Tasks</h2><p class="muted">{"; ".join(f"{sign} {told}" for sign, told in _SIGNS.items())}</p>',
        _tasks(report),
        '<h2 id="runs">Runs</h2>',
        *map(_run, report.outcomes),
    ]
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head>{PAGE_MARK}<meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{_STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )
    path.write_text(page, encoding="utf-8", errors="backslashreplace")


def _overview(report: Report) -> str:
    heads = "".join(f'<th scope="col">{prose(score.contender)}</th>' for score in report.scores)
    rows = [f"<tr><th></th>{heads}</tr>"]
    for number, name in enumerate(COLUMNS):
        bars = [_bar(score) if name == "accuracy" else "" for score in report.scores]
        told = (f"<td>{escape(cells(score)[number])}{bar}</td>" for score, bar in zip(report.scores, bars, strict=True))
        rows.append(f'<tr><th scope="row">{name}</th>{"".join(told)}</tr>')
    return f'<div class="wide"><table>{"".join(rows)}</table></div>'


def _bar(score: Score) -> str:
    """Return the accuracy as a bar, with its interval drawn over it."""
    if score.accuracy is None or score.interval is None:
        return ""
    low, high = score.interval
    return (
        f'<div class="bar" role="img" aria-label="{score.accuracy:.0%}, {low:.0%} to {high:.0%}">'
        f'<i style="width:{score.accuracy:.1%}"></i><b style="left:{low:.1%};right:{1 - high:.1%}"></b></div>'
    )


def _tasks(report: Report) -> str:
    """Return a row a task, a mark a run, each of which leads to it."""
    heads = "".join(f'<th scope="col">{prose(score.contender)}</th>' for score in report.scores)
    rows = (
        f'<tr><th scope="row">{prose(task)}</th><td>{prose(area)}</td>{_marks(report, task)}</tr>'
        for task, area in zip(report.tasks, report.areas, strict=True)
    )
    return f'<div class="wide"><table><tr><th>task</th><th>area</th>{heads}</tr>{"".join(rows)}</table></div>'


def _marks(report: Report, task: str) -> str:
    found = (marks(report, task, score.contender) for score in report.scores)
    return "".join(f"<td>{''.join(map(_mark, each)) or '—'}</td>" for each in found)


def _mark(each: Outcome) -> str:
    sign, told = _sign(each)
    tone = "good" if each.right else "bad"
    return f'<a class="mark {tone}" href="{_page(each)}" title="{told}">{sign}</a>'


_SIGNS = {"✓": "right", "✗": "wrong, and claimed success", "○": "wrong, and did not claim success", "!": "broke"}


def _sign(each: Outcome) -> tuple[str, str]:
    sign = "!" if each.fault else "✓" if each.right else "✗" if each.claimed else "○"
    return sign, _SIGNS[sign]


def _page(each: Outcome) -> str:
    return escape(quote(f"{each.folder}/{PAGE}")) if each.folder else "#runs"


def _run(each: Outcome) -> str:
    sign, told = _sign(each)
    cost = dollars(each.cost) if each.cost_known else "price unknown"
    facts = f"{STATUS_WORDS.get(each.status, each.status)}, {counted(each.steps, 'step')}, {each.tokens:,} tokens"
    again = f" ({each.repeat})" if each.repeat > 1 else ""
    head = f"{sign} {each.task}{again}, {each.contender}: {told}; {facts}, {cost}, {duration(each.seconds)}"
    return f"<details><summary>{prose(head)}</summary>{''.join(_inside(each))}</details>"


def _inside(each: Outcome) -> Iterable[str]:
    if each.fault:
        yield f"<p>{prose(each.fault)}</p>"
    else:
        yield checks_html(each.judged)
    if each.summary:
        yield f"<p>{prose(one_line(shortened(each.summary, 1000)))}</p>"
    if each.verdict:
        yield f'<p class="muted">{prose(each.verdict)}</p>'
    if each.folder:
        yield f'<p><a href="{_page(each)}">Every step of run {escape(each.run)}</a></p>'
