"""Two runs side by side, as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.box import HORIZONTALS
from rich.table import Table
from rich.text import Text

from agentloop_nb._internal import amounts
from agentloop_nb._internal.text import clean
from agentloop_nb.actions import Finish, RunCode
from agentloop_nb.actions.output_text import describe_change, text_of
from agentloop_nb.reports.compare import Comparison, Pair, Row
from agentloop_nb.step import Step
from agentloop_nb.terminal.printed import printed

SHOWN_LINES = 12
"""Lines of one source or output; the records keep them all."""


def comparison_text(comparison: Comparison, width: int = 110) -> str:
    """Return the comparison in two columns; `width` is that of the screen, in characters."""
    return printed(_tables(comparison), width)


def _tables(comparison: Comparison) -> Iterator[Any]:
    heads = (comparison.left.run, comparison.right.run)
    yield _table(("", *heads), comparison.heads)
    yield Text(comparison.told)
    if comparison.pairs:
        yield _table(("step", *heads), map(_steps, comparison.pairs), apart=True)
    for name, rows in (("variable", comparison.variables), ("file", comparison.files)):
        if rows:
            yield _table((name, *heads), (Row(row.name, row.left or "-", row.right or "-") for row in rows))
    summaries = Row("", comparison.left.summary or "-", comparison.right.summary or "-")
    yield _table(("answer", *heads), [summaries])


def _table(heads: tuple[str, str, str], rows: Iterable[Row], *, apart: bool = False) -> Table:
    table = Table(box=HORIZONTALS, show_lines=apart, expand=True)
    table.add_column(heads[0], no_wrap=True)
    for head in heads[1:]:
        table.add_column(head, ratio=1, overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(each)) for each in row))
    return table


def _steps(pair: Pair) -> Row:
    number = str((pair.left or pair.right or Step(0)).number)
    mark = "\n=" if pair.same else "\n≈" if pair.same_decision else ""
    return Row(number + mark, _step(pair.left), _step(pair.right))


def _step(step: Step | None) -> str:
    """Return what was decided, why, and what came of it."""
    if step is None:
        return "-"
    if step.decision is None:
        return "no decision"
    action = step.decision.action
    what = (
        action.code.strip("\n") if isinstance(action, RunCode) else "" if isinstance(action, Finish) else action.title
    )
    cost = amounts.cost(step.cost) if step.cost_known else "price unknown"
    head = f"{action.name} · {step.thinking + step.seconds:.1f} s · {cost}"
    said = (f"you said: {note}" for note in step.notes)
    return "\n".join(filter(None, [*said, head, step.decision.reasoning, _indented(what), *_result(step)]))


def _result(step: Step) -> Iterator[str]:
    if step.result is None:
        yield "cut off"
        return
    if step.result.error:
        yield f"✗ {step.result.error}"
    yield _bounded(text_of(step.result.outputs))
    yield "; ".join(map(describe_change, step.result.changes))


def _indented(source: str) -> str:
    return "\n".join(f"  {line}" for line in _bounded(source).splitlines())


def _bounded(text: str) -> str:
    lines = text.splitlines()
    if len(lines) <= SHOWN_LINES:
        return text
    return "\n".join([*lines[:SHOWN_LINES], f"[… {len(lines) - SHOWN_LINES} more lines …]"])
