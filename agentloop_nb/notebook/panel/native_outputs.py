"""Outputs of their own below a finished run, for readers that strip HTML: the answer's figures, and the answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from agentloop_nb._internal.markup import figure, harmless
from agentloop_nb._internal.text import joined
from agentloop_nb.actions import RunCode
from agentloop_nb.export.evidence import exhibits
from agentloop_nb.notebook.panel.limits import MAX_PROSE
from agentloop_nb.notebook.panel.safe_text import shortened
from agentloop_nb.notebook.panel.saved_picture import PNG, saved, with_saved_picture
from agentloop_nb.state import State

MimeBundle = dict[str, Any]

ROOM = 90_000
"""Characters of figures that are said again below the panel; the newest is, however large it is."""
ALL_FIGURES = 440_000
"""Characters of all figures of a run, as PNG and with those that are said again, up to which there is that room."""
_MONEY = re.compile(r"(?<!\\)\$(?=\d[\d,.]*[kKmMbB]?(?![\w$^_{\\]))", re.ASCII)


def final_outputs(state: State) -> list[MimeBundle]:
    """Return outputs below the panel, for readers that strip its HTML: the answer's figures, and the answer.

    What only an interactive figure's own output can show comes last, and is not hidden by the panel's sheet.
    """
    shown = [dict(each.output["data"]) for each in exhibits(state) if each.kind == "figure"]
    figures = [with_saved_picture(kept) for data in shown if (kept := figure(data, _code_of(state)))]
    found = _newest([bundle for bundle in figures if not interactive(bundle)], min(ROOM, ALL_FIGURES - _drawn(state)))
    if state.summary:
        answer = shortened(state.summary, MAX_PROSE)
        found.append({"text/markdown": _tame(answer), "text/plain": answer})
    return found + [bundle for bundle in figures if interactive(bundle)]


def _drawn(state: State) -> int:
    """Count the characters of the figures that the steps hold, as they are saved."""
    outputs = (output.get("data") or {} for step in state.steps if step.result for output in step.result.outputs)
    return sum(len(saved(joined(data[PNG]))) for data in outputs if PNG in data)


def _newest(bundles: Sequence[MimeBundle], left: int) -> list[MimeBundle]:
    """Leave out the oldest for which there is no room."""
    kept: list[MimeBundle] = []
    for bundle in reversed(bundles):
        left -= sum(map(len, map(str, bundle.values())))
        if left < 0 and kept:
            break
        kept.insert(0, bundle)
    return kept


def interactive(bundle: MimeBundle) -> bool:
    """Tell whether an output is a figure that only its own output can show."""
    return any(mime.startswith("application/vnd.") for mime in bundle)


def _tame(source: str) -> str:
    """Take from Markdown what would fetch something as soon as it is shown, and the mathematics from sums of money."""
    return _MONEY.sub(r"\\$", harmless(source))


def _code_of(state: State) -> list[str]:
    """Code that was run, by the user before and by the run."""
    decisions = (step.decision.action for step in state.steps if step.decision)
    return [*state.cells, *(action.code for action in decisions if isinstance(action, RunCode))]
