"""A step of a finished run as static HTML: one line, and what it did behind its fold.

Styles sit on `div` and `span`, which every sanitiser knows; one that shows unknown tags as text then shows short ones.
"""

from __future__ import annotations

from collections.abc import Iterable

from agentloop_nb._internal.text import counted
from agentloop_nb.notebook.panel.cards import Card, Chip
from agentloop_nb.notebook.panel.highlight import highlighted
from agentloop_nb.notebook.panel.outputs import Block
from agentloop_nb.notebook.panel.safe_text import escape, inline, one_line, prose
from agentloop_nb.notebook.panel.saved_picture import PNG, saved_address

_FACE = "var(--jp-code-font-family, ui-monospace, monospace)"
TONES = (
    "--agl-l:rgba(128,128,128,.35);--agl-q:color-mix(in srgb, currentColor 72%, transparent);"
    "--agl-x:color-mix(in srgb, #d1242f 75%, currentColor);--agl-g:color-mix(in srgb, #1a7f37 75%, currentColor);"
    f"--agl-f:{_FACE};--agl-t:rgba(128,128,128,.09)"
)
"""What the styles below name, as properties of an element around the steps: said once, not at each of them."""
LINE = "var(--agl-l)"
BOX = f"border:1px solid {LINE};border-radius:4px"
MUTED = "color:var(--agl-q)"
BAD = "color:var(--agl-x)"
GOOD = "color:var(--agl-g)"
_PRE = (
    "font:12px/1.4 var(--agl-f);margin:4px 0;padding:4px 8px;white-space:pre-wrap;overflow-wrap:anywhere;"
    "color:inherit;border:0;unicode-bidi:isolate;text-align:start;background:"
)
_TEXT = f"{_PRE}transparent"
_CODE = f"{_PRE}var(--agl-t);border-radius:3px"
_ROW = "display:flex;flex-wrap:wrap;align-items:baseline;gap:0 6px;padding:3px 10px;cursor:pointer"
_TITLE = "flex:1 1 16em;min-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;unicode-bidi:isolate"
_META = f"margin-inline-start:auto;{MUTED};font-size:11.5px;font-variant-numeric:tabular-nums;white-space:nowrap"
_DOTS = {"finished": "#1a7f37", "failed": "#d1242f", "interrupted": "#d1242f", "running": "#1976d2"}
_WARN = "#9a6700"
SIGNS = {"done": "✓", "failed": "✗", "stopped": "■", "refused": "⊘", "cut": "…"}
SCROLLED = 30
"""Lines of an output from which on it scrolls in a box."""


def dot(status: str) -> str:
    """Draw a status as the dot that the live panel has."""
    style = "display:inline-block;width:8px;height:8px;border-radius:50%;margin-inline-end:6px"
    return f'<span style="{style};background:{_DOTS.get(status, _WARN)}"></span>'


def step_html(shown: Card, *, opened: bool = False, marks: Iterable[str] = (), target: str = "") -> str:
    """One step behind its fold; `marks` say what it holds.

    A browser that follows a link to `target` opens the fold that it is in; JupyterLab only scrolls, so to the step.
    """
    named, seen = (f' id="{target}"', f' data-jupyter-id="{target}"') if target else ("", "")
    failed = shown["state"] == "failed"
    sign = f'<span style="{BAD if failed else GOOD if shown["state"] == "done" else MUTED}">' + SIGNS.get(
        shown["state"], "·"
    )
    hint = f' <span style="{MUTED}">{prose(one_line(shown["error"], 90))}</span>' if shown.get("error") else ""
    told = "".join(f' <span style="{_mark()}">{prose(mark)}</span>' for mark in marks)
    meta = " · ".join(shown.get("meta", ()))
    return (
        f'<div{seen} style="border-top:1px solid {LINE}"><details data-n="{shown["n"]}"{" open" if opened else ""}>'
        f'<summary style="{_ROW}" dir="auto">{sign}</span> {shown["icon"]} '
        f'<span style="{_TITLE}"><b style="font-weight:inherit">{shown["n"]}. {inline(shown["title"])}</b>{hint}</span>'
        f'{told} <span style="{_META}">{prose(meta)}</span></summary>'
        f'<div{named} style="padding:0 10px 8px 30px">{_body(shown)}</div></details></div>'
    )


def _mark() -> str:
    return f"border:1px solid {LINE};border-radius:9px;padding:0 6px;font-size:11px;{MUTED}"


def _body(shown: Card) -> str:
    style = f"margin:2px 0;white-space:pre-wrap;font-size:12px;{MUTED}"
    parts = [f'<div style="{style}"><i>{prose(line)}</i></div>' for line in shown.get("quiet", ())]
    if shown.get("risks"):
        parts.append(f'<div style="margin:2px 0;{MUTED}">Touches: {prose(", ".join(shown["risks"]))}</div>')
    if shown.get("reasoning") and (shown["reasoning"] != shown["title"] or len(shown["title"]) > 60):
        said = inline(shown["reasoning"])
        parts.append(
            f'<div style="margin:2px 0 4px;white-space:pre-wrap;overflow-wrap:anywhere" dir="auto">{said}</div>'
        )
    if shown.get("thoughts"):
        folded = f'<div style="{style}" dir="auto">{prose(shown["thoughts"])}</div>'
        parts.append(f"<details><summary>{prose(shown['thought'])}</summary>{folded}</details>")
    if shown.get("code"):
        parts.append(
            f'<pre data-code style="{_CODE}">{highlighted(shown["code"], shown["lang"], shown.get("mark", 0))}</pre>'
        )
    parts += [block_html(block) for block in shown.get("out", ())]
    parts.append(_error(shown))
    if shown.get("chips"):
        parts.append(f'<div style="margin:4px 0 0">{" ".join(map(_chip, shown["chips"]))}</div>')
    return "".join(parts)


def _error(shown: Card) -> str:
    if not shown.get("error"):
        return ""
    tone = BAD if shown["state"] == "failed" else MUTED
    line = f'<div style="margin:4px 0;{tone};overflow-wrap:anywhere">{prose(shown["error"])}</div>'
    if not shown.get("trace"):
        return line
    return f'{line}<details><summary>Traceback</summary><pre style="{_TEXT}">{escape(shown["trace"])}</pre></details>'


def _chip(chip: Chip) -> str:
    what = f' <span style="{MUTED}">{prose(chip["what"])}</span>' if chip["what"] else ""
    back = f" <code>%agent restore {escape(chip['name'])}</code>" if chip["restore"] else ""
    mark = "⚠ " if chip["warn"] else ""
    return (
        f'<span style="border:1px solid {LINE};border-radius:9px;padding:0 7px;font-size:12px;overflow-wrap:anywhere">'
        f'{mark}<span style="{MUTED}">{prose(chip["how"])}</span> <b>{prose(chip["name"])}</b>{what}{back}</span>'
    )


def _saved(address: str) -> str:
    """Return the address of a picture as it is saved."""
    head, _, picture = address.partition(",")
    return saved_address(picture) if head == f"data:{PNG};base64" else address


def block_html(block: Block) -> str:
    """One block of output as HTML with inline styles; a long text scrolls in a box."""
    if block["kind"] == "picture":
        style = "max-width:100%;height:auto;background:#fff;margin:4px 0"
        return f'<img src="{escape(_saved(block["src"]))}" alt="{escape(block["alt"])}" style="{style}">'
    if block["kind"] == "html":
        return f'<div style="overflow-x:auto;overflow-wrap:anywhere" dir="auto">{block["html"]}</div>'
    lines = list(block["head"])
    if block["skipped"]:
        lines.append(f"<i>… {block['skipped']:,} lines are not shown; the record has them …</i>")
    lines += block["tail"]
    tone = f"{_TEXT};border-inline-start:3px solid {LINE}" if block["name"] == "stderr" else _TEXT
    text = "\n".join(lines).rstrip("\n")
    if len(lines) <= SCROLLED:
        return f'<pre style="{tone}">{text}</pre>'
    told = f'<div style="font-size:11.5px;{MUTED}">{counted(len(lines), "line")}, in a box that scrolls</div>'
    return f'{told}<pre tabindex="0" style="{tone};max-height:27em;overflow:auto;border:1px solid {LINE}">{text}</pre>'
