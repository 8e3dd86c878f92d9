"""A button above the lines of several tries: stops all of them, and kills them at the second click."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from agentloop_nb.agent.control import Control
from agentloop_nb.notebook.panel.cell_display import CellDisplay

log = logging.getLogger(__name__)

_HERE = Path(__file__).parent


class StopButton:
    """Shown while the tries go on. It appears when the kernel has answered it, so a click is never lost."""

    def __init__(self, shell: Any, control: Control) -> None:
        self._control = control
        self._display = CellDisplay(shell, "agent-stop")
        self._widget: Any = None

    def open(self) -> None:
        """Display it; a front end without widgets shows what to do instead."""
        try:
            self._widget = _widget()
            self._widget.on_msg(self._receive)
            view = self._widget._repr_mimebundle_()
        except Exception as error:  # noqa: BLE001 - the tries are worth more than their button
            log.warning("the tries have no button: %r", error)
            self._widget = None
            return
        bundle = dict(view[0] if isinstance(view, tuple) else view)
        self._display.publish({**bundle, "text/plain": "Interrupt the cell to stop all tries."})

    def close(self) -> None:
        """Take it away."""
        if self._widget is not None:
            self._display.publish({"text/html": "", "text/plain": ""}, update=True)
            self._widget.close()
            self._widget = None

    def _receive(self, widget: Any, message: Any, _buffers: Any) -> None:
        """Take a message of the page in, on whatever thread the kernel serves it."""
        match message:
            case {"op": "hello"}:
                widget.send({"op": "stopping" if self._control.stopping else "ready"})
            case {"op": "stop"}:
                self._control.stop()
                widget.send({"op": "stopping"})


def _widget() -> Any:
    import anywidget

    from agentloop_nb.notebook.panel.widget import serve_while_busy

    class StopWidget(anywidget.AnyWidget):
        _esm = _HERE / "stop_button.js"
        _css = _HERE / "stop_button.css"

    made = StopWidget()
    serve_while_busy(made.comm)
    return made
