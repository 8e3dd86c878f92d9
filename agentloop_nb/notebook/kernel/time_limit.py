"""A time limit on what waits in Python for a person, on a thread that cannot await."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.notebook.kernel.interrupter import raise_in


class _TimeUp(BaseException):
    """Raised in the waiting thread. No `Exception`, so that nothing handles it by accident."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise `TimeoutError` after so many seconds in what is done inside, at its next step in Python.

    A browser has no second thread to keep the time, so nothing is limited there.
    """
    if seconds is None or IN_BROWSER:
        yield
        return
    lock, over, home = threading.Lock(), threading.Event(), threading.current_thread()

    def strike() -> None:
        with lock:  # never after the end of what is limited
            if not over.is_set():
                raise_in(home, _TimeUp)

    timer = threading.Timer(max(seconds, 0), strike)
    timer.daemon = True
    timer.start()
    try:
        try:
            yield
        finally:
            with lock:
                over.set()
            timer.cancel()
    except _TimeUp:
        raise TimeoutError from None
