"""A finished run as static HTML and plain text: the answer first, readable without scripts or styles.

It is the live panel's design, standing still. Styles sit on the elements themselves, because sanitisers drop sheets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial
from urllib.parse import quote

from agentloop_nb._internal.amounts import duration
from agentloop_nb._internal.text import counted
from agentloop_nb.actions import Finish
from agentloop_nb.agent.conclusion import MET
from agentloop_nb.export.claim_links import anchor, grounds_of, with_links
from agentloop_nb.export.evidence import Exhibit, exhibits, kinds
from agentloop_nb.notebook.panel.cards import Card, card
from agentloop_nb.notebook.panel.highlight import PALETTE
from agentloop_nb.notebook.panel.limits import MAX_PROSE
from agentloop_nb.notebook.panel.native_outputs import final_outputs, interactive
from agentloop_nb.notebook.panel.next_commands import NextCommand, lines_html, next_commands
from agentloop_nb.notebook.panel.outputs import Block, block_of, markdown
from agentloop_nb.notebook.panel.plan_card import plan_html
from agentloop_nb.notebook.panel.run_header import Header, header
from agentloop_nb.notebook.panel.safe_text import escape, inline, one_line, prose, shortened
from agentloop_nb.notebook.panel.static_steps import (
    BAD,
    BOX,
    GOOD,
    LINE,
    MUTED,
    SIGNS,
    TONES,
    block_html,
    dot,
    step_html,
)
from agentloop_nb.notebook.panel.step_folds import folded_steps
from agentloop_nb.state import State
from agentloop_nb.step import Step

UI = f"font-family:var(--jp-ui-font-family, system-ui, sans-serif);font-size:13px;line-height:1.45;{PALETTE};{TONES}"
_PART = f"padding:6px 10px;border-top:1px solid {LINE}"
_INNER = "padding:2px 10px 6px"
_COMMAND = re.compile(
    r"[:;,(]?\s{0,5}(?:or )?(?:type )?"
    r"(%agent \w+(?: +(?:-{1,2}[a-z][\w-]*(?: [A-Z]{2,})?|\$?\d[\d.]*|-- [A-Z ]+))*) *([^\n]*)"
)
LONGEST_REASON = 5_000
"""Characters of a reason in which a command is looked for."""
_PLAIN_FILE = re.compile(r"[\w-]+(?:[/ .][\w-]+)*\.\w{1,8}")
NATIVES = 10
"""Outputs below the panel that are hidden where its style sheet is read, at most."""


def _paper() -> str:
    """Return the sheet.

    Folds open on paper, open titles are whole, and what stands below for others is not shown twice.
    """
    output = ".jp-OutputArea-child"  # never `*`: with it a browser looks at the whole page again for each run shown
    drawing = ".jp-RenderedHTML>img:only-child"  # an SVG, which stands in HTML so that it runs no script
    chain, below = "", []
    for number in range(1, NATIVES + 1):
        chain += f"+{output}"
        panel = f':has(.agentloop-run[style*="--k{number}:"])'
        below.append(f"{output}{panel}{chain}:has(.jp-RenderedImage,{drawing},.jp-RenderedMarkdown)")
    return (
        "<style>.agentloop-run summary::-webkit-details-marker{display:none}"
        ".agentloop-run details[open]>summary>span{white-space:normal!important}"
        ".agentloop-run details summary code{white-space:inherit}"
        f"{','.join(below)}{{display:none}}"
        "@media print{.agentloop-run details::details-content{content-visibility:visible;display:block}"
        ".agentloop-run summary>span{white-space:normal!important}"
        ".agentloop-run pre{max-height:none!important;overflow:visible!important}}</style>"
    )


PAPER = _paper()
"""What no inline style can say; it stands last, for readers that show it as text."""


def static_html(state: State, *, natives: bool = False, place: str = "", typed: bool = True) -> str:
    """Draw the whole run as one piece of HTML: inline styles but for `PAPER`, no script, nothing fetched.

    `natives` says that `final_outputs` follow as outputs of their own. `place` is where a live kernel puts buttons;
    `typed` says that the reader can type commands.
    """
    top, shown = header(state), exhibits(state)
    below = final_outputs(state) if natives else []
    hidden = sum(not interactive(bundle) for bundle in below)
    marks = "".join(f"--k{number}:1;" for number in range(1, min(hidden, NATIVES) + 1))
    parts = [
        _header(top, typed=typed, doubtful=bool(state.doubts)),
        _answer(state, place),
        *_exhibits(shown, below=sum(any(mime.startswith("image/") for mime in bundle) for bundle in below)),
        _files(state),
        _verdict(state, typed=typed),
    ]
    parts += [plan_html(state), _steps(state, shown, place), _foot(top)]
    parts += [lines_html(_untold(state, top["reason"]))] if typed and state.status != "running" else []
    style, mark = f"{marks}{UI};{BOX};margin:2px 0 6px;overflow:hidden", f' data-agentloop="{place}"' if place else ""
    return f'<div class="agentloop-run"{mark} style="{style}">{"".join(parts)}{PAPER}</div>'


def _untold(state: State, reason: str) -> list[NextCommand]:
    """Return what can be done next, without what the reason of the end says already."""
    told = advice(reason)[1]
    return [each for each in next_commands(state) if not (told and each.command.startswith(told.split(" -", 1)[0]))]


def plain_text(state: State) -> str:
    """Tell the run in a few lines of plain text."""
    top = header(state)
    lines = [f"agent: {top['label']}, {top['step']} of {top['steps']} steps, {top['cost']}", one_line(top["goal"])]
    if top["reason"]:
        lines.append(top["reason"])
    for step in state.steps:
        shown = _row(step, state)
        error = f" — {one_line(shown['error'])}" if shown.get("error") else ""
        lines.append(f"{SIGNS.get(shown['state'], '·')} {shown['n']} {shown['action']}: {shown['title']}{error}")
    if state.summary:
        lines += ["", shortened(state.summary, MAX_PROSE)]
    return "\n".join(lines)


def _header(top: Header, *, typed: bool, doubtful: bool) -> str:
    status = "doubtful" if doubtful else top["status"]
    tone = GOOD if status == "finished" else BAD if status in ("failed", "interrupted") else ""
    steps = f"{top['step']} of {counted(top['steps'], 'step')}"
    meters = [steps, duration(top["elapsed"]), top["tokens"], top["cost"], top["model"]]
    told = "&nbsp;· ".join(prose(meter) for meter in meters if meter)
    reason = _reason(top["reason"].removeprefix(MET).lstrip(), typed=typed)
    return (
        f'<div style="padding:6px 10px"><div dir="auto">{dot(status)}'
        f'<b style="{tone}">{prose(top["label"].capitalize())}</b> · '
        f'<span style="white-space:pre-wrap;overflow-wrap:anywhere">{prose(top["goal"])}</span></div>'
        f'{reason}<div style="font-size:12px;{MUTED}">{told}</div></div>'
    )


def _foot(top: Header) -> str:
    """Return what one looks up rarely: which run it was, and its tokens by kind."""
    tokens = f"&nbsp;· Tokens: {prose(top['tokens_detail'])}" if top["tokens"] else ""
    told = f"Run {prose(top['run'])}{tokens}"
    return f'<div style="{_PART};font-size:11.5px;{MUTED}">{told}</div>'


def _reason(reason: str, *, typed: bool) -> str:
    """Say why it ended, and what to type, where one can, as a line of its own that can be copied."""
    said, command = advice(reason)
    command = command if typed else ""
    told = f'<div style="margin:2px 0;white-space:pre-wrap" dir="auto">{inline(said)}</div>' if said else ""
    box = f"display:block;margin:3px 0;padding:3px 8px;{BOX};background:var(--agl-t);white-space:pre-wrap"
    return told + (f'<div>To go on, type: <code style="{box}">{escape(command)}</code></div>' if command else "")


def advice(reason: str) -> tuple[str, str]:
    """Return a reason without the command it ends with, and that command (empty if there is none)."""
    found = _COMMAND.search(reason) if len(reason) <= LONGEST_REASON else None
    if found is None or found[2].count(" ") > 8 or "%agent" in found[2]:
        return reason, ""
    said = reason[: found.start()].strip() + reason[found.end() :]
    return said, found[1].strip()


def _answer(state: State, place: str) -> str:
    """Draw the answer; what a step shows of it is a link to that step."""
    if not state.summary:
        return ""
    answer, known = markdown(shortened(state.summary, MAX_PROSE)), {step.number for step in state.steps}
    answer = with_links(answer, grounds_of(state), known, lambda step: f"#{anchor(state, place, step)}")
    return f'<div data-answer style="{_PART};overflow-x:auto" dir="auto">{answer}</div>'


def _exhibits(shown: Sequence[Exhibit], *, below: int) -> Iterable[str]:
    """Draw what the answer rests on; of its figures the last stand below again, for readers that show none here."""
    figures = [each for each in shown if each.kind == "figure"]
    again = figures[len(figures) - below :] if below else []
    for each in shown:
        block = block_of(each.output)
        if block and block["kind"] == "picture":
            where = "below" if each in again else f"in the notebook, at step {each.step}"
            block["alt"] = f"Figure of step {each.step}; if this page does not show it here, it is {where}"
        body = block_html(block) if block and not _only_native(each) else f'<div style="{MUTED}">Shown below.</div>'
        told = f"{each.kind.capitalize()} of step {each.step} · {inline(one_line(each.caption))}"
        yield f'<div style="{_INNER}"><div style="font-size:12px;{MUTED}" dir="auto">{told}</div>{body}</div>'


def _only_native(each: Exhibit) -> bool:
    """Whether only the output itself can show it: an interactive figure without a picture."""
    return each.kind == "figure" and not any(mime.startswith("image/") for mime in each.output["data"])


def _files(state: State) -> str:
    written = (name for step in state.steps for name in step.effects.all_files)
    names = list(dict.fromkeys([*state.artifacts, *written]))[:20]
    if not names:
        return ""
    folder = str(state.settings.get("output_dir") or "")
    told = " · ".join(_file(name, folder) for name in names)
    return f'<div style="{_INNER};overflow-wrap:anywhere"><span style="{MUTED}">Files</span> {told}</div>'


def _file(name: str, folder: str) -> str:
    """Return a file of the run; a plain name is a link, which Jupyter opens beside the notebook."""
    path = f"{folder}/{name}" if folder else name
    if not _PLAIN_FILE.fullmatch(path):
        return f"<code>{escape(one_line(name))}</code>"
    return f'<a href="{quote(path)}">{prose(name)}</a>'


def _verdict(state: State, *, typed: bool) -> str:
    """Who says that the goal is met, and how that is proven."""
    if not state.is_complete:
        return ""
    run = one_line(state.run)
    proof = f"%agent export {run} proof.ipynb"
    told = "The agent reports that the goal is met."
    if not typed:
        return f'<div style="{_INNER};{MUTED}">{told}</div>'
    whole = "display:inline-block;max-width:100%;overflow-wrap:anywhere"
    line = f' To check its steps in a fresh kernel: <code style="{whole}">{escape(proof)}</code>'
    return f'<div style="{_INNER};{MUTED}">{told}{line}</div>'


def _steps(state: State, shown: Sequence[Exhibit], place: str) -> str:
    targets = {ground.step: anchor(state, place, ground.step) for ground in grounds_of(state)}
    row = partial(_step, state=state, shown=shown)
    return folded_steps(state.steps, lambda step: row(step, target=targets.get(step.number, "")), set(targets))


def _step(step: Step, state: State, shown: Sequence[Exhibit], target: str) -> str:
    row = _row(step, state)
    above = [block_of(each.output) for each in shown if each.step == step.number]
    if above and "out" in row:
        row["out"] = [block for block in row["out"] if block not in above]
        row["quiet"] = [*row.get("quiet", []), "Its result is shown above, with the answer."]
    last = step is state.steps[-1]
    return step_html(row, opened=last and not state.summary, marks=_marks(step), target=target)


def _marks(step: Step) -> list[str]:
    failed = step.result is not None and not step.result.success
    held = [kind if count == 1 else counted(count, kind) for kind, count in kinds(step).items()]
    return ["error", *held] if failed else held


def _row(step: Step, state: State) -> Card:
    """Draw the card of a step; the answer stands above, so the step that gave it does not say it again."""
    shown = card(step, state)
    finish = step.decision is not None and isinstance(step.decision.action, Finish)
    if finish and state.summary and step.result is not None and step.result.success:
        shown["title"], shown["out"] = "Answer, shown above", _without_answer(shown)
    return shown


def _without_answer(shown: Card) -> list[Block]:
    return [block for block in shown.get("out", []) if block["kind"] != "html"]
