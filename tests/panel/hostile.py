"""Text that wants to be more than text, and a run made of it."""

from __future__ import annotations

from agentloop_nb.actions import ActionResult, Finish, ReadUrl, RunCode, SearchWeb, WriteFile
from agentloop_nb.decision import Decision
from agentloop_nb.events import (
    AnyEvent,
    ApprovalAsked,
    ApprovalGiven,
    DecisionRejected,
    ModelCalled,
    ModelFailed,
    NoteAdded,
    RunFinished,
)
from agentloop_nb.protocols import Change
from tests.panel.story import acted, shown, started, text, thought

MARK = "agentloopOwned"
"""A script that runs sets `window[MARK]`."""

CORPUS = (
    f"<script>window.{MARK}=1</script>",
    f"<img src=x onerror='window.{MARK}=1'>",
    f"<svg/onload=window.{MARK}=1><set attributeName=href></svg>",
    f"<details open ontoggle=window.{MARK}=1><summary>x</summary></details>",
    f"<iframe srcdoc='<script>parent.{MARK}=1</script>'></iframe>",
    f"<a href='javascript:window.{MARK}=1'>click</a>",
    f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=window.{MARK}=1&gt;'>",
    f"<noscript><p title='</noscript><img src=x onerror=window.{MARK}=1>'>",
    f"</pre></details></div><script>window.{MARK}=1</script><style>body{{display:none}}</style>",
    f"<form><input autofocus onfocus=window.{MARK}=1><button formaction=javascript:{MARK}=1>b</button></form>",
    "<img src='https://evil.invalid/leak.png'><link rel=stylesheet href='https://evil.invalid/x.css'>",
    "<table background='https://evil.invalid/t.png'><tr><td style='background:url(https://evil.invalid/s.png)'>t</td></table>",
    "<img src='data:image/svg+xml,<svg onload=alert(1)>'>",
    "![leak](https://evil.invalid/m.png) ![x][r]\n\n[r]: https://evil.invalid/r.png",
    "![a[b](ok.png)](https://evil.invalid/nested.png) ![`](ok.png)`](https://evil.invalid/tick.png)",
    "\x1b[31mred\x1b[0m \x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07 \x1b[2J\x1b[1;1H\x1b[38;5;999;1mX\x1b[38;2;1m",
    "access \u202egnp.exe\u202c \u2066isolated\u2069 \u200f mark",
    "\x00\x01\x07\x08\x0b\x0c\x7f\x85 control \udcff\ud800 broken",
    "&lt;script&gt; &amp; &#60;img src=x onerror=1&#62; \"quotes\" 'and' `ticks`",
    "$x^2$ costs $5, \\(a\\) \\[b\\] \\begin{align}c\\end{align} {{template}} ${code} %s",
    "مرحبا بالعالم — שלום עולם — 你好，世界 — 🏳️‍🌈 Z̸̡͇a̵l̶g̷o",
    "A" * 1_000_000,
    "word " * 100_000,
    "\n" * 50_000,
    "\r".join(f"progress {number}%" for number in range(2000)),
    "]]> --> */ </script> </style> </textarea> </title>",
)


def everywhere(nasty: str) -> list[AnyEvent]:
    """A run with a nasty text in every place a text can come from."""
    raw, nasty = nasty, nasty.encode("utf-8", "replace").decode()  # the models themselves refuse broken text
    short = nasty[:5000]
    failing = ActionResult(
        success=False,
        output=nasty,
        error=nasty,
        metadata={"error": {"type": short, "message": nasty, "traceback": nasty, "line": 1}, "notes": [nasty]},
        outputs=(
            text(raw),
            text(raw, "stderr"),
            shown(text_html=f"<table><tr><td>{raw}</td></tr></table>{raw}", text_plain=raw),
            shown(text_markdown=raw, text_plain=raw),
            shown(text_plain=raw),
            shown(text_latex=raw),
            shown(image_png=short, text_plain=raw),
            {"output_type": "display_data", "data": {"image/svg+xml": raw}, "metadata": {}},
            {"output_type": "display_data", "data": {short: raw}, "metadata": {}},
            {"output_type": "error", "ename": short, "evalue": raw, "traceback": [raw]},
        ),
        changes=(Change(name=short, how="added", type=short, detail=short),),
    )
    hits = [
        {"title": nasty, "url": "javascript:" + short, "snippet": nasty},
        {"title": "t", "url": "https://e.invalid/" + short},
    ]
    page = {"title": nasty, "url": "https://e.invalid/" + short, "text": nasty}
    finish = ActionResult(success=True, output=nasty, metadata={"artifacts": [short]})
    wrote = ActionResult(success=True, output=nasty, metadata={"file": {"path": short}})
    return [
        started(goal=nasty, model=short),
        NoteAdded(step=1, text=nasty),
        ModelCalled(step=1, attempt=1),
        ModelFailed(step=1, attempt=1, error=nasty, wait=1.0),
        DecisionRejected(step=1, reason=nasty),
        *thought(1, Decision(reasoning=nasty, action=RunCode(code=nasty))),
        ApprovalAsked(step=1, risks=(short,)),
        ApprovalGiven(step=1, approved=True, reason=nasty, by=short),
        *acted(1, failing),
        *thought(2, Decision(reasoning=nasty, action=SearchWeb(query=nasty))),
        *acted(2, ActionResult(success=True, output=nasty, metadata={"hits": hits})),
        *thought(3, Decision(reasoning=nasty, action=ReadUrl(url=nasty))),
        *acted(3, ActionResult(success=True, output=nasty, metadata={"page": page})),
        *thought(4, Decision(reasoning=nasty, action=WriteFile(filename=nasty, content=nasty))),
        *acted(4, wrote),
        *thought(5, Decision(reasoning=nasty, action=Finish(summary=nasty))),
        *acted(5, finish),
        RunFinished(step=5, status="finished", reason=nasty, summary=nasty, artifacts=(short,)),
    ]
