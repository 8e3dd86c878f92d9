"""The link between a panel and its page: a widget, and a thread that sends what changed on the board."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from agentloop_nb.agent.control import Control
from agentloop_nb.notebook.panel.live_board import LiveBoard
from agentloop_nb.notebook.panel.saved_picture import prepare

log = logging.getLogger(__name__)

MEASURED_EVERY = 1.0
"""Seconds between two looks at the memory that a running step uses."""
PAUSE_BETWEEN = 1 / 15
"""Seconds between two messages to the page; what happens in between is sent together."""
KEPT_OPEN: deque[Any] = deque(maxlen=3)
"""Widgets of the last runs. A page that was reloaded while a run went on still finds its panel there."""


class PageLink:
    """Sends one board to its page, and holds the lock around it."""

    def __init__(self, board: LiveBoard, control: Control) -> None:
        self.served = threading.Event()
        """Set once a message of the page arrived."""
        self.widget: Any = None
        self._board = board
        self._control = control
        self._lock = threading.RLock()
        self._changed = threading.Event()
        self._closing = threading.Event()
        self._sender: threading.Thread | None = None
        self._measured_at = 0.0

    def open(self, receive: Callable[[Any], None]) -> dict[str, Any]:
        """Make the widget and start to send; returns what displays it. `receive` is told each message of the page."""
        from agentloop_nb.notebook.panel.widget import PanelWidget

        self._board.take()
        self.widget = PanelWidget(self.snapshot)
        self.widget.on_msg(lambda _widget, message, _buffers: receive(message))
        view: Any = self.widget._repr_mimebundle_()
        self._sender = threading.Thread(target=self._send_changes, name="agent-panel", daemon=True)
        self._sender.start()
        return dict(view[0] if isinstance(view, tuple) else view)

    def close(self) -> bool:
        """Send what is left, and stop; the widget stays open for a while. False if that was done already."""
        if self._closing.is_set():
            return False
        self._closing.set()
        self._changed.set()
        if self._sender is not None:
            self._sender.join(timeout=2)
            if len(KEPT_OPEN) == KEPT_OPEN.maxlen:
                KEPT_OPEN[0].close()
            self.widget.heard = self.served.is_set()
            KEPT_OPEN.append(self.widget)
        return True

    @contextmanager
    def changing(self) -> Iterator[LiveBoard]:
        """Give the board to one thread, then have it sent."""
        with self._lock:
            yield self._board
        self._changed.set()

    def snapshot(self) -> dict[str, Any]:
        """Everything that was sent, for a page that knows nothing yet."""
        with self._lock:
            return self._board.snapshot()

    def acknowledge(self, what: str) -> None:
        """Tell the page that a click has arrived."""
        self.widget.send({"op": "ack", "what": what})

    def greet(self, seq: Any, *, cells: bool) -> None:
        """Answer the first message of a page that was sent `seq`; `cells`: whether it may add cells."""
        with self._lock:
            self.served.set()
            self._board.head({"cells": cells})
            self._changed.set()
            if seq == self._board.seq:
                self.widget.send({"op": "hi", "id": self.widget.model_id})
            else:
                self.widget.send({"op": "all", "id": self.widget.model_id, "board": self._board.snapshot()})

    def leave(self, outputs: Callable[[], Sequence[dict[str, Any]]]) -> None:
        """Send what a run left, to a page that was not told of it; nothing while it goes on."""
        if self._closing.is_set():
            self.widget.send({"op": "left", "outputs": outputs()})

    def send_if_closed(self) -> None:
        """Send at once what no thread sends any more: a reloaded page still shows the panel of a run that is over."""
        if self._closing.is_set():
            self._send()

    def _send_changes(self) -> None:
        """Send what changed, at most 15 times a second, until the panel closes. Runs on a thread of its own."""
        while True:
            self._changed.wait(MEASURED_EVERY if self._board.acting else None)
            self._measure()
            self._changed.clear()
            last = self._closing.is_set()
            try:
                self._send()
            except Exception:
                log.exception("the panel cannot be updated any more")
                return
            if last:
                return
            self._prepare()
            self._closing.wait(PAUSE_BETWEEN if self.served.is_set() else self._patience())

    def _prepare(self) -> None:
        """Make the figures of the last step ready to be saved, while the model decides the next one."""
        steps = self._board.state.steps
        if not self._board.acting and steps and (result := steps[-1].result):
            prepare(result.outputs)

    def _measure(self) -> None:
        """Look now and then at the memory that the process of the running code holds."""
        memory, now = self._control.memory, time.monotonic()
        last = max(self._measured_at, self._board.acted_at)
        if memory is None or not self._board.acting or now - last < MEASURED_EVERY:
            return
        self._measured_at = now
        if (size := memory()) is not None:
            with self._lock:
                self._board.put_memory(size)

    def _patience(self) -> float:
        """Until the page has said hello whole boards are sent, so the longer the run the rarer."""
        return min(0.15 + 0.05 * len(self._board.state.steps), 5.0)

    def _send(self) -> None:
        with self._lock:
            delta = self._board.take()
            if delta is None:
                return
            if self.served.is_set():
                self.widget.send(delta)
            else:
                self.widget.resend()
