"""A run as static HTML, plain text and native outputs, readable where scripts, styles and folding are gone.

Styles sit on `div` and `span`, which every sanitiser knows; one that shows unknown tags as text then shows short ones.
"""

from __future__ import annotations

import re
from typing import Any

from agentloop_nb._internal.amounts import duration
from agentloop_nb._internal.markup import figure, harmless
from agentloop_nb.actions import RunCode
from agentloop_nb.notebook.panel.cards import MAX_PROSE, Card, Chip, Header, card, header
from agentloop_nb.notebook.panel.highlight import highlighted
from agentloop_nb.notebook.panel.outputs import Block, is_figure
from agentloop_nb.notebook.panel.safe_text import escape, one_line, prose, shortened
from agentloop_nb.state import State

MimeBundle = dict[str, Any]

LINE = "rgba(128,128,128,.35)"
BOX = f"border:1px solid {LINE};border-radius:4px"
UI = "font-family:var(--jp-ui-font-family, system-ui, sans-serif);font-size:13px;line-height:1.45"
MUTED = "color:color-mix(in srgb, currentColor 72%, transparent)"
_BAD = "color:#d1242f;color:color-mix(in srgb, #d1242f 75%, currentColor)"
_GOOD = "color:#1a7f37;color:color-mix(in srgb, #1a7f37 75%, currentColor)"
_PRE = (
    "font-family:var(--jp-code-font-family, ui-monospace, monospace);font-size:12px;line-height:1.4;margin:4px 0;"
    "padding:4px 8px;white-space:pre-wrap;overflow-wrap:anywhere;background:transparent;color:inherit;border:0;"
    "unicode-bidi:isolate;text-align:start"
)
_CODE = _PRE + ";background:rgba(128,128,128,.09);border-radius:3px"
_SIGNS = {"done": "✓", "failed": "✗", "stopped": "■", "refused": "⊘", "cut": "…"}
PAPER = "<style>@media print{.agentloop-run details::details-content{content-visibility:visible;display:block}}</style>"
"""Opens every step on paper, which no inline style can; it stands last, for readers that show it as text."""
FOLD = 16
"""Lines of a long output shown before its fold."""


def static_html(state: State) -> str:
    """The whole run as one piece of HTML: inline styles but for paper, no script, nothing fetched."""
    top = header(state)
    steps = "".join(step_html(card(step, state), opened=step is state.steps[-1]) for step in state.steps)
    return f'<div class="agentloop-run" style="{UI};margin:2px 0 6px">{_header(top)}{steps}{PAPER}</div>'


def plain_text(state: State) -> str:
    """The run in a few lines of plain text."""
    top = header(state)
    lines = [f"agent: {top['label']}, {top['step']} of {top['steps']} steps, {top['cost']}", one_line(top["goal"])]
    if top["reason"]:
        lines.append(top["reason"])
    for step in state.steps:
        shown = card(step, state)
        error = f" — {one_line(shown['error'])}" if shown.get("error") else ""
        lines.append(f"{_SIGNS.get(shown['state'], '·')} {shown['n']} {shown['action']}: {shown['title']}{error}")
    if state.summary:
        lines += ["", shortened(state.summary, MAX_PROSE)]
    return "\n".join(lines)


def final_outputs(state: State) -> list[MimeBundle]:
    """What a run leaves as outputs of its own below the panel: the last step's figures that has any, and the answer."""
    found: list[MimeBundle] = []
    for step in reversed(state.steps):
        shown = [output for output in step.result.outputs if is_figure(output)] if step.result else []
        figures = [kept for output in shown if (kept := figure(dict(output["data"]), _code_of(state)))]
        if figures:
            found = figures
            break
    if state.summary:
        answer = shortened(state.summary, MAX_PROSE)
        found.append({"text/markdown": _tame(answer), "text/plain": answer})
    return found


_MONEY = re.compile(r"(?<!\\)\$(?=\d[\d,.]*[kKmMbB]?(?![\w$^_{\\]))", re.ASCII)


def _tame(source: str) -> str:
    """Take from Markdown what would fetch something as soon as it is shown, and the mathematics from sums of money."""
    return _MONEY.sub(r"\\$", harmless(source))


def _code_of(state: State) -> list[str]:
    """Code that was run, by the user before and by the run."""
    decisions = (step.decision.action for step in state.steps if step.decision)
    return [*state.cells, *(action.code for action in decisions if isinstance(action, RunCode))]


def _header(top: Header) -> str:
    tone = _GOOD if top["status"] == "finished" else _BAD if top["status"] in ("failed", "interrupted") else ""
    meters = [
        ("Steps", f"{top['step']} of {top['steps']}"),
        ("Time", duration(top["elapsed"])),
        ("Tokens", top["tokens_detail"]),
        ("Cost", top["cost"]),
        ("Model", top["model"]),
        ("Run", top["run"]),
    ]
    told = " · ".join(f'<span style="{MUTED}">{name}</span> {prose(value)}' for name, value in meters if value)
    reason = f'<div style="margin:2px 0">{prose(top["reason"])}</div>' if top["reason"] else ""
    return (
        f'<div style="{BOX};padding:6px 10px;margin:0 0 4px">'
        f'<div dir="auto"><b style="{tone}">{prose(top["label"].capitalize())}</b> · '
        f'<b style="white-space:pre-wrap;overflow-wrap:anywhere">{prose(top["goal"])}</b></div>{reason}'
        f'<div style="font-size:12px">{told}</div></div>'
    )


def step_html(shown: Card, *, opened: bool) -> str:
    """One step behind its fold."""
    sign, bad = _SIGNS.get(shown["state"], "·"), shown["state"] == "failed"
    meta = " · ".join(shown.get("meta", ()))
    error = f' <span style="{_BAD}">{prose(one_line(shown["error"], 90))}</span>' if bad and "error" in shown else ""
    summary = (
        f'<summary><span style="overflow-wrap:anywhere;cursor:pointer" dir="auto">'
        f'<span style="{_BAD if bad else MUTED}">{sign}</span> '
        f"{shown['icon']} <b>{shown['n']}. {prose(shown['title'])}</b>{error}"
        f'<span style="{MUTED};font-size:12px"> {prose(meta)}</span></span></summary>'
    )
    return (
        f'<div style="{BOX};padding:3px 10px;margin:3px 0"><details{" open" if opened else ""}>'
        f'{summary}<div style="padding:2px 0 4px">{_body(shown)}</div></details></div>'
    )


def _body(shown: Card) -> str:
    style = f"margin:2px 0;white-space:pre-wrap;{MUTED}"
    parts = [f'<div style="{style}"><i>{prose(line)}</i></div>' for line in shown.get("quiet", ())]
    if shown.get("risks"):
        parts.append(f'<div style="margin:2px 0;{MUTED}">Touches: {prose(", ".join(shown["risks"]))}</div>')
    if shown.get("reasoning") and shown["reasoning"] != shown["title"]:
        parts.append(f'<div style="margin:2px 0 4px;white-space:pre-wrap" dir="auto">{prose(shown["reasoning"])}</div>')
    if shown.get("thoughts"):
        folded = f'<div style="{style}" dir="auto">{prose(shown["thoughts"])}</div>'
        parts.append(f"<details><summary>{prose(shown['thought'])}</summary>{folded}</details>")
    if shown.get("code"):
        parts.append(f'<pre style="{_CODE}">{highlighted(shown["code"], shown["lang"], shown.get("mark", 0))}</pre>')
    parts += [block_html(block) for block in shown.get("out", ())]
    parts.append(_error(shown))
    if shown.get("chips"):
        parts.append(f'<div style="margin:4px 0 0">{" ".join(map(_chip, shown["chips"]))}</div>')
    return "".join(parts)


def _error(shown: Card) -> str:
    if not shown.get("error"):
        return ""
    tone = f"{_BAD};font-weight:bold" if shown["state"] == "failed" else MUTED
    line = f'<div style="margin:4px 0;{tone};overflow-wrap:anywhere">{prose(shown["error"])}</div>'
    if not shown.get("trace"):
        return line
    return f'{line}<details><summary>Traceback</summary><pre style="{_PRE}">{escape(shown["trace"])}</pre></details>'


def _chip(chip: Chip) -> str:
    what = f' <span style="{MUTED}">{prose(chip["what"])}</span>' if chip["what"] else ""
    back = f" <code>%agent restore {escape(chip['name'])}</code>" if chip["restore"] else ""
    mark = "⚠ " if chip["warn"] else ""
    return (
        f'<span style="border:1px solid {LINE};border-radius:9px;padding:0 7px;font-size:12px;white-space:nowrap">'
        f'{mark}<span style="{MUTED}">{prose(chip["how"])}</span> <b>{prose(chip["name"])}</b>{what}{back}</span>'
    )


def block_html(block: Block) -> str:
    """One block of output as HTML with inline styles."""
    if block["kind"] == "picture":
        style = "max-width:100%;height:auto;background:#fff;margin:4px 0"
        return f'<img src="{escape(block["src"])}" alt="{escape(block["alt"])}" style="{style}">'
    if block["kind"] == "html":
        return f'<div style="overflow-wrap:anywhere" dir="auto">{block["html"]}</div>'
    lines = list(block["head"])
    if block["skipped"]:
        lines.append(f"<i>… {block['skipped']:,} lines are not shown; the record has them …</i>")
    lines += block["tail"]
    tone = f"{_PRE};border-inline-start:3px solid {LINE}" if block["name"] == "stderr" else _PRE
    if len(lines) <= FOLD + 4:
        return f'<pre style="{tone}">{_join(lines)}</pre>'
    rest = len(lines) - FOLD
    return (
        f'<pre style="{tone};margin-bottom:0">{_join(lines[:FOLD])}</pre><details>'
        f'<summary><span style="{MUTED}">{rest:,} more lines</span></summary>'
        f'<pre style="{tone};margin-top:0">{_join(lines[FOLD:])}</pre></details>'
    )


def _join(lines: list[str]) -> str:
    return "\n".join(lines).rstrip("\n")
