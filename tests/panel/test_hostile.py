"""Whatever a goal, a model, a page or a program writes is shown as text: no script, no handler, nothing fetched."""

from __future__ import annotations

import io
import json
import re

import pytest
from lxml import html as lxml_html
from rich.console import Console

from agentloop_nb.events import ActionStarted, OutputAppeared
from agentloop_nb.notebook.panel.cards import card
from agentloop_nb.notebook.panel.delta import Board
from agentloop_nb.notebook.panel.html import PAPER, plain_text, static_html
from agentloop_nb.notebook.panel.native_outputs import final_outputs
from agentloop_nb.notebook.panel.run_header import header
from agentloop_nb.state import State, fold
from agentloop_nb.terminal.terminal_view import TerminalView
from tests.panel.hostile import CORPUS, everywhere

ELEMENTS = (
    "div p span b i strong em del s code pre small a img br hr table caption colgroup col thead tbody tfoot tr td th"
    " ul ol li details summary blockquote h1 h2 h3 h4 h5 h6 kbd sub sup u"
)
ATTRIBUTES = "style dir open href target rel src alt title colspan rowspan start scope tabindex"
MARKS = " data-n data-code data-answer data-lines"
"""By which a page that shows the static view finds its parts."""
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What steers a screen, or turns text around, without being seen."""
LINE_CONTROLS = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[[12]?[AK]|\r")
"""What rich sends for colours and for its status line."""
names = pytest.mark.parametrize("nasty", CORPUS, ids=range(len(CORPUS)))


def faults(markup: str, marks: str = "") -> list[str]:
    """What in a piece of HTML is more than text, tables and pictures as data."""
    found = []
    ours = markup.replace(PAPER, "", 1).replace('<div class="agentloop-run"', "<div", 1)
    for element in lxml_html.fromstring(f"<div>{ours}</div>").iter():
        if element.tag not in ELEMENTS.split():
            found.append(f"element {element.tag}")
        for name, value in element.attrib.items():
            if name in ("id", "data-jupyter-id", "href") and re.fullmatch(r"#?[\w-]+-step-\d+", value, re.ASCII):
                continue  # from a claim of the answer to the step that shows it
            if name not in (ATTRIBUTES + marks).split():
                found.append(f"{element.tag} {name}={value[:60]}")
            a_file = re.fullmatch(r"[\w%-][\w.%/-]*", value)  # of the run, beside the notebook
            if name == "href" and not value.startswith(("https://", "http://")) and not a_file:
                found.append(f"link {value[:60]}")
            if name == "src" and not re.fullmatch(r"data:image/[a-z+]+;base64,[A-Za-z0-9+/=]*", value):
                found.append(f"source {value[:60]}")
            if name == "style" and "url(" in value:
                found.append(f"style {value[:60]}")
    return found


@names
def test_the_static_page_holds_only_text_tables_and_pictures(nasty: str) -> None:
    page = static_html(fold(everywhere(nasty)))
    assert faults(page, MARKS) == []
    assert page.count(" data-answer ") <= 1
    assert page.count("data-agentloop") == 0
    page.encode("utf-8")
    assert "\u202e" not in page
    assert len(page) < 3_000_000


@names
def test_the_live_panel_is_sent_only_safe_markup(nasty: str) -> None:
    board, state = Board(), State()
    for event in everywhere(nasty):
        state.apply(event)
        board.head(header(state))
        if state.steps:
            board.put(state.steps[-1].number, card(state.steps[-1], state))
    delta = board.take()
    assert delta is not None
    json.dumps(delta, ensure_ascii=False).encode("utf-8")
    blocks = [block for shown in delta["cards"] for block in (patch["set"] for patch in shown.get("out", ()))]
    assert blocks
    for block in blocks:
        lines = [*block.get("head", ()), *block.get("tail", ())]
        assert all(line.count("<span") == line.count("</span>") for line in lines), "each line stands alone"
        assert faults("".join(lines) + block.get("html", "")) == []


@names
def test_plain_text_and_final_outputs_can_be_stored(nasty: str) -> None:
    state = fold(everywhere(nasty))
    assert not UNSEEN.search(plain_text(state))
    plain_text(state).encode("utf-8")
    for bundle in final_outputs(state)[-1:]:
        bundle["text/markdown"].encode("utf-8")


@names
@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_a_terminal_is_sent_text_and_its_own_colours(nasty: str, terminal: bool) -> None:
    file, state = io.StringIO(), State()
    view = TerminalView(Console(file=file, force_terminal=terminal, width=100, legacy_windows=False))
    output = {"output_type": "stream", "name": "stdout", "text": nasty[:5000].encode("utf-8", "replace").decode()}
    for event in everywhere(nasty):
        state.apply(event)
        view.show(event, state)
        if isinstance(event, ActionStarted):
            view.progress(OutputAppeared(step=event.step, output=output))
    view.close()
    told = file.getvalue()
    told.encode("utf-8")
    assert not UNSEEN.search(LINE_CONTROLS.sub("", told) if terminal else told)
    assert len(told) < 1_000_000


def test_a_markdown_answer_fetches_nothing_but_keeps_local_pictures() -> None:
    events = everywhere(CORPUS[13] + CORPUS[14] + CORPUS[10] + "\n![sales](charts/sales.png) costs $5 to $6, $x^2$")
    source = final_outputs(fold(events))[-1]["text/markdown"]
    assert "![leak]" not in source
    assert "![a[" not in source
    assert "![`" not in source
    assert "![x][r]" not in source
    assert "<img" not in source
    assert "![sales](charts/sales.png)" in source
    assert r"\$5 to \$6, $x^2$" in source
