"""Folds of a long run: most of its steps stand behind one line, but not those that a reader looks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import groupby

from agentloop_nb._internal.text import counted
from agentloop_nb.export.evidence import kinds
from agentloop_nb.notebook.panel.static_steps import LINE, MUTED
from agentloop_nb.step import Step

LONG, LAST = 12, 3
"""A run of more steps than that shows the last few, and those its answer rests on; the others stand behind folds."""


def folded_steps(steps: Sequence[Step], row: Callable[[Step], str], rests_on: Collection[int]) -> str:
    """Return the rows of all steps; of a long run those behind folds that the answer does not rest on."""
    kept = {step.number for step in (steps[-LAST:] if len(steps) > LONG else steps)} | set(rests_on)
    parts = []
    for shown, some in groupby(steps, lambda step: step.number in kept):
        group = list(some)
        rows = "".join(map(row, group))
        parts.append(rows if shown or len(group) == 1 else _folded(group, rows))
    return "".join(parts)


def _folded(steps: Sequence[Step], rows: str) -> str:
    held = ", ".join(_held(steps))
    told = f'<span style="{MUTED}"> · {held}</span>' if held else ""
    head = f'<summary style="padding:3px 10px;cursor:pointer">Show {counted(len(steps), "step")}{told}</summary>'
    return f'<div style="border-top:1px solid {LINE}"><details>{head}{rows}</details></div>'


def _held(steps: Sequence[Step]) -> Iterable[str]:
    """Return what steps hold that one may look for: errors, figures, tables."""
    found = Counter(error=sum(step.result is not None and not step.result.success for step in steps))
    for step in steps:
        found.update(kinds(step))
    return [counted(count, noun) for noun, count in found.items() if count]
