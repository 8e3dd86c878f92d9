"""A clock that goes off on a thread of its own: one for a run, started when it is first set."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_NEVER = float("inf")
_LETTING_GO = 5.0
"""Seconds that the end waits for the thread, which only sleeps."""


class Alarm:
    """Calls an action when its time has come, unless it was switched off before. Setting it wakes nobody.

    The thread sleeps on to the time that was set first; what was set meanwhile is looked at then.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._action: Callable[[], None] | None = None
        self._at = self._wakes = _NEVER
        self._thread: threading.Thread | None = None
        self._closed = False

    def set(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` in so many seconds, in place of what was set before."""
        with self._changed:
            self._at, self._action = time.monotonic() + seconds, action
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="agent-alarm", daemon=True)
                self._thread.start()
            elif self._at < self._wakes:
                self._changed.notify()

    def switch_off(self) -> None:
        """Call nothing."""
        with self._changed:
            self._at, self._action = _NEVER, None

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed, self._action = True, None
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_LETTING_GO)

    def _run(self) -> None:
        while (action := self._next()) is not None:
            action()

    def _next(self) -> Callable[[], None] | None:
        """Wait for what is due; None at the end."""
        with self._changed:
            while not self._closed:
                left = self._at - time.monotonic()
                if self._action is not None and left <= 0:
                    action, self._action, self._at = self._action, None, _NEVER
                    return action
                self._wakes = self._at
                self._changed.wait(None if left == _NEVER else left)
        return None
