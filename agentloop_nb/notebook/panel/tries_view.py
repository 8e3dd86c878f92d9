"""The tries of one goal as static HTML, in the live panel's look: a line each, which is the best, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from agentloop_nb.notebook.panel.html import UI
from agentloop_nb.notebook.panel.safe_text import escape, inline, prose
from agentloop_nb.notebook.panel.static_steps import BOX, LINE, MUTED, dot

_ROW = f"display:flex;flex-wrap:wrap;align-items:baseline;gap:0 6px;padding:3px 10px;border-top:1px solid {LINE}"
_DOING = f"flex:1 1 16em;min-width:0;overflow-wrap:anywhere;{MUTED}"
_META = f"margin-inline-start:auto;{MUTED};font-size:11.5px;font-variant-numeric:tabular-nums"
_COMMAND = f"display:block;margin:3px 0;padding:3px 8px;{BOX};background:var(--agl-t);white-space:pre-wrap"


class TryLine(NamedTuple):
    """What is shown of one try."""

    name: str
    status: str
    """Empty before it began."""
    told: str
    """The status in words, and what it was ranked by."""
    doing: str
    meta: str
    best: bool = False


def tries_html(goal: str, tries: Sequence[TryLine], said: str = "", compare: str = "") -> str:
    """Draw the tries, and `said` of their ranking with the line to type that compares them."""
    ended = sum(each.status not in ("", "running") for each in tries)
    stand = f'<div style="{MUTED}">{ended} of {len(tries)} have ended</div>'
    head = f"<b>{len(tries)} tries</b> · {prose(goal)}"
    parts = [f'<div style="padding:6px 10px" dir="auto">{head}{stand}</div>', *map(_row, tries)]
    if said:
        typed = f'<div>Side by side: <code style="{_COMMAND}">{escape(compare)}</code></div>' if compare else ""
        parts.append(f'<div style="padding:6px 10px;border-top:1px solid {LINE}"><b>{prose(said)}</b>{typed}</div>')
    return f'<div style="{UI};{BOX};margin:2px 0 6px;overflow:hidden">{"".join(parts)}</div>'


def _row(each: TryLine) -> str:
    best = " · the best" if each.best else ""
    meta = f'<span style="{_META}">{prose(each.meta)}</span>'
    return (
        f'<div style="{_ROW}"><span>{dot(each.status) if each.status else ""}<b>{prose(each.name)}</b>'
        f"{prose(f' · {each.told}{best}' if each.told else '')}</span>"
        f'<span style="{_DOING}" dir="auto">{inline(each.doing)}</span>{meta}</div>'
    )
