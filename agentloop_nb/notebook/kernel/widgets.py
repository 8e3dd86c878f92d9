"""Widgets that a step shows, as text that keeps up with them: a card cannot draw a progress bar, but it can tell it."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from agentloop_nb._internal.markup import WIDGET_VIEW

MAX_TEXT = 200
"""Characters of one widget's text."""
MAX_PARTS = 20
"""Widgets inside a displayed one that are listened to."""

Update = Callable[[str, dict[str, Any], dict[str, Any]], object]
"""Takes a display id, data and metadata."""


class ShownWidgets:
    """Has the text of a display updated when its widget, or one inside it, changes."""

    def __init__(self, update: Update) -> None:
        self._update = update
        self._unfollow: list[Callable[[], None]] = []

    def follow(self, data: dict[str, Any], metadata: dict[str, Any], display_id: str | None) -> str | None:
        """Follow the widget of a display, if it is one. Returns the id the display then has."""
        widget = _widget(data.get(WIDGET_VIEW))
        if widget is None:
            return display_id
        ident = display_id or uuid.uuid4().hex
        told = data.get("text/plain")

        def changed(_change: object) -> None:
            nonlocal told
            with suppress(Exception):  # a widget's repr is anybody's code; a bar may be gone before its box
                if (text := repr(widget)[:MAX_TEXT]) != told:
                    told = text
                    self._update(ident, {**data, "text/plain": text}, metadata)

        for part in _parts(widget):
            part.observe(changed)
            self._unfollow.append(partial(part.unobserve, changed))
        return ident

    def close(self) -> None:
        """Let go of all widgets."""
        for unfollow in self._unfollow:
            unfollow()


def _widget(view: Any) -> Any:
    """Return the widget that a view shows, if ipywidgets is loaded and still knows it."""
    known = getattr(sys.modules.get("ipywidgets.widgets.widget"), "_instances", {})
    return known.get(view.get("model_id")) if isinstance(view, dict) else None


def _parts(widget: Any) -> Iterator[Any]:
    waiting, seen = [widget], 0
    while waiting and seen < MAX_PARTS:
        each = waiting.pop(0)
        seen += 1
        yield each
        waiting += getattr(each, "children", ())
