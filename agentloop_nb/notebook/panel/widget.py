"""The widget of a live panel: its state is the board, and its comm is safe to use while a cell runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from agentloop_nb.notebook.panel.script import script

log = logging.getLogger(__name__)

_HERE = Path(__file__).parent


class PanelWidget(anywidget.AnyWidget):
    """Shows a board. Deltas go as custom messages; the synced `board` is read by a page that (re)loads."""

    _esm = script("panel.js")
    _css = _HERE / "panel.css"
    heard = False
    """Whether messages of its page arrived while code ran."""
    board = traitlets.Any().tag(sync=True, to_json=lambda _value, widget: widget.snapshot())

    def __init__(self, snapshot: Callable[[], dict[str, Any]]) -> None:
        self.snapshot = snapshot
        super().__init__()
        serve_while_busy(self.comm)

    def resend(self) -> None:
        """Send the whole board as state; it arrives even before the page has loaded the widget's script."""
        self.send_state("board")


def serve_while_busy(comm: Any) -> None:
    """Undo two defects of ipykernel's comms, for this comm only.

    7.4 answers a message on the shell that last published here, which may be busy (`_reply_subshell_for`); and every
    message fires `post_execute`, which makes matplotlib close a figure the running step still draws (`handle_msg`).
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, default: default or _lane()  # noqa: SLF001
    if hasattr(comm, "_msg_callback"):
        comm.handle_msg = lambda message: comm._msg_callback and comm._msg_callback(message)  # noqa: SLF001


_lanes: list[str] = []
"""The subshell of this kernel's panels, once a message needed it."""


def _lane() -> str | None:
    """Return a subshell of ours, for front ends that ask for none (Voila, VS Code): clicks are served while code runs.

    Called where messages are routed, on the one thread that may make subshells; None, the main shell, where it fails.
    """
    from ipykernel.kernelbase import Kernel

    try:
        manager = Kernel.instance().shell_channel_thread.manager
        if not _lanes or _lanes[0] not in manager.list_subshell():
            _lanes[:] = [manager._create_subshell()]  # noqa: SLF001
    except Exception:
        log.exception("the panel's messages wait while code runs")
        return None
    return _lanes[0]
