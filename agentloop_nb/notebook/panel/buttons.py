"""The buttons on the finished views of this kernel: one widget, never displayed, tells the page which to put where."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentloop_nb.notebook.panel.next_commands import NextCommand, next_commands
from agentloop_nb.notebook.panel.script import script
from agentloop_nb.state import State

log = logging.getLogger(__name__)

MOST = 20
"""Views that have buttons, the newest."""
_HERE = Path(__file__).parent


class Buttons:
    """Which views have which buttons. A run has them on its newest view; a page that is reloaded gets them again."""

    def __init__(self) -> None:
        self._views: dict[str, tuple[str, Sequence[NextCommand]]] = {}
        """By the place of a view, oldest first: its run, and what can be done with it."""
        self._widget: Any = None

    def put(self, state: State, place: str) -> None:
        """Give a finished view its buttons, and take them from the views before it of the same run."""
        self._views = {at: view for at, view in self._views.items() if view[0] != state.run}
        self._views[place] = (state.run, next_commands(state))
        for oldest in list(self._views)[:-MOST]:
            del self._views[oldest]
        self._send()

    def begin(self, run: str) -> None:
        """Take away what no longer holds once a run begins: its own buttons, and what is about the last run."""
        rest = {place: view for place, view in self._views.items() if view[0] != run}
        self._views = {place: (of, [each for each in does if not each.newest]) for place, (of, does) in rest.items()}
        if self._widget is not None:
            self._send()

    def _send(self) -> None:
        views = [
            {"place": place, "run": run, "commands": [each.offered() for each in commands]}
            for place, (run, commands) in self._views.items()
        ]
        try:
            self._shown().views = views
        except Exception as error:  # noqa: BLE001 - what to type stands in the view, too
            log.warning("the views of runs have no buttons: %r", error)

    def _shown(self) -> Any:
        if self._widget is None:
            self._widget = _widget()
        return self._widget


def _widget() -> Any:
    import anywidget
    import traitlets

    class ButtonsWidget(anywidget.AnyWidget):
        _esm = script("buttons.js")
        _css = _HERE / "buttons.css"
        views = traitlets.List().tag(sync=True)

    return ButtonsWidget()


BUTTONS = Buttons()
"""Those of this kernel."""
