"""The panel's own page code and style in a bare page with JupyterLab's colours: pictures without a kernel."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from agentloop_nb.events import AnyEvent, OutputAppeared, Progress, ReplyStreamed
from agentloop_nb.notebook.panel import widget
from agentloop_nb.notebook.panel.live_board import LiveBoard
from agentloop_nb.notebook.panel.script import script

PANEL = Path(widget.__file__).parent
THEMES = Path(sys.prefix) / "share" / "jupyter" / "lab" / "themes" / "@jupyterlab"
_BODY = "background:var(--jp-layout-color0);color:var(--jp-ui-font-color1)"
_MOUNT = """async ([source, boards]) => {
  const url = URL.createObjectURL(new Blob([source], {type: "text/javascript"}));
  const { default: make } = await import(url);
  window.models = boards.map((board) => {
    const heard = {}, model = { board, get: () => model.board, on: (name, call) => (heard[name] = call), send() {} };
    model.put = (next) => { model.board = next; heard["change:board"](); };
    const el = document.querySelector("main").appendChild(document.createElement("div"));
    const made = make();
    made.initialize({ model });
    made.render({ model, el });
    return model;
  });
}"""


def theme_sheets() -> str:
    """The variables of both themes of JupyterLab; `data-theme` on the page chooses."""
    sheets = []
    for name in ("light", "dark"):
        sheet = (THEMES / f"theme-{name}-extension" / "index.css").read_text("utf-8")
        sheets.append(sheet.replace(":root", f"[data-theme={name}]"))
    return "".join(sheets)


class Stage:
    """One browser page to show panels and static views on."""

    def __init__(self, view: Any) -> None:
        self.view = view
        style = (
            f"{theme_sheets()}{(PANEL / 'panel.css').read_text('utf-8')}body{{margin:0;{_BODY}}}main{{padding:10px}}"
        )
        style += (
            "table{border-collapse:collapse;font-size:12px}td,th{padding:4px 8px;text-align:end}img{max-width:100%}"
        )
        style += "a{color:var(--jp-content-link-color)}p{margin:0 0 1em}"
        view.set_content(
            f'<html lang="en" data-theme="light"><style>{style}</style><main class="jp-RenderedHTMLCommon">'
        )

    def theme(self, name: str) -> None:
        """Show it in light or dark."""
        self.view.evaluate("name => { document.documentElement.dataset.theme = name; }", name)
        self.view.emulate_media(color_scheme=name)

    def panels(self, boards: list[LiveBoard]) -> None:
        """Show live panels, one below the other."""
        self.view.evaluate("() => { document.querySelector('main').replaceChildren(); }")
        self.view.evaluate(_MOUNT, [script("panel.js"), [board.snapshot() for board in boards]])

    def put(self, number: int, board: LiveBoard, now: float) -> None:
        """Show what changed on a board, with clocks at `now`."""
        board.take()
        self.view.evaluate(
            "([number, board]) => window.models[number].put(board)", [number, {**board.snapshot(), "now": now}]
        )

    def markup(self, pieces: list[str]) -> None:
        """Show static views, one below the other."""
        self.view.evaluate(
            "(all) => { document.querySelector('main').innerHTML = all.map(each => `<div>${each}</div>`).join(''); }",
            pieces,
        )


def board_of(goal: str, events: list[AnyEvent | Progress], shift: float = 0.0) -> LiveBoard:
    """A board after these events, which happened `shift` seconds later than they say."""
    board = LiveBoard(goal)
    board.begin()
    for event in events:
        if isinstance(event, OutputAppeared | ReplyStreamed):
            board.progress(event)
            continue
        event = event.model_copy(update={"at": event.at + shift})
        board.state.apply(event)
        board.show(event, board.state)
    board.take()
    return board
